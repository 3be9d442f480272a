"""Following submitted pullers by the records that they write, and by what Slurm says of their jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from harness.cell import Cell
from harness.errors import PrerequisiteError
from harness.plan.job import Job
from harness.plan.plan_file import PlanEntry, PlanStates, plan_states
from harness.running.interrupts import raise_if_interrupted
from harness.running.puller import record_lost
from harness.slurm.client import ControllerAwayError, Task, cancel, queued_tasks
from harness.slurm.lock_probe import FollowLock
from harness.slurm.submission import Submission
from harness.store.record import Record

__all__ = ["Follower"]

_LOOK_SECONDS = 1.0
"""Between two looks at the records."""
_FIRST_PAUSE_SECONDS = 1.0
"""Doubled after each question to the controller until the longest one."""
_LONGEST_PAUSE_SECONDS = 120.0
"""Between two questions to a controller that is away."""
_MOST_NAMED = 4
"""Machines, or reasons to wait, that a line names."""


class Follower:
    """The pullers of submissions, from their submission to their last record; to be used in a ``with`` block.

    Parameters
    ----------
    poll_seconds
        Time between two questions to the controller; the first ones come sooner.
    look_again_seconds
        Time that jobs may be gone before cells without a record are taken for lost.

    Attributes
    ----------
    unmeasured
        Cells that have no record although no puller is left, once :meth:`run` has ended.
    """

    def __init__(self, poll_seconds: float, look_again_seconds: float) -> None:
        self.unmeasured: list[Cell] = []
        self._followed: list[_Followed] = []
        self._poll_seconds, self._look_again_seconds = poll_seconds, look_again_seconds
        self._is_away = False

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *exception: object) -> None:
        for one in self._followed:
            with suppress(OSError):
                one.lock.release()

    def add(self, submission: Submission, pullers: int) -> Submission:
        """Follow a submission, and submit so many further pullers for it; return it with their jobs.

        The lock by which pullers see whether locks hold is taken before.

        Raises
        ------
        PrerequisiteError
            Where Slurm refuses them.
        """
        one = _Followed(submission)
        self._followed.append(one)
        self._require_locks(one)
        one.submission = submission.with_pullers(pullers)
        return one.submission

    @property
    def submissions(self) -> tuple[Submission, ...]:
        """What is followed."""
        return tuple(one.submission for one in self._followed)

    @property
    def cells(self) -> int:
        """Number of cells that have no record yet, or whose record was not yielded yet."""
        return sum(len(one.entries) for one in self._followed)

    def run(self, on_look: Callable[[], None] = lambda: None) -> Iterator[tuple[Job, Record]]:
        """Yield each job with its record, until every cell has one or no puller is left that could write one.

        A cell whose puller ended in the middle of it gets a record of status ``killed``. A submission whose cells all
        have a record is forgotten.

        Parameters
        ----------
        on_look
            Called about once in a second.

        Raises
        ------
        PrerequisiteError
            Where locks on the results folder don't hold between the machines; the pullers are cancelled.
        """
        pause, next_poll = _FIRST_PAUSE_SECONDS, 0.0
        while open_ones := [one for one in self._followed if one.entries]:
            for one in open_ones:
                self._require_locks(one)
                yield from one.new_records()
            if time.monotonic() >= next_poll:
                longest = self._poll_seconds if self._poll(open_ones) else _LONGEST_PAUSE_SECONDS
                pause = min(2 * pause, longest)
                next_poll = time.monotonic() + pause
            for one in open_ones:
                if one.is_over(self._look_again_seconds):
                    yield from one.new_records()
                    yield from one.lost_records()
                    self.unmeasured += [entry.job.cell for entry in one.entries]
                    one.entries.clear()
            on_look()
            raise_if_interrupted()
            if any(one.entries for one in open_ones):
                time.sleep(min(_LOOK_SECONDS, self._poll_seconds))
        left_out = {cell.id for cell in self.unmeasured}
        for one in self._followed:
            if not any(entry.job.cell.id in left_out for entry in one.submission.plan.entries):
                one.submission.forget()

    def pullers_text(self) -> str:
        """Return how many pullers wait and run, and where, in words."""
        if self._is_away:
            return "pullers: Slurm's controller does not answer, waiting"
        tasks = [task for one in self._followed for task in one.tasks]
        queued = [task for task in tasks if task.is_queued]
        running = [task for task in tasks if task.is_running]
        where = _listed("on", {task.host for task in running})
        why = _listed("for", {task.reason for task in queued})
        return f"pullers: {len(running)} running{where}, {len(queued)} queued{why}"

    def _poll(self, open_ones: Sequence[_Followed]) -> bool:
        """Ask for the tasks; return whether the controller answers."""
        try:
            for one in open_ones:
                one.update(queued_tasks(one.submission.name, one.submission.jobs))
        except ControllerAwayError:
            self._is_away = True
            for one in open_ones:
                one.gone_since = None
            return False
        self._is_away = False
        return True

    def _require_locks(self, one: _Followed) -> None:
        try:
            one.lock.take()
            if not (machine := one.lock.unseen_by()):
                return
            why = f"{machine} does not see one that is held here"
        except OSError as error:
            why = f"the file system has none: {error.strerror}"
        for other in self._followed:
            with suppress(PrerequisiteError):
                cancel(other.submission.name, other.submission.jobs)
        raise PrerequisiteError(
            f"Locks don't hold on {one.submission.results} ({why}), so two machines could measure one cell, and the "
            "pullers are cancelled: use a folder of NFS 4, or of Lustre mounted with 'flock', for --results."
        )


def _listed(before: str, names: set[str]) -> str:
    known = sorted(filter(None, names))
    more = ", …" if len(known) > _MOST_NAMED else ""
    return f" {before} {', '.join(known[:_MOST_NAMED])}{more}" if known else ""


class _Followed:
    """A submission, and its cells that have no record yet."""

    def __init__(self, submission: Submission) -> None:
        self.submission = submission
        self.lock = FollowLock(submission.folder)
        self.entries: list[PlanEntry] = list(submission.plan.entries)
        self.tasks: tuple[Task, ...] = ()
        self.gone_since: float | None = None
        """When Slurm first said that no puller is left; None while there is one, or nothing is known."""

    def new_records(self) -> Iterator[tuple[Job, Record]]:
        """Yield what was written since the last call."""
        done = self._states().done
        for entry in [entry for entry in self.entries if entry.job.cell.id in done]:
            self.entries.remove(entry)
            yield entry.job, done[entry.job.cell.id]

    def update(self, tasks: Sequence[Task]) -> None:
        """Take note of what Slurm says."""
        self.tasks = tuple(task for task in tasks if task.is_live)
        if self.tasks:
            self.gone_since = None
        elif self.gone_since is None:
            self.gone_since = time.monotonic()

    def is_over(self, look_again_seconds: float) -> bool:
        """Tell whether its pullers are gone for so long that no record of them can come to light any more.

        A cell that a process outside its jobs measures is waited for.
        """
        if not self.entries or self.gone_since is None or time.monotonic() < self.gone_since + look_again_seconds:
            return False
        return all(holder.array_job in self._own_jobs for holder in self._states().running.values())

    def lost_records(self) -> Iterator[tuple[Job, Record]]:
        """Write and yield the records of cells whose puller ended in the middle of them."""
        lost = self._states().lost
        for entry in list(self.entries):
            holder = lost.get(entry.job.cell.id)
            if holder is None or holder.array_job not in self._own_jobs:
                continue
            reason = f"Its puller, job {holder.job_name} on {holder.host}, ended before it could write a record"
            record = record_lost(entry, self.submission.results, reason)
            if record is not None:
                self.entries.remove(entry)
                yield entry.job, record

    @property
    def _own_jobs(self) -> frozenset[str]:
        return frozenset(map(str, self.submission.jobs))

    def _states(self) -> PlanStates:
        plan = replace(self.submission.plan, entries=tuple(self.entries))
        return plan_states(plan, self.submission.results)
