"""Claims on cells: two runs on a results folder never measure the same cell at the same time."""

from __future__ import annotations

from pathlib import Path

from harness.cell import Cell
from harness.files.locks import FileLock, is_locked

__all__ = ["Claim", "is_running", "lock_of", "running_stems"]


class Claim(FileLock):
    """The right of this process to run a cell.

    Parameters
    ----------
    folder
        Results folder; the lock's file is in its ``locks``.
    cell
        The cell to run.
    """

    def __init__(self, folder: Path, cell: Cell) -> None:
        super().__init__(folder / "locks" / f"{cell.stem}.lock")


def running_stems(folder: Path) -> frozenset[str]:
    """Return the stems of the cells that a process is running now.

    Parameters
    ----------
    folder
        Results folder.
    """
    return frozenset(path.stem for path in (folder / "locks").glob("*.lock") if is_locked(path))


def lock_of(folder: Path, cell: Cell) -> FileLock:
    """Return the lock of a claim, for what changes the record of a cell without measuring it.

    Parameters
    ----------
    folder
        Results folder.
    cell
        Whose record changes.
    """
    return FileLock(folder / "locks" / f"{cell.stem}.lock")


def is_running(folder: Path, cell: Cell) -> bool:
    """Return whether a process is at a cell of a results folder now; nothing is written to the folder."""
    return is_locked(lock_of(folder, cell).path)
