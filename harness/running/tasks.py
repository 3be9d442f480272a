"""What a scheduler is given, within which limits, and what it gives back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from harness.plan.job import Job
from harness.store.record import Record

__all__ = ["Limits", "Outcome", "Task"]


class Task(Protocol):
    """A cell, with the further ones of its fit, that is to be measured once, here or elsewhere."""

    @property
    def job(self) -> Job:
        """What to measure."""
        ...

    @property
    def folder(self) -> Path:
        """Results folder in which the cell is claimed."""
        ...

    def on(self, device: str) -> Job:
        """Return the job with the cells that no run has measured since, a device, and the places that it writes to."""
        ...

    def written(self) -> Record | None:
        """Return the record of the cell once any run has written those of all its cells since; None before that."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of a task.

    Parameters
    ----------
    job
        With its device where it was measured here.
    record
        Its record; None where it has none yet.
    why
        ``measured`` here, ``elsewhere``: by another run; or not taken: ``held`` by another run, ``late``: the time
        that is left is too short.
    more
        Whether the task goes on: the record is that of a further cell of the job.
    """

    job: Job
    record: Record | None
    why: Literal["measured", "elsewhere", "held", "late"]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How long cells may take, and which are taken.

    Parameters
    ----------
    timeout
        Seconds a cell may take from the start of its process; None for no limit. Cells of one fit have as many times
        this together.
    waits
        Whether the records of cells that another run is measuring are waited for.
    until
        No cell is taken whose timeout ends after this time, seconds since the epoch; None for no such time.
    most
        Number of cells that are taken at most; None for no limit.
    """

    timeout: float | None = None
    waits: bool = True
    until: float | None = None
    most: int | None = None

    def seconds(self, job: Job) -> float | None:
        """Return the time that a job may take; None for no limit."""
        return None if self.timeout is None else self.timeout * len(job.cells)

    def too_late(self, job: Job) -> bool:
        """Return whether the time that is left is too short for a job."""
        return self.until is not None and time.time() + (self.seconds(job) or 0.0) > self.until
