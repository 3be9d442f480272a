"""Running cells with progress bars, in a terminal or a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import TimeRemainingColumn as TimeLeft
from rich.table import Column
from rich.text import Text

from harness.cell import Cell
from harness.files.names import capped
from harness.plan.job import Job
from harness.report.console import print_outcome, stderr
from harness.report.remaining import Remaining
from harness.running.events import Event
from harness.running.scheduler import OnEvent
from harness.slurm.follow import Follower
from harness.store.record import Record

__all__ = ["follow_with_progress", "run_with_progress"]

_WEIGHTS = {"load": 0.05, "fit": 0.4, "score": 0.3, "nominal": 0.05, "latency": 0.1, "memory": 0.05, "metrics": 0.05}
"""Rough shares of a cell's time."""
_BAR = 16
"""Characters of a bar."""
_BESIDE = 58
"""Characters that a line needs beside its name, which is shortened where the terminal is narrow."""
_SHORTEST = 20


def _columns() -> tuple[ProgressColumn, ...]:
    """Return the columns that keep their width: only what stands behind them wraps."""
    return (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(_BAR, table_column=Column(no_wrap=True)),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
    )


class _NoteColumn(TextColumn):
    """What is said of a bar: the time left, or the numbers of a training."""

    def __init__(self) -> None:
        super().__init__("", markup=False, table_column=Column())

    def render(self, task: Task) -> Text:
        """Return the note; one that is made anew each time is a function."""
        note = task.fields.get("note", "")
        return Text(note() if callable(note) else note)


def run_with_progress(
    start: Callable[[OnEvent], Iterator[tuple[Job, Record]]],
    cells: int,
    devices: Sequence[str],
    elsewhere: Callable[[], int] = lambda: 0,
    *,
    expected: Mapping[str, float] | None = None,
    verbosity: int = 0,
) -> None:
    """Run jobs with a bar for all cells and one for each device, and print a line for each finished cell.

    The bar of a device begins anew with each stage of its cell, and shows the losses of a training.

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
    expected
        Seconds that cells take, by their ids, as far as earlier records tell.
    verbosity
        Above 0 a line is printed for each stage that ends; below 0 neither bars nor lines of cells that are ok.
    """
    with Progress(*_columns(), _NoteColumn(), console=stderr, transient=True, disable=verbosity < 0) as bars:
        view = _View(bars, cells, devices, elsewhere, Remaining(cells, expected or {}, len(devices)), verbosity > 0)
        for job, record in start(view.on_event):
            view.finished(job)
            if verbosity >= 0 or record.status != "ok":
                print_outcome(job.cell, record)


def follow_with_progress(follower: Follower) -> dict[str, Record]:
    """Follow pullers with a bar for all cells and a line for the pullers, and print a line for each finished cell.

    Returns
    -------
    dict of str to Record
        What they have written, by the id of the cell.
    """
    followed: dict[str, Record] = {}
    with Progress(*_columns(), TextColumn("left"), TimeLeft(), console=stderr, transient=True) as bars:
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
        self.before, self.share = 0.0, 0.0
        self.stage, self.step, self.note = "", "", ""
        self.began = 0.0
        self._steps = 0

    def begin(self, stage: str, now: float) -> None:
        """Begin a stage of the cell; an empty one where the cell has ended."""
        self.before = self.before + _WEIGHTS.get(self.stage, 0.0) if stage else 0.0
        self.share, self.stage, self.step, self.note, self.began = 0.0, stage, "", "", now
        self._steps = 0

    def advance(self, step: str, part: float) -> bool:
        """Note which part of a step of the stage is done; return whether the step begins.

        How many steps fit has is not known: each takes half of what is left, so that no bar goes back.
        """
        begins = step != self.step
        self._steps += begins
        self.step = step
        self.share = 1 - 0.5 ** (self._steps - 1) * (1 - part / 2) if self.stage == "fit" else part
        return begins

    @property
    def part(self) -> float:
        """Part of the cell that is done, below 1."""
        return min(0.99, self.before + self.share * _WEIGHTS.get(self.stage, 0.0))


class _View:
    """One bar for all cells, one for the stage of the running cell of each device."""

    def __init__(
        self,
        bars: Progress,
        cells: int,
        devices: Sequence[str],
        elsewhere: Callable[[], int],
        remaining: Remaining,
        stages: bool,
    ) -> None:
        self._bars, self._elsewhere, self._remaining, self._stages = bars, elsewhere, remaining, stages
        self._cells: TaskID = bars.add_task("cells", total=cells, note=remaining.text)
        self._done = 0
        self._several = len(devices) > 1
        self._devices = {device: _DeviceBar(bars.add_task("starting", total=None)) for device in devices}

    def on_event(self, job: Job, event: Event) -> None:
        """Move the bars; called from the threads of the devices."""
        bar = self._devices[job.device]
        if event.kind == "stage":
            self._tell_stage(bar, job)
            bar.begin(event.stage, self._bars.get_time())
            self._forget_total(bar.task)
            self._bars.reset(bar.task, description=self._name(bar, job), note="")
        elif event.kind == "progress":
            self._show(bar, job, event)
        self._remaining.progressed(job.cell.id, _name(job.cell), bar.part)
        self._advance()

    def finished(self, job: Job) -> None:
        """Count a finished cell."""
        self._done += 1
        self._remaining.finished(job.cell.id)
        bar = self._devices.get(job.device)
        if bar is not None:
            self._tell_stage(bar, job)
            bar.begin("", self._bars.get_time())
        self._advance()

    def _advance(self) -> None:
        running, others = sum(bar.part for bar in self._devices.values()), self._elsewhere()
        self._remaining.elsewhere(others)
        self._bars.update(self._cells, completed=self._done + others + running)

    def _show(self, bar: _DeviceBar, job: Job, event: Event) -> None:
        if bar.advance(event.stage, event.done / event.total if event.total else 0.0):
            self._bars.reset(bar.task)
        bar.note = ", ".join(f"{name} {value:.4g}" for name, value in event.values.items())
        self._bars.update(
            bar.task,
            description=self._name(bar, job),
            completed=event.done,
            total=event.total or None,
            note=bar.note,
        )

    def _forget_total(self, id: TaskID) -> None:
        """Make a bar one of an unknown number of steps, which no method of rich's does once it had one."""
        for task in self._bars.tasks:
            if task.id == id:
                task.total = None

    def _name(self, bar: _DeviceBar, job: Job) -> str:
        where = f"{job.device} " if self._several else ""
        name = f"{where}{_name(job.cell)}: {bar.step or bar.stage}"
        return capped(name, max(_SHORTEST, self._bars.console.width - _BESIDE))

    def _tell_stage(self, bar: _DeviceBar, job: Job) -> None:
        """Print the stage that ends, and how long it took, where that is asked for."""
        if self._stages and bar.stage:
            seconds = f"{self._bars.get_time() - bar.began:.1f} s"
            told = ", ".join(filter(None, (seconds, bar.note)))
            stderr.print(f"{_name(job.cell)}: {bar.stage}, {told}", style="dim")


def _name(cell: Cell) -> str:
    return f"{cell.label} {cell.category}" + ("" if cell.condition.kind is None else f" {cell.condition.text}")
