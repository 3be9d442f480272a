"""Bars for downloads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["TransferView", "transfer_bars"]

TransferView = Callable[[str, int, int | None], None]
"""Called with the name of a transfer, the bytes done, and all bytes where known."""


@contextmanager
def transfer_bars() -> Iterator[TransferView]:
    """Show a bar with size, speed and time left on standard error for each transfer; none before the first call."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from harness.report.console import stderr

    name = TextColumn("{task.description}", markup=False)
    bars = Progress(name, BarColumn(), DownloadColumn(), TransferSpeedColumn(), Remaining(), console=stderr)
    tasks: dict[str, TaskID] = {}

    def show(transfer: str, done: int, total: int | None) -> None:
        if transfer not in tasks:
            bars.start()
            tasks[transfer] = bars.add_task(transfer, total=total)
        bars.update(tasks[transfer], completed=done, total=total)

    try:
        yield show
    finally:
        if tasks:
            bars.stop()
