"""From a plan to pullers: what a live puller will measure anyway is followed, the rest is submitted."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import PrerequisiteError
from harness.plan.plan_file import PlanFile, plan_states
from harness.slurm.client import ControllerAwayError, Task, cancel
from harness.slurm.follow import Follower
from harness.slurm.resources import classes_of, devices_of, needs_of, options_of
from harness.slurm.settings import SlurmSettings
from harness.slurm.submission import Submission, live_tasks, new_submission, submissions
from harness.store.record import Record

__all__ = ["awaited_stems", "cancel_all", "collect", "launch"]

_WORKERS = 4
"""Where nothing else is said."""
_END_SECONDS = 60.0
"""Slurm gives a job half a minute to end after SIGTERM."""


def launch(follower: Follower, plan: PlanFile, settings: SlurmSettings, records: Sequence[Record]) -> None:
    """Submit pullers for the cells of a plan that no live puller is to measure yet; all of them are followed.

    Parameters
    ----------
    follower
        Gets what is submitted, and what was submitted before for cells of the plan.
    plan
        Of all cells that are to run.
    settings
        What to tell Slurm.
    records
        Earlier ones, which tell how much memory a cell takes.

    Raises
    ------
    PrerequisiteError
        Where Slurm does not answer or refuses the jobs.
    """
    pullers = settings.pullers or _WORKERS
    open_entries = {entry.job.cell.id: entry for entry in plan.entries}
    for submission, tasks in _with_tasks(plan.results):
        planned = {entry.job.cell.id for entry in submission.plan.entries}
        if tasks and planned & open_entries.keys():
            follower.add(submission, _lacking(submission, tasks, pullers))
            open_entries = {id: entry for id, entry in open_entries.items() if id not in planned}
        elif not tasks and _without_record(submission) <= open_entries.keys():
            submission.forget()
    rest = replace(plan, entries=tuple(open_entries.values()))
    jobs = [entry.job for entry in rest.entries]
    for node_class, of_class in classes_of(jobs, plan.devices, settings).items():
        ids = {job.cell.id for job in of_class}
        entries = tuple(entry for entry in rest.entries if entry.job.cell.id in ids)
        part = replace(rest, entries=entries, devices=devices_of(node_class, plan.devices))
        number = min(len(entries), max(1, round(pullers * len(entries) / len(jobs))))
        options = options_of(node_class, needs_of(of_class, records), settings)
        follower.add(new_submission(part, pullers=number, options=options, setup=settings.setup), number)


def collect(follower: Follower, results: Path, pullers: int | None = None) -> None:
    """Follow all that was submitted for a results folder; for cells without record and puller, submit pullers again.

    Parameters
    ----------
    follower
        Gets all of it.
    results
        The folder.
    pullers
        How many there shall be for each plan; None for as many as were asked for.

    Raises
    ------
    PrerequisiteError
        Where Slurm does not answer or refuses the jobs.
    """
    for submission, tasks in _with_tasks(results):
        follower.add(submission, _lacking(submission, tasks, pullers or submission.pullers))


def cancel_all(results: Path) -> tuple[int, ...]:
    """End all jobs that were submitted for a results folder, wait until they have ended, and return their ids.

    Raises
    ------
    PrerequisiteError
        Where Slurm does not answer.
    """
    present = _with_tasks(results)
    live = [submission for submission, tasks in present if tasks]
    for submission in live:
        cancel(submission.name, submission.jobs)
    deadline = time.monotonic() + _END_SECONDS
    while any(tasks for _, tasks in _with_tasks(results)) and time.monotonic() < deadline:
        time.sleep(1.0)
    for submission, _ in present:
        submission.forget()
    return tuple(job for submission in live for job in submission.jobs)


def awaited_stems(results: Path) -> frozenset[str]:
    """Return the stems of the cells that have no record yet and that a puller, waiting or running, is to measure.

    Raises
    ------
    PrerequisiteError
        Where Slurm does not answer.
    """
    return frozenset(
        entry.job.cell.stem
        for submission, tasks in _with_tasks(results)
        if tasks
        for entry in plan_states(submission.plan, results).unclaimed
    )


def _with_tasks(results: Path) -> list[tuple[Submission, tuple[Task, ...]]]:
    present = submissions(results)
    try:
        tasks: Mapping[str, tuple[Task, ...]] = live_tasks(present)
    except ControllerAwayError as error:
        raise PrerequisiteError(
            f"Slurm's controller does not answer ({error}): run the same command again when it does."
        ) from error
    return [(submission, tasks[submission.name]) for submission in present]


def _without_record(submission: Submission) -> set[str]:
    done = plan_states(submission.plan, submission.results).done
    return {entry.job.cell.id for entry in submission.plan.entries} - done.keys()


def _lacking(submission: Submission, tasks: Sequence[Task], pullers: int) -> int:
    """Return how many pullers a submission lacks: no more than there are cells without a record."""
    return max(0, min(pullers, len(_without_record(submission))) - len(tasks))
