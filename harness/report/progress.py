"""Running cells with progress bars, in a terminal or a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining

from harness.plan.job import Job
from harness.report.console import print_outcome, stderr
from harness.running.events import Event
from harness.running.scheduler import OnEvent
from harness.slurm.follow import Follower
from harness.store.record import Record

__all__ = ["follow_with_progress", "run_with_progress"]

_WEIGHTS = {"load": 0.05, "fit": 0.4, "score": 0.35, "latency": 0.1, "memory": 0.05, "metrics": 0.05}
"""Rough shares of a cell's time: for the bar only."""
_COLUMNS = (
    TextColumn("{task.description}", markup=False),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
    TextColumn("left"),
    Remaining(),
)


def run_with_progress(
    start: Callable[[OnEvent], Iterator[tuple[Job, Record]]],
    cells: int,
    devices: Sequence[str],
    elsewhere: Callable[[], int] = lambda: 0,
) -> None:
    """Run jobs with a bar for all cells and one for each device, and print a line for each finished cell.

    Parameters
    ----------
    start
        Gets what is called with every event, and yields each job with its record.
    cells
        How many there are.
    devices
        Torch device names; one cell runs at a time on each.
    elsewhere
        Returns how many of the cells that are not yielded are done.
    """
    with Progress(*_COLUMNS, console=stderr, transient=True) as bars:
        view = _View(bars, cells, devices, elsewhere)
        for job, record in start(view.on_event):
            view.finished(job)
            print_outcome(job.cell, record)


def follow_with_progress(follower: Follower) -> dict[str, Record]:
    """Follow pullers with a bar for all cells and a line for the pullers, and print a line for each finished cell.

    Returns
    -------
    dict of str to Record
        What they have written, by the id of the cell.
    """
    followed: dict[str, Record] = {}
    with Progress(*_COLUMNS, console=stderr, transient=True) as bars:
        cells = bars.add_task("cells", total=follower.cells)
        pullers = bars.add_task("pullers", total=None)
        for job, record in follower.run(lambda: bars.update(pullers, description=follower.pullers_text())):
            followed[job.cell.id] = record
            bars.update(cells, completed=len(followed))
            print_outcome(job.cell, record)
    return followed


class _DeviceBar:
    """How far the running cell of one device is."""

    def __init__(self, task: TaskID) -> None:
        self.task = task
        self.before, self.share, self.stage = 0.0, 0.0, ""

    @property
    def part(self) -> float:
        """Part of the cell that is done, below 1."""
        return min(0.99, self.before + self.share * _WEIGHTS.get(self.stage, 0.0))


class _View:
    """One bar for all cells, one for the stage of the running cell of each device."""

    def __init__(self, bars: Progress, cells: int, devices: Sequence[str], elsewhere: Callable[[], int]) -> None:
        self._bars, self._elsewhere = bars, elsewhere
        self._cells: TaskID = bars.add_task("cells", total=cells)
        self._done = 0
        self._several = len(devices) > 1
        self._devices = {device: _DeviceBar(bars.add_task("starting", total=None)) for device in devices}

    def on_event(self, job: Job, event: Event) -> None:
        """Move the bars; called from the threads of the devices."""
        bar = self._devices[job.device]
        if event.kind == "stage":
            bar.before += _WEIGHTS.get(bar.stage, 0.0)
            bar.share, bar.stage = 0.0, event.stage
            self._show(bar, job, event.stage, 0, 0)
        elif event.kind == "progress":
            self._show(bar, job, event.stage, event.done, event.total)
            bar.share = event.done / event.total if event.total else 0.0
        self._advance()

    def finished(self, job: Job) -> None:
        """Count a finished cell."""
        self._done += 1
        bar = self._devices.get(job.device)
        if bar is not None:
            bar.before, bar.share, bar.stage = 0.0, 0.0, ""
        self._advance()

    def _advance(self) -> None:
        running = sum(
            min(0.99, bar.before + bar.share * _WEIGHTS.get(bar.stage, 0.0)) for bar in self._devices.values()
        )
        self._bars.update(self._cells, completed=self._done + self._elsewhere() + running)

    def _show(self, bar: _DeviceBar, job: Job, stage: str, done: int, total: int) -> None:
        where = f"{job.device} " if self._several else ""
        description = f"{where}{job.cell.label} {job.cell.category}: {stage}"
        self._bars.update(bar.task, description=description, completed=done, total=total or None)
