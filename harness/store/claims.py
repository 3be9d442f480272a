"""Claims on cells: two runs on a results folder never measure the same cell at the same time."""

from __future__ import annotations

from pathlib import Path

from harness.cell import Cell
from harness.files.locks import FileLock, is_locked

__all__ = ["Claim", "running_stems"]


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
