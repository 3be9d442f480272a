"""Running a plan with bars for cells and passes, and a summary at the end."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining

from harness.errors import ExitCode
from harness.plan.job import Job, write_job
from harness.plan.planning import Plan
from harness.report.console import print_notes, print_outcome, print_summary, stderr
from harness.run.events import Event
from harness.run.interrupts import watch
from harness.run.scheduler import run_jobs
from harness.store.pending import note_plan, tidy
from harness.store.store import Store

__all__ = ["execute", "write_jobs_to"]

_WEIGHTS = {"load": 0.05, "fit": 0.4, "score": 0.35, "latency": 0.1, "memory": 0.05, "metrics": 0.05}
"""Rough shares of a cell's time: for the bar only."""


def execute(
    plan: Plan,
    store: Store,
    *,
    devices: Sequence[str],
    timeout: float | None,
    save_fitted: bool = False,
    save_maps: bool = False,
) -> int:
    """Run what is to run, print the table of all cells of the plan, and return the exit code."""
    print_notes(plan)
    jobs = _placed(plan, store, save_fitted, save_maps)
    if jobs:
        note_plan(store.folder, [job.cell for job in jobs])
        watch((signal.SIGTERM, signal.SIGHUP))
        _run(jobs, devices, timeout)
    else:
        stderr.print(f"Nothing to do: {_why_nothing(plan)}, in {store.cells}.")
    tidy(store.folder)
    records = [record for planned in plan.cells if (record := store.read(planned.job.cell)) is not None]
    print_summary(records)
    return ExitCode.OK if all(record.status == "ok" for record in records) else ExitCode.CELL_NOT_OK


def write_jobs_to(
    folder: Path, plan: Plan, store: Store, *, device: str, save_fitted: bool = False, save_maps: bool = False
) -> int:
    """Write a file for each cell that is to run, for ``harness worker``."""
    print_notes(plan)
    jobs = _placed(plan, store, save_fitted, save_maps)
    if jobs:
        note_plan(store.folder, [job.cell for job in jobs])
    for job in jobs:
        write_job(folder / f"{job.cell.stem}.json", job.on(device))
    stderr.print(f"{len(jobs)} files in {folder}: run each with 'harness worker FILE', then 'harness status'.")
    return ExitCode.OK


def _placed(plan: Plan, store: Store, save_fitted: bool, save_maps: bool) -> list[Job]:
    return [
        job.placed(
            store.folder,
            store.fitted_path(job.cell) if save_fitted else None,
            store.maps_path(job.cell) if save_maps else None,
        )
        for job in plan.to_run
    ]


def _why_nothing(plan: Plan) -> str:
    unrun = sum(planned.why == "no record yet" for planned in plan.cells)
    if not unrun:
        return f"all {len(plan.cells)} cells are measured already"
    return f"none of the {len(plan.cells)} cells went wrong ({unrun} were never run: leave out --rerun failed)"


def _run(jobs: Sequence[Job], devices: Sequence[str], timeout: float | None) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        Remaining(),
    )
    with Progress(*columns, console=stderr, transient=True) as bars:
        view = _View(bars, len(jobs), devices)
        for job, record in run_jobs(jobs, view.on_event, devices=devices, timeout=timeout):
            view.finished(job)
            print_outcome(job.cell, record)


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

    def __init__(self, bars: Progress, cells: int, devices: Sequence[str]) -> None:
        self._bars = bars
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
        self._bars.update(self._cells, completed=self._done + running)

    def _show(self, bar: _DeviceBar, job: Job, stage: str, done: int, total: int) -> None:
        where = f"{job.device} " if self._several else ""
        description = f"{where}{job.cell.label} {job.cell.category}: {stage}"
        self._bars.update(bar.task, description=description, completed=done, total=total or None)
