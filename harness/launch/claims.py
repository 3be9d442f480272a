"""Claims: which cells of a results folder are being run now, so that two runs never measure one cell twice.

A claim is an advisory lock on a file. The system drops it when its process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from harness.cell import Cell

__all__ = ["Claim", "running_stems"]


class Claim:
    """The right of this process to run a cell.

    Parameters
    ----------
    folder
        Results folder; claims lie in its ``locks``.
    cell
        What is to be run.
    """

    def __init__(self, folder: Path, cell: Cell) -> None:
        self._path = folder / "locks" / f"{cell.stem}.lock"
        self._handle: int | None = None

    def take(self) -> bool:
        """Try to get the claim; False where another run has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return False
            if self._is_current(handle):
                self._handle = handle
                return True
            os.close(handle)

    def release(self) -> None:
        """Give the claim back and remove its file."""
        if self._handle is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None

    def _is_current(self, handle: int) -> bool:
        """Tell whether the locked file is still the one at the path: its last owner removed it on release."""
        try:
            return os.path.samestat(os.fstat(handle), self._path.stat())
        except FileNotFoundError:
            return False

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def running_stems(folder: Path) -> frozenset[str]:
    """Return the stems of the cells that a process is running now.

    Parameters
    ----------
    folder
        Results folder.
    """
    return frozenset(path.stem for path in (folder / "locks").glob("*.lock") if _is_held(path))


def _is_held(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
