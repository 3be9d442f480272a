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
    """A cell that is to be measured once, here or elsewhere."""

    @property
    def job(self) -> Job:
        """What to measure."""
        ...

    @property
    def folder(self) -> Path:
        """Results folder in which the cell is claimed."""
        ...

    def on(self, device: str) -> Job:
        """Return the job with a device, and the places that it then writes to."""
        ...

    def written(self) -> Record | None:
        """Return the record that any run has written since the task was set; None where there is none."""
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
    """

    job: Job
    record: Record | None
    why: Literal["measured", "elsewhere", "held", "late"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long cells may take, and which are taken.

    Parameters
    ----------
    timeout
        Seconds a cell may take from the start of its process; None for no limit.
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

    @property
    def too_late(self) -> bool:
        """Whether the time that is left is too short for a cell."""
        return self.until is not None and time.time() + (self.timeout or 0.0) > self.until
