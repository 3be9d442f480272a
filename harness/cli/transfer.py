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

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), Remaining())
    bars = Progress(*columns, console=stderr)
    tasks: dict[str, TaskID] = {}

    def show(name: str, done: int, total: int | None) -> None:
        if name not in tasks:
            bars.start()
            tasks[name] = bars.add_task(name, total=total)
        bars.update(tasks[name], completed=done, total=total)

    try:
        yield show
    finally:
        if tasks:
            bars.stop()
