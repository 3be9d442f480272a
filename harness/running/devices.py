"""Choosing devices without importing torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from harness.errors import PrerequisiteError, UsageError
from harness.measure.cuda_driver import visible_devices

__all__ = ["check_device_names", "choose_device", "choose_devices"]


def choose_devices(names: Sequence[str]) -> tuple[str, ...]:
    """Turn names into devices.

    Parameters
    ----------
    names
        ``cpu``, ``cuda:N``, ``cuda`` (the first), ``auto`` (the first CUDA device, or the CPU where torch can use none)
        or ``all`` (every CUDA device).

    Raises
    ------
    UsageError
        For a name that is not a device, where none is named, and where one is named twice.
    PrerequisiteError
        For a CUDA device that this machine, or this torch, does not have.
    """
    check_device_names(names)
    count = _cuda_devices() if any(name != "cpu" for name in names) else 0
    chosen = tuple(device for name in names for device in _devices(name, count))
    repeated = next((device for device in chosen if chosen.count(device) > 1), None)
    if repeated is not None:
        raise UsageError(
            f"'--devices {','.join(names)}' names {repeated} twice: two cells at a time on one device share its time "
            "and memory, so the numbers of neither would hold. Name each device once."
        )
    return chosen


def check_device_names(names: Sequence[str]) -> None:
    """Raise UsageError for what is not a name of a device on any machine, and where none is named."""
    if not names:
        raise UsageError("No device is named: use cpu, cuda:0, all or auto.")
    for name in names:
        if not re.fullmatch(r"auto|cpu|all|cuda(:\d+)?", name):
            raise UsageError(f"There is no device '{name}': use cpu, cuda:0, all or auto with --device.")


def choose_device(name: str) -> str:
    """Return the first device that a name of :func:`choose_devices` stands for."""
    return choose_devices((name,))[0]


def _devices(name: str, count: int) -> tuple[str, ...]:
    if name == "auto":
        return ("cuda:0",) if count else ("cpu",)
    if name == "cpu":
        return ("cpu",)
    wanted = int(name.partition(":")[2] or 0)
    if wanted >= count:
        why = "torch is built without CUDA" if _torch_is_for_cpu() else f"NVIDIA's driver shows {count} to this process"
        raise PrerequisiteError(f"There is no CUDA device {wanted} ({why}): use '--device cpu', or see 'harness env'.")
    return tuple(f"cuda:{index}" for index in range(count)) if name == "all" else (f"cuda:{wanted}",)


def _cuda_devices() -> int:
    """Return how many CUDA devices torch would see in this process."""
    return 0 if _torch_is_for_cpu() else len(visible_devices())


def _torch_is_for_cpu() -> bool:
    try:
        return version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return True
