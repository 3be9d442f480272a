"""Levels and peaks of memory: the CUDA allocator's counters, or the kernel's high-water mark of this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Protocol

from harness.contract import Sample
from harness.measure.host import give_back, large_blocks_mapped, reset_high_water, settle, small_pages, status_bytes
from harness.measure.reach import reachable_bytes
from harness.store.measurements import Size

__all__ = ["CudaMeter", "HostMeter", "MemoryMeter", "measure_peak", "meter_of"]

_MB = 1e6
_SLACK = 1_000_000
"""Bytes by which a level may fall without an error of the measurement."""


class MemoryMeter(Protocol):
    """Memory above the level at construction, which must come just before the method is made."""

    def settle(self) -> None:
        """Return garbage, free heap and cached blocks to the system; part of construction and of :meth:`static`."""

    def static(self) -> Size:
        """Return the memory in use now."""

    def restart(self) -> None:
        """Begin a stage: its peak starts at the present level, best after :meth:`settle`."""

    def peaks(self, name: str, held: int = 0) -> dict[str, Size]:
        """Return the peaks since :meth:`restart`: in use as ``name``, taken from the device as ``<name>_reserved``.

        Parameters
        ----------
        name
            Key in a record's memory.
        held
            Bytes of host memory that the harness itself held during the stage.
        """

    def device_delta(self) -> Size:
        """Return by how much the device's free memory fell since construction, by whatever process."""


def meter_of(device: str) -> MemoryMeter:
    """Return the meter of a torch device."""
    return CudaMeter(device) if device.startswith("cuda") else HostMeter()


def measure_peak(
    predict: Callable[[Sample], object], samples: Sequence[Sample], meter: MemoryMeter, max_seconds: float
) -> dict[str, Size]:
    """Predict each sample once and return the peaks; the first sample is always predicted.

    Parameters
    ----------
    predict
        Prepare and infer of a fitted method.
    samples
        Blind samples, at least one; their own bytes are subtracted from the peaks.
    meter
        Constructed before the method was made.
    max_seconds
        Time after which no further sample is predicted.

    Returns
    -------
    dict
        ``peak_inference``, ``peak_inference_reserved`` and ``device_delta``, with the number of ``calls`` and, where
        the time was over before the last sample, ``stopped``.
    """
    with large_blocks_mapped(), small_pages():
        return _measured_peak(predict, samples, meter, max_seconds)


def _measured_peak(
    predict: Callable[[Sample], object], samples: Sequence[Sample], meter: MemoryMeter, max_seconds: float
) -> dict[str, Size]:
    held = reachable_bytes(samples)
    meter.settle()
    meter.restart()
    started, calls = perf_counter(), 0
    for sample in samples:
        predict(sample)
        give_back()
        calls += 1
        if perf_counter() - started >= max_seconds:
            break
    sizes = meter.peaks("peak_inference", held) | {"device_delta": meter.device_delta()}
    short = calls < len(samples)
    stopped = f"the budget of {max_seconds:g} s was over after {calls} of {len(samples)} samples" if short else ""
    return {name: replace(size, calls=calls, stopped=stopped) for name, size in sizes.items()}


class HostMeter:
    """Resident memory of this process. Libraries that a method loads count, memory-mapped files too."""

    _LEVEL = "VmRSS, less its level before the method was made"
    _PEAK = "VmHWM after clear_refs, less VmRSS before the method was made"

    def __init__(self) -> None:
        self.settle()
        self._base = status_bytes("VmRSS")
        self._resettable = False

    def settle(self) -> None:
        """Return garbage and free heap to the system."""
        settle()

    def static(self) -> Size:
        """Return the resident size once settled."""
        self.settle()
        return self._above(status_bytes("VmRSS"), self._LEVEL)

    def restart(self) -> None:
        """Reset the high-water mark."""
        self._resettable = reset_high_water()

    def peaks(self, name: str, held: int = 0) -> dict[str, Size]:
        """Return the high-water mark; nothing is reserved on a host."""
        if self._resettable:
            peak = self._above(status_bytes("VmHWM"), self._PEAK, held)
        else:
            peak = _unknown(self._PEAK, "this system does not allow resetting the high-water mark")
        return {name: peak, f"{name}_reserved": _unknown("cuda max_memory_reserved", "the device is a CPU")}

    def device_delta(self) -> Size:
        """Return an unknown size: a host has no other device."""
        return _unknown("cuda mem_get_info", "the device is a CPU")

    def _above(self, value: int | None, source: str, held: int = 0) -> Size:
        if value is None or self._base is None:
            return _unknown(source, "this system has no /proc/self/status")
        return _number(value - self._base - held, source)


class CudaMeter:
    """Memory of a CUDA device; its context and the workspaces that all methods share must exist before.

    Parameters
    ----------
    device
        Torch device name.
    """

    def __init__(self, device: str) -> None:
        import torch

        self._device = device
        self.settle()
        self._allocated = torch.cuda.memory_allocated(device)
        self._reserved = torch.cuda.memory_reserved(device)
        self._free = torch.cuda.mem_get_info(device)[0]

    def settle(self) -> None:
        """Return garbage to the allocator, and its cached blocks to the device."""
        import torch

        settle()
        torch.cuda.synchronize(self._device)
        torch.cuda.empty_cache()

    def static(self) -> Size:
        """Return the memory in use by the allocator once settled."""
        import torch

        self.settle()
        held = torch.cuda.memory_allocated(self._device) - self._allocated
        return _number(held, "cuda memory_allocated, less its level before the method was made")

    def restart(self) -> None:
        """Reset the allocator's peaks."""
        import torch

        torch.cuda.reset_peak_memory_stats(self._device)

    def peaks(self, name: str, held: int = 0) -> dict[str, Size]:
        """Return the allocator's peaks; what the harness itself holds is in host memory and not part of them."""
        import torch

        used = torch.cuda.max_memory_allocated(self._device) - self._allocated
        taken = torch.cuda.max_memory_reserved(self._device) - self._reserved
        return {
            name: _number(used, "cuda max_memory_allocated, less memory_allocated before the method was made"),
            f"{name}_reserved": _number(taken, "cuda max_memory_reserved, less memory_reserved before the method"),
        }

    def device_delta(self) -> Size:
        """Return by how much the device's free memory fell, other processes and other libraries included."""
        import torch

        torch.cuda.synchronize(self._device)
        return _number(self._free - torch.cuda.mem_get_info(self._device)[0], "cuda mem_get_info: free before less now")


def _number(count: int, source: str) -> Size:
    if count < -_SLACK:
        return _unknown(source, "the level fell below the one before the method was made")
    return Size(round(max(0, count) / _MB, 3), source)


def _unknown(source: str, reason: str) -> Size:
    return Size(None, source, reason)
