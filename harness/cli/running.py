"""Running a plan with bars for cells and passes, and a summary at the end."""

from __future__ import annotations

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining

from harness.errors import ExitCode
from harness.job import Job
from harness.launch.events import Event
from harness.launch.local import run_jobs
from harness.plan import Plan
from harness.report.console import print_notes, print_outcome, print_summary, stderr
from harness.store import Store

__all__ = ["execute"]

_WEIGHTS = {"load": 0.05, "fit": 0.4, "score": 0.4, "latency": 0.1, "metrics": 0.05}
"""Rough shares of a cell's time: for the bar only."""


def execute(plan: Plan, store: Store, *, device: str, save_fitted: bool) -> int:
    """Run what is to run, print the table of all cells of the plan, and return the exit code."""
    print_notes(plan)
    jobs = plan.to_run
    if jobs:
        kept = {job.cell.id: store.fitted_path(job.cell) for job in jobs if save_fitted}
        _run([job.placed(store.folder, device, kept.get(job.cell.id)) for job in jobs])
    else:
        stderr.print(f"Nothing to do: all {len(plan.cells)} cells are measured already, in {store.cells}.")
    records = [record for planned in plan.cells if (record := store.read(planned.job.cell)) is not None]
    print_summary(records)
    return ExitCode.OK if all(record.status == "ok" for record in records) else ExitCode.CELL_NOT_OK


def _run(jobs: list[Job]) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        Remaining(),
    )
    with Progress(*columns, console=stderr, transient=True) as bars:
        view = _View(bars, len(jobs))
        for job, record in run_jobs(jobs, view.on_event):
            view.finished()
            print_outcome(job.cell, record)


class _View:
    """One bar for all cells, one for the stage of the running cell."""

    def __init__(self, bars: Progress, cells: int) -> None:
        self._bars = bars
        self._cells: TaskID = bars.add_task("cells", total=cells)
        self._stage: TaskID = bars.add_task("starting", total=None)
        self._done = 0
        self._before = 0.0
        self._current = ""

    def on_event(self, job: Job, event: Event) -> None:
        """Move the bars."""
        if event.kind == "stage":
            self._before += _WEIGHTS.get(self._current, 0.0)
            self._current = event.stage
            self._show(job, event.stage, 0, 0)
        elif event.kind == "progress":
            self._show(job, event.stage, event.done, event.total)
            share = event.done / event.total if event.total else 0.0
            self._bars.update(
                self._cells, completed=self._done + min(0.99, self._before + share * _WEIGHTS.get(self._current, 0.0))
            )

    def finished(self) -> None:
        """Count a finished cell."""
        self._done += 1
        self._before, self._current = 0.0, ""
        self._bars.update(self._cells, completed=self._done)

    def _show(self, job: Job, stage: str, done: int, total: int) -> None:
        description = f"{job.cell.label} {job.cell.category}: {stage}"
        self._bars.update(self._stage, description=description, completed=done, total=total or None)
