"""Claims on cells: two runs on a results folder never measure the same cell at the same time.

The right to measure a cell is a lock on a file, which the system drops with its process. Beside the lock lies who holds
it: that is what `harness status` prints, and by its token a process that went on after its lock was lost, as on a
machine that was cut off, sees that its cell is another's now.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import msgspec

from harness.cell import Cell
from harness.errors import ExitCode, HarnessError
from harness.files.atomic import sweep_temporaries, write_atomically
from harness.files.locks import FileLock, is_locked
from harness.files.reading import read_regular
from harness.store.store import MACHINES

__all__ = [
    "Claim",
    "ClaimLostError",
    "Holder",
    "drop_lost",
    "holders",
    "is_running",
    "lock_of",
    "lost_holders",
    "require_claim",
]

_LARGEST = 10_000
"""Bytes of a holder's file."""


class ClaimLostError(HarnessError):
    """Another process has claimed the cell since: what this one has measured of it is not written."""

    exit_code = ExitCode.CELL_NOT_OK


@dataclass(frozen=True, slots=True)
class Holder:
    """Who measures a cell.

    Parameters
    ----------
    host
        Name of the machine; empty where unknown.
    pid
        Id of the process that claimed the cell.
    job
        Id of the job of Slurm that it runs in; empty outside one.
    array_job, array_task
        Ids of the array and of the task in it, where the job is a task of an array.
    restart
        How often Slurm has started this job again.
    since
        When the cell was claimed, ISO 8601 with zone.
    token
        Random, another one for each claim.
    """

    host: str = ""
    pid: int = 0
    job: str = ""
    array_job: str = ""
    array_task: str = ""
    restart: int = 0
    since: str = ""
    token: str = ""

    @classmethod
    def here(cls) -> Holder:
        """Return this process as a holder, with a new token."""
        job, array, task, restart = (
            os.environ.get(f"SLURM_{name}", "") for name in ("JOB_ID", "ARRAY_JOB_ID", "ARRAY_TASK_ID", "RESTART_COUNT")
        )
        return cls(
            host=socket.gethostname(),
            pid=os.getpid(),
            job=job,
            array_job=array,
            array_task=task,
            restart=int(restart) if restart.isdecimal() else 0,
            since=datetime.now(UTC).isoformat(timespec="seconds"),
            token=uuid4().hex,
        )

    @property
    def job_name(self) -> str:
        """The job as ``squeue`` and ``scancel`` name it: ``123_4`` for a task of an array, else ``123``, else empty."""
        return f"{self.array_job}_{self.array_task}" if self.array_job and self.array_task else self.job

    def to_json(self) -> dict[str, object]:
        """Return who it is as plain JSON values; the job as ``squeue`` names it."""
        return {"host": self.host, "pid": self.pid, "job": self.job_name, "restart": self.restart, "since": self.since}

    def __str__(self) -> str:
        process = f"process {self.pid}" if self.pid else "unknown process"
        return f"{self.host or 'unknown machine'}, {f'job {self.job_name}' if self.job_name else process}"


_HOLDERS = msgspec.json.Decoder(Holder)


class Claim(FileLock):
    """The right of this process to run a cell.

    Parameters
    ----------
    folder
        Results folder; the lock's file is in its ``locks``, and beside it who holds it.
    cell
        The cell to run.

    Attributes
    ----------
    folder
        The results folder.
    holder
        This process, once the claim was taken.
    """

    def __init__(self, folder: Path, cell: Cell) -> None:
        super().__init__(lock_of(folder, cell).path)
        self.folder = folder
        self.holder = Holder()

    def take(self, *, wait: bool = False) -> bool:
        """Take the claim, and write who has it; return False where another process has it and ``wait`` is not set.

        Raises
        ------
        OSError
            Where a file can't be written, or is of another user who has not shared it.
        """
        if not super().take(wait=wait):
            return False
        self.holder = Holder.here()
        try:
            write_atomically(_facts(self.path), msgspec.json.encode(self.holder))
        except BaseException:
            super().release()
            raise
        return True

    @property
    def is_held(self) -> bool:
        """Whether no other process has taken it since."""
        return self.holder.token != "" and _read(_facts(self.path)).token == self.holder.token

    def release(self) -> None:
        """Release the claim; its files are removed unless they are another process's now."""
        if not self.is_held:
            self.let_go()
            return
        with suppress(OSError):
            _facts(self.path).unlink()
        self.holder = Holder()
        super().release()


def require_claim(folder: Path | None, cell: Cell, token: str) -> None:
    """Raise ClaimLostError where the claim on a cell with this token is no longer the present one.

    Parameters
    ----------
    folder
        Results folder in which the cell is claimed; None where it is not, and nothing is checked.
    cell
        That is measured.
    token
        Of the claim.
    """
    if folder is None:
        return
    now = _read(_facts(lock_of(folder, cell).path))
    if not token or now.token != token:
        taken = f"{now} has claimed it" if now.token else "its claim is gone"
        raise ClaimLostError(f"{cell.stem} is not written: {taken} meanwhile. See 'harness status'.")


def holders(folder: Path) -> dict[str, Holder]:
    """Return who runs which cell now, by the cell's stem.

    Parameters
    ----------
    folder
        Results folder.
    """
    locks = (path for path in (folder / "locks").glob("*.lock") if is_locked(path))
    return {path.stem: _read(_facts(path)) for path in locks}


def lost_holders(folder: Path) -> dict[str, Holder]:
    """Return who claimed a cell and is gone, by the cell's stem: the cell can be claimed again.

    Parameters
    ----------
    folder
        Results folder.
    """
    return {lock.stem: _read(_facts(lock)) for lock in _locks_of_facts(folder) if not is_locked(lock)}


def lock_of(folder: Path, cell: Cell) -> FileLock:
    """Return the lock of a claim, for what changes the record of a cell without measuring it.

    Parameters
    ----------
    folder
        Results folder, or that of a machine in it: a cell has one lock, wherever its record will lie.
    cell
        Whose record changes.
    """
    above = folder.parent.parent
    home = above if folder.parent.name == MACHINES and (above / "cells").is_dir() else folder
    return FileLock(home / "locks" / f"{cell.stem}.lock")


def is_running(folder: Path, cell: Cell) -> bool:
    """Return whether a process is at a cell of a results folder now; nothing is written to the folder."""
    return is_locked(lock_of(folder, cell).path)


def drop_lost(folder: Path, planned: frozenset[str]) -> None:
    """Remove what holders that are gone have left, but for cells that are still to be measured.

    Parameters
    ----------
    folder
        Results folder.
    planned
        Stems of these cells.
    """
    for path in _locks_of_facts(folder):
        if path.stem not in planned:
            with suppress(OSError), FileLock(path) as lock:
                if lock.take():
                    _facts(path).unlink()
    sweep_temporaries(folder / "locks")


def _locks_of_facts(folder: Path) -> Iterator[Path]:
    return (path.with_suffix(".lock") for path in (folder / "locks").glob("*.json") if path.name[0] != ".")


def _facts(lock: Path) -> Path:
    return lock.with_suffix(".json")


def _read(path: Path) -> Holder:
    """Return the holder in a file that anyone may have written; one without a token where it is none."""
    try:
        holder = _HOLDERS.decode(read_regular(path, _LARGEST))
        texts = (holder.host, holder.job, holder.array_job, holder.array_task, holder.since)
        return holder if all(text.isprintable() for text in texts) else Holder()
    except (OSError, ValueError, RecursionError):
        return Holder()
