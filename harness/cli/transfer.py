"""Bars for downloads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["TransferView", "transfer_bars"]

TransferView = Callable[[str, int, int | None], None]
"""Called with what is transferred, the bytes done, and all bytes where known."""


@contextmanager
def transfer_bars() -> Iterator[TransferView]:
    """Show a bar with size, speed and time left on standard error, one for each name it is called with.

    Nothing is drawn before the first call, so that a question may be asked before.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from harness.report.console import stderr

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), Remaining())
    bars = Progress(*columns, console=stderr)
    tasks: dict[str, TaskID] = {}

    def show(what: str, done: int, total: int | None) -> None:
        if what not in tasks:
            bars.start()
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done, total=total)

    try:
        yield show
    finally:
        if tasks:
            bars.stop()
