"""What a number was measured on and with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from harness.store.measurements import Amount, Count

__all__ = ["CacheUse", "Environment", "Git", "Gpu", "GpuState", "Provider"]


@dataclass(frozen=True, slots=True)
class Git:
    """The checkout that harness ran from."""

    commit: str
    dirty: bool = False


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as NVML or ``nvidia-smi`` lists it; None and empty where unknown.

    Parameters
    ----------
    name, memory, driver, uuid
        Texts of the driver.
    power_limit_w, default_power_limit_w
        Watts that it may draw now, and as it was delivered.
    ecc, mig
        Whether its memory corrects errors, and whether it is divided into instances.
    """

    name: str = ""
    memory: str = ""
    driver: str = ""
    uuid: str = ""
    power_limit_w: Amount | None = None
    default_power_limit_w: Amount | None = None
    ecc: bool | None = None
    mig: bool | None = None


@dataclass(frozen=True, slots=True)
class GpuState:
    """A GPU at a moment; None where unknown.

    Parameters
    ----------
    sm_clock_mhz, memory_clock_mhz, power_w
        Clocks and power.
    throttled
        What lowered its clocks, by NVML's names, for example ``SwPowerCap``.
    """

    sm_clock_mhz: Count | None = None
    memory_clock_mhz: Count | None = None
    power_w: Amount | None = None
    throttled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Provider:
    """What computed the numbers of a method, or read the samples of a dataset.

    Parameters
    ----------
    distribution, version
        The installed distribution that registers it. For a method that is not installed: the reference that it was
        imported by, ``FILE.py:CLASS``, and the SHA-256 of the file's content.
    source
        Digest of its code (:func:`harness.store.provenance.source_of`); empty in records of version 0.1.
    """

    distribution: str
    version: str
    source: str = ""

    @property
    def reference(self) -> str:
        """``FILE.py:CLASS`` of a method that is not installed; empty for an installed one."""
        return self.distribution if ":" in self.distribution else ""


@dataclass(frozen=True, slots=True)
class CacheUse:
    """How many arrays of training samples were read from the cache and how many were computed."""

    read: Count = 0
    made: Count = 0


@dataclass(frozen=True, slots=True)
class Environment:
    """What a number was measured on and with; None and empty where unknown.

    Parameters
    ----------
    harness, git, python, system, packages, provider
        Versions.
    reader
        The package that registers the dataset; None for a built-in one, whose reader the protocol's version stands for.
    cpu, cores, gpus, gpus_reason, driver
        The machine; ``gpus_reason`` says why no GPU is listed.
    host
        Its name in the network.
    job
        The job of Slurm as ``squeue`` names it, ``123`` or ``123_4`` for a task of an array; empty outside one.
    device, device_name
        Torch device and its name.
    cuda, dtype, threads, interop_threads, tf32, tf32_matmul, tf32_cudnn, cudnn_benchmark, cudnn_deterministic
        Version and settings of torch.
    deterministic_algorithms, cublas_workspace_config
        The same.
    load_average
        Of the system, over one minute.
    contended
        Whether something else kept the machine busy while times were measured.
    contention
        What it was, or why that is unknown.
    other_load_cores
        Cores that other processes kept busy on average.
    gpu_state
        The CUDA device at the end of the timed calls; None on a CPU and where NVML can't tell.
    implementations
        What computed those parts of the method that can be computed in several ways on such a device, by the name of
        the part; with the reason in brackets where it was not the first choice.
    cache
        Use of cached features in fit; None where the method uses no cache or had none.
    """

    harness: str | None = None
    git: Git | None = None
    python: str | None = None
    system: str | None = None
    cpu: str | None = None
    cores: Count | None = None
    gpus: tuple[Gpu, ...] = ()
    gpus_reason: str = ""
    driver: str | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    provider: Provider | None = None
    reader: Provider | None = None
    device: str = ""
    device_name: str | None = None
    cuda: str | None = None
    dtype: str | None = None
    threads: Count | None = None
    interop_threads: Count | None = None
    tf32: bool | None = None
    tf32_matmul: bool | None = None
    tf32_cudnn: bool | None = None
    cudnn_benchmark: bool | None = None
    cudnn_deterministic: bool | None = None
    deterministic_algorithms: bool | None = None
    cublas_workspace_config: str | None = None
    load_average: Amount | None = None
    contended: bool = False
    contention: str = ""
    other_load_cores: Amount | None = None
    gpu_state: GpuState | None = None
    implementations: Mapping[str, str] = field(default_factory=dict)
    cache: CacheUse | None = None
    host: str = ""
    job: str = ""

    @property
    def kind(self) -> str:
        """Kind of the device without its index: ``cpu``, ``cuda``, or empty where unknown."""
        return self.device.partition(":")[0]

    @property
    def hardware(self) -> str:
        """The machine that speeds and peaks of memory belong to; they are comparable on equal hardware only.

        ``<cpu>, <n> cores, <n> threads`` for the CPU, ``<gpu> in <cpu>`` for a CUDA device, whatever its index. Empty
        where the device or its name is unknown: such a record is comparable with no other. Versions of packages are no
        part of it, so that a slowdown by an upgrade shows.
        """
        threads = _count(self.threads, "thread") if self.device == "cpu" else ""
        return ", ".join(filter(None, (self.machine, threads))) if self.machine else ""

    @property
    def machine(self) -> str:
        """The hardware without the number of threads: what is known of a device before it is used."""
        return _machine(self.device, self.device_name, self.cpu, self.cores)

    @property
    def busy_reason(self) -> str:
        """What else kept the machine busy; empty where nothing did."""
        return (self.contention or "something else kept the device busy") if self.contended else ""


@lru_cache(1000)
def _machine(device: str, device_name: str | None, cpu: str | None, cores: int | None) -> str:
    name, cpu = (" ".join((text or "").split()) for text in (device_name, cpu))
    if device == "cpu":
        return ", ".join(filter(None, (cpu or name, _count(cores, "core")))) if cpu or name else ""
    return " in ".join(filter(None, (name, cpu))) if device and name else ""


def _count(number: int | None, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else ""
