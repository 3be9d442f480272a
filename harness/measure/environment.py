"""What a number was measured on and with."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.distribution import VERSION
from harness.measure.cuda_driver import visible_devices
from harness.measure.gpus import list_gpus, named_with_limit
from harness.store.claims import Holder
from harness.store.environment import Environment, Git
from harness.store.provenance import provider_of, reader_of

__all__ = ["describe", "describe_torch", "machine_of", "package_versions"]

_PACKAGES = ("torch", "timm", "numpy", "scipy", "scikit-learn", "pillow", "tifffile", "faiss-gpu")


def describe(method: str | None = None, device: str = "", dataset: str = "") -> Environment:
    """Return versions and hardware, without importing torch.

    Parameters
    ----------
    method
        Name of the method that is measured, to describe its :func:`harness.store.provenance.provider_of`.
    device
        Torch device name, where a device is used.
    dataset
        Name of the dataset that is read, to describe its :func:`harness.store.provenance.reader_of`.
    """
    gpus, reason = list_gpus()
    here = Holder.here()
    return Environment(
        harness=VERSION,
        git=_git(),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        cpu=_cpu_name(),
        cores=os.cpu_count(),
        gpus=gpus,
        gpus_reason=reason,
        driver=gpus[0].driver if gpus else None,
        packages=package_versions(),
        provider=provider_of(method) if method else None,
        reader=reader_of(dataset) if dataset else None,
        device=device,
        host=here.host,
        job=here.job_name,
    )


def package_versions() -> dict[str, str]:
    """Return the versions of the installed packages that numbers come from, without importing them."""
    return {name: installed for name in _PACKAGES if (installed := _version(name))}


def machine_of(device: str) -> str:
    """Return the machine of a torch device as records name it, without importing torch; empty where it is unknown."""
    name: str | None = _cpu_name()
    if device != "cpu":
        position, visible = int(device.partition(":")[2] or 0), visible_devices()
        used = visible[position] if position < len(visible) else None
        name = named_with_limit(used.name, used.uuid) if used else None
    return Environment(cpu=_cpu_name(), cores=os.cpu_count(), device=device, device_name=name).machine


def describe_torch(environment: Environment, device: str) -> Environment:
    """Return an environment with the device's name, and threads and flags of torch where this process has loaded it."""
    environment = replace(environment, device=device, device_name=_cpu_name(), load_average=_load_average())
    if "torch" not in sys.modules:
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return replace(environment, threads=threads)
    import torch

    on_cuda = device.startswith("cuda")
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    return replace(
        environment,
        device_name=_cuda_name(device) if on_cuda else environment.device_name,
        cuda=torch.version.cuda if on_cuda else None,
        dtype=str(torch.get_default_dtype()).removeprefix("torch."),
        threads=torch.get_num_threads(),
        interop_threads=torch.get_num_interop_threads(),
        tf32=matmul or cudnn,
        tf32_matmul=matmul,
        tf32_cudnn=cudnn,
        cudnn_benchmark=torch.backends.cudnn.benchmark,
        cudnn_deterministic=torch.backends.cudnn.deterministic,
        deterministic_algorithms=torch.are_deterministic_algorithms_enabled(),
        cublas_workspace_config=os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )


def _cuda_name(device: str) -> str:
    """Return the name of a CUDA device that torch uses, as :func:`machine_of` has it."""
    import torch

    uuid = str(getattr(torch.cuda.get_device_properties(device), "uuid", ""))
    return named_with_limit(torch.cuda.get_device_name(device), uuid)


def _load_average() -> float | None:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git() -> Git | None:
    """Return commit and dirty flag of the checkout this package runs from; None where it is installed elsewhere."""
    top = Path(__file__).resolve().parents[2]
    if not (top / ".git").exists():
        return None
    try:
        commit = _run_git(top, "rev-parse", "HEAD")
        changed = _run_git(top, "status", "--porcelain", "--untracked-files=no")
        added = _run_git(top, "status", "--porcelain", "--", "harness", "methods", "splits")
        return Git(commit, bool(changed or added))
    except (OSError, subprocess.SubprocessError) as error:
        print(f"git could not be asked for the commit: {error}", file=sys.stderr)
        return None


def _run_git(top: Path, *arguments: str) -> str:
    command = ["git", "-C", str(top), *arguments]
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=10
    ).stdout.strip()
