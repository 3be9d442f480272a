"""The GPUs of this machine by NVML (nvidia-ml-py), or by nvidia-smi where that is missing; torch is not imported."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Collection, Sequence
from typing import Any

from harness.store.environment import Gpu, GpuState

__all__ = [
    "compute_processes",
    "count_others",
    "gpu_state",
    "list_gpus",
    "named_with_limit",
    "parse_compute_processes",
    "total_energy",
]

_FIELDS = "name,memory.total,driver_version,uuid,power.limit,power.default_limit,ecc.mode.current"

_THROTTLES = (
    "SwPowerCap",
    "HwSlowdown",
    "SyncBoost",
    "SwThermalSlowdown",
    "HwThermalSlowdown",
    "HwPowerBrakeSlowdown",
)
"""NVML's names of what lowers clocks under load; a lower clock because a GPU is idle is none of it."""


def list_gpus() -> tuple[tuple[Gpu, ...], str]:
    """Return every GPU, and the reason where there is none."""
    nvml, why = _nvml()
    if nvml is not None:
        return tuple(_described(nvml, handle) for handle in _handles(nvml)), ""
    answer, reason = _query(f"--query-gpu={_FIELDS}")
    if not answer and reason:
        return (), f"{why}, and {reason}"
    return tuple(_of_row(row) for row in _rows(answer)), reason


def gpu_state(uuid: str) -> GpuState | None:
    """Return clocks, power and what lowers the clocks of a GPU at this moment; None where NVML can't tell.

    Parameters
    ----------
    uuid
        With or without its prefix ``GPU-``.
    """
    found = _found(uuid)
    if found is None:
        return None
    nvml, handle = found
    draw = _told(nvml, nvml.nvmlDeviceGetPowerUsage, handle)
    return GpuState(
        sm_clock_mhz=_told(nvml, nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM),
        memory_clock_mhz=_told(nvml, nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_MEM),
        power_w=None if draw is None else draw / 1000,
        throttled=_throttles(nvml, handle),
    )


def total_energy(uuid: str) -> int | None:
    """Return the energy that a GPU's board took since the driver was loaded, in mJ; None where NVML can't tell.

    Parameters
    ----------
    uuid
        With or without its prefix ``GPU-``.
    """
    found = _found(uuid)
    if found is None:
        return None
    nvml, handle = found
    millijoules: int | None = _told(nvml, nvml.nvmlDeviceGetTotalEnergyConsumption, handle)
    return millijoules


def named_with_limit(name: str, uuid: str) -> str:
    """Return the name of a GPU, with its power limit where that is not the default: its speed is another then."""
    gpu = next((gpu for gpu in list_gpus()[0] if gpu.uuid and _bare(gpu.uuid) == _bare(uuid)), Gpu())
    limit, usual = gpu.power_limit_w, gpu.default_power_limit_w
    return f"{name} at {limit:g} W" if limit is not None and usual is not None and limit != usual else name


def compute_processes() -> dict[str, list[int | None]]:
    """Return the present processes as :func:`parse_compute_processes`; empty where nothing can tell them."""
    nvml, _ = _nvml()
    if nvml is None:
        return parse_compute_processes(_query("--query-compute-apps=gpu_uuid,pid")[0])
    found: dict[str, list[int | None]] = {}
    for handle in _handles(nvml):
        running = _processes(nvml, handle)
        if running:
            found[_bare(_told(nvml, nvml.nvmlDeviceGetUUID, handle) or "")] = [process.pid for process in running]
    return found


def parse_compute_processes(text: str) -> dict[str, list[int | None]]:
    """Read lines of ``<uuid of a GPU>, <process id>``.

    Returns
    -------
    dict
        Process ids by UUID without its ``GPU-``; None for a process whose id is withheld.
    """
    processes: dict[str, list[int | None]] = {}
    for uuid, pid, *_ in (row for row in _rows(text) if len(row) > 1):
        processes.setdefault(uuid.removeprefix("GPU-"), []).append(int(pid) if pid.isdecimal() else None)
    return processes


def count_others(listed: Sequence[int | None], own: Collection[int]) -> int | None:
    """Return how many processes on a GPU belong to others; None where no process at all is listed.

    Parameters
    ----------
    listed
        Of :func:`compute_processes`, for a GPU that this process uses.
    own
        Ids of this process and its descendants. In a container nvidia-smi may list them under ids of the host: where
        none of them is listed, one of the listed processes is taken for this process.
    """
    if not listed:
        return None
    others = [pid for pid in listed if pid not in own]
    return len(others) - (len(others) == len(listed))


