"""The clock of a device: waiting until it is idle, and times by its own events."""

from __future__ import annotations

from typing import Any

from harness.measure.torch_state import synchronise

__all__ = ["DeviceClock"]


class DeviceClock:
    """Synchronisation and event times of a device.

    Parameters
    ----------
    device
        Torch device name.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.has_events = device.startswith("cuda")

    def synchronise(self) -> None:
        """Wait until all work queued on the device is done."""
        synchronise(self.device)

    def mark(self) -> Any:
        """Queue an event on the device's current stream and return it; None on a CPU."""
        if not self.has_events:
            return None
        import torch

        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self.device))
        return event

    def between(self, first: Any, last: Any) -> float | None:
        """Return the milliseconds between two marks that have both been reached; None on a CPU."""
        return float(first.elapsed_time(last)) if self.has_events else None
