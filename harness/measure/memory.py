"""Peak memory of a stage: the CUDA allocator's counters, or the kernel's high-water mark of this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["MemoryMeter"]

_MB = 1e6


class MemoryMeter:
    """Levels and peaks above the level at construction, in MB (1e6 bytes).

    Each number is a dictionary with ``mb`` and ``source``; ``mb`` is None with a ``reason`` where it can't be had.

    Parameters
    ----------
    device
        Torch device name.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._cuda = device.startswith("cuda")
        self._base = self._level()
        self._reset = True

    def reset_peak(self) -> None:
        """Start a new stage: the peak becomes the present level."""
        if self._cuda:
            import torch

            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            self._reset = _reset_high_water()

    def level(self) -> dict[str, Any]:
        """Return what is held now."""
        source = "cuda memory_allocated" if self._cuda else "VmRSS"
        return self._number(self._level(), source)

    def peak(self) -> dict[str, Any]:
        """Return the most that was held since :meth:`reset_peak`."""
        if self._cuda:
            import torch

            return self._number(torch.cuda.max_memory_allocated(self._device), "cuda max_memory_allocated")
        if not self._reset:
            source = "VmHWM after clear_refs"
            return {"mb": None, "source": source, "reason": "this system does not let the high-water mark be reset"}
        return self._number(_status_bytes("VmHWM"), "VmHWM after clear_refs")

    def _level(self) -> int | None:
        if self._cuda:
            import torch

            return int(torch.cuda.memory_allocated(self._device))
        return _status_bytes("VmRSS")

    def _number(self, value: int | None, source: str) -> dict[str, Any]:
        if value is None or self._base is None:
            return {"mb": None, "source": source, "reason": "this system has no /proc/self/status"}
        return {"mb": round(max(0, value - self._base) / _MB, 3), "source": source}


def _status_bytes(field: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith(f"{field}:")]
    return int(found[0][1]) * 1024 if found else None


def _reset_high_water() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True
