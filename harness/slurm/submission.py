"""A plan with the pullers that were submitted for it: a folder below ``RESULTS/slurm``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import msgspec

from harness.errors import HarnessError, PrerequisiteError
from harness.files.atomic import write_atomically
from harness.files.reading import read_regular
from harness.plan.plan_file import PlanFile, read_plan, write_plan
from harness.slurm.client import Task, cluster_value, queued_tasks, submit
from harness.slurm.script import PLAN, PullerScript, passed_environment

__all__ = ["Submission", "live_tasks", "new_submission", "submissions"]

FOLDER = "slurm"
"""Of a results folder: plans, job ids, batch scripts and what the pullers print."""
_JOBS = "jobs.json"
_LARGEST = 1_000_000
"""Bytes of the file with the job ids."""
_TELLING = ("harness: ", "slurmstepd: ")
"""How lines begin that say why a puller ended."""
_FORMAT = 1
_OWN_MODE = 0o644
"""Others may read what they must not write, whatever the user's mask."""


@dataclass(frozen=True, slots=True)
class _Jobs:
    """The file beside a plan.

    Parameters
    ----------
    format
        Version of its layout.
    jobs
        Ids of arrays.
    pullers
        How many were asked for.
    options
        Of ``sbatch``.
    setup
        Lines of shell before each puller.
    """

    format: int
    jobs: tuple[int, ...] = ()
    pullers: int = 1
    options: Mapping[str, str] = msgspec.field(default_factory=dict)
    setup: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Submission:
    """A plan, and the arrays of pullers that were submitted for it.

    Parameters
    ----------
    folder
        Where its files lie.
    plan
        What its pullers measure.
    jobs
        Ids of the arrays.
    pullers
        How many were asked for.
    options
        Of ``sbatch``.
    setup
        Lines of shell before each puller.
    """

    folder: Path
    plan: PlanFile
    jobs: tuple[int, ...]
    pullers: int
    options: Mapping[str, str]
    setup: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of its jobs."""
        return f"harness-{self.folder.name}"

    @property
    def results(self) -> Path:
        """The results folder."""
        return self.plan.results

    def with_pullers(self, number: int) -> Submission:
        """Submit so many further pullers, in as many arrays as the cluster demands; return what is submitted now.

        Raises
        ------
        PrerequisiteError
            Where Slurm refuses them; what it took before is kept, and a plan without any job is forgotten.
        """
        most = cluster_value("MaxArraySize")
        size = max(1, int(most)) if most.isdecimal() else number
        submission = self
        environment = passed_environment()
        while number > 0:
            tasks = min(size, number)
            script = PullerScript(self.name, self.folder, tasks, self.options, self.setup, environment)
            path = self.folder / f"pullers-{len(submission.jobs)}.sh"
            path.write_text(script.text(), encoding="utf-8", errors="surrogateescape")
            try:
                job = submit(path)
            except PrerequisiteError:
                if not submission.jobs:
                    submission.forget()
                raise
            submission = replace(submission, jobs=(*submission.jobs, job))
            submission.save()
            number -= tasks
        return submission

    def save(self) -> None:
        """Write the job ids beside the plan."""
        content = _Jobs(_FORMAT, self.jobs, self.pullers, dict(self.options), self.setup)
        write_atomically(self.folder / _JOBS, msgspec.json.encode(content))
        (self.folder / _JOBS).chmod(_OWN_MODE)

    def forget(self) -> None:
        """Remove the plan and the job ids; scripts, and what the pullers printed, stay."""
        for name in (_JOBS, PLAN):
            with suppress(OSError):
                (self.folder / name).unlink()

    def last_words(self) -> str:
        """Return the last line that says why a puller ended, with its file; empty where none does."""
        logs = sorted(self.folder.glob("puller-*.log"), key=_modified, reverse=True)
        lines = [(log, line) for log in logs for line in _last_lines(log)]
        telling = [(log, line) for log, line in lines if line.startswith(_TELLING)]
        return next((f"{log}: {line}" for log, line in (*telling, *lines)), "")


def new_submission(
    plan: PlanFile, *, pullers: int, options: Mapping[str, str], setup: Sequence[str] = ()
) -> Submission:
    """Write a plan below its results folder, for pullers that are still to be submitted.

    Raises
    ------
    PrerequisiteError
        Where it can't be written.
    """
    folder = plan.results / FOLDER / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:8]}"
    submission = Submission(folder, plan, (), pullers, options, tuple(setup))
    try:
        folder.mkdir(parents=True, mode=0o755)
        write_plan(folder / PLAN, plan)
        (folder / PLAN).chmod(_OWN_MODE)
        submission.save()
    except OSError as error:
        raise PrerequisiteError(f"{folder} can't be written ({error.strerror}): make it writable.") from error
    return submission


def submissions(results: Path) -> tuple[Submission, ...]:
    """Return what was submitted for a results folder and has not come to its end, the oldest first.

    What another user has written, or could have, is left out, as is what can't be read.
    """
    found = (_read(path.parent, results) for path in sorted((results / FOLDER).glob(f"*/{_JOBS}")))
    return tuple(submission for submission in found if submission is not None)


def live_tasks(chosen: Iterable[Submission]) -> dict[str, tuple[Task, ...]]:
    """Return the tasks of submissions that wait or run, by the name of the submission.

    Raises
    ------
    ControllerAwayError, PrerequisiteError
        As :func:`harness.slurm.client.queued_tasks`.
    """
    return {one.name: tuple(task for task in queued_tasks(one.name, one.jobs) if task.is_live) for one in chosen}


def _read(folder: Path, results: Path) -> Submission | None:
    try:
        if not (_is_own(folder / _JOBS) and _is_own(folder / PLAN)):
            return None
        known = msgspec.json.decode(read_regular(folder / _JOBS, _LARGEST), type=_Jobs)
        plan = read_plan(folder / PLAN)
    except (OSError, ValueError, RecursionError, HarnessError):
        return None
    if known.format != _FORMAT or min((*known.jobs, known.pullers)) < 1:
        return None
    plan = replace(plan, results=results.absolute())
    return Submission(folder.absolute(), plan, known.jobs, known.pullers, known.options, known.setup)


def _is_own(path: Path) -> bool:
    """Tell whether nobody but this user can have written a file: what it says is run."""
    status = path.lstat()
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _last_lines(log: Path) -> list[str]:
    """Return the lines of a log, the last first."""
    try:
        return read_regular(log, _LARGEST).decode(errors="replace").strip().splitlines()[::-1]
    except OSError:
        return []


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