def _rows(text: str) -> list[list[str]]:
    return [[part.strip() for part in line.split(",")] for line in text.splitlines() if line.strip()]


def _query(query: str) -> tuple[str, str]:
    """Return the output of nvidia-smi, or the reason why there is none."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "", "nvidia-smi is not installed"
    command = [tool, query, "--format=csv,noheader"]
    try:
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=30, check=True
        ).stdout, ""
    except (OSError, subprocess.SubprocessError) as error:
        return "", f"nvidia-smi fails: {error}"


def _nvml() -> tuple[Any, str]:
    """Return NVML, initialised, or None and the reason."""
    try:
        import pynvml
    except ImportError:
        return None, "nvidia-ml-py is not installed"
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return None, f"NVML fails: {error}"
    return pynvml, ""


def _handles(nvml: Any) -> list[Any]:
    count = _told(nvml, nvml.nvmlDeviceGetCount) or 0
    handles = (_told(nvml, nvml.nvmlDeviceGetHandleByIndex, index) for index in range(count))
    return [handle for handle in handles if handle is not None]


def _found(uuid: str) -> tuple[Any, Any] | None:
    """Return NVML and its GPU of a UUID, with or without its prefix; None where either is missing."""
    nvml, _ = _nvml()
    if nvml is None:
        return None
    named = ((handle, _told(nvml, nvml.nvmlDeviceGetUUID, handle) or "") for handle in _handles(nvml))
    return next(((nvml, handle) for handle, name in named if _bare(name) == _bare(uuid)), None)


def _told(nvml: Any, ask: Callable[..., Any], *arguments: Any) -> Any:
    """Return an answer of NVML; None where the GPU or the driver does not support the question."""
    try:
        return ask(*arguments)
    except nvml.NVMLError:
        return None


def _described(nvml: Any, handle: Any) -> Gpu:
    memory = _told(nvml, nvml.nvmlDeviceGetMemoryInfo, handle)
    ecc, mig = _told(nvml, nvml.nvmlDeviceGetEccMode, handle), _told(nvml, nvml.nvmlDeviceGetMigMode, handle)
    limit = _told(nvml, nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    usual = _told(nvml, nvml.nvmlDeviceGetPowerManagementDefaultLimit, handle)
    return Gpu(
        name=_told(nvml, nvml.nvmlDeviceGetName, handle) or "",
        memory=f"{memory.total >> 20} MiB" if memory is not None else "",
        driver=_told(nvml, nvml.nvmlSystemGetDriverVersion) or "",
        uuid=_told(nvml, nvml.nvmlDeviceGetUUID, handle) or "",
        power_limit_w=None if limit is None else limit / 1000,
        default_power_limit_w=None if usual is None else usual / 1000,
        ecc=None if ecc is None else bool(ecc[0]),
        mig=None if mig is None else bool(mig[0]),
    )


def _processes(nvml: Any, handle: Any) -> list[Any]:
    """Return the processes of a GPU by the newest question that the driver understands."""
    for version in ("_v3", "_v2"):
        ask = getattr(nvml, f"nvmlDeviceGetComputeRunningProcesses{version}", None)
        answer = None if ask is None else _told(nvml, ask, handle)
        if answer is not None:
            return list(answer)
    return []


def _throttles(nvml: Any, handle: Any) -> tuple[str, ...]:
    reasons = _told(nvml, nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle) or 0
    return tuple(name for name in _THROTTLES if reasons & getattr(nvml, f"nvmlClocksThrottleReason{name}"))


def _of_row(row: Sequence[str]) -> Gpu:
    """Return the GPU of a line of nvidia-smi; an older one may leave fields out or say ``[N/A]``."""
    name, memory, driver, uuid, limit, usual, ecc = (*row, *[""] * 7)[:7]
    return Gpu(name, memory, driver, uuid, _watts(limit), _watts(usual), {"Enabled": True, "Disabled": False}.get(ecc))


def _watts(text: str) -> float | None:
    try:
        return float(text.removesuffix("W"))
    except ValueError:
        return None


def _bare(uuid: str) -> str:
    return uuid.removeprefix("GPU-")
