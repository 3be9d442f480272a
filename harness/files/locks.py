"""Advisory locks on files, which the system drops when their process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

__all__ = ["FileLock", "is_locked", "oldest_lock"]

_AS_IT_IS = os.O_NOFOLLOW | os.O_NONBLOCK
"""Follow no link and wait for no pipe: a shared folder may hold anything."""


class FileLock:
    """A lock that one process holds at a time; its file is removed on release, or at the end of a ``with`` block.

    Parameters
    ----------
    path
        File that is locked; it and its folder are created where they are missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def take(self, *, wait: bool = False) -> bool:
        """Take the lock; return False where another process holds it and ``wait`` is not set.

        Raises
        ------
        OSError
            Where the file can't be created, or belongs to another user who has not shared it.
        """
        while True:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                handle = self._open()
            except FileNotFoundError:  # its last owner has just removed it
                continue
            try:
                fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return False
            except BaseException:
                os.close(handle)
                raise
            if self._is_current(handle):
                self._handle = handle
                return True
            os.close(handle)

    def _open(self) -> int:
        """Open the file, made for every user of a shared folder to lock; that of another user may be so for reading."""
        with suppress(FileExistsError):
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(handle, 0o666)
            return handle
        try:
            return os.open(self.path, os.O_RDWR | _AS_IT_IS)
        except PermissionError:
            return os.open(self.path, os.O_RDONLY | _AS_IT_IS)

    def release(self) -> None:
        """Release the lock and remove its file, where this user may; does nothing where it is not held."""
        if self._handle is not None:
            with suppress(OSError):
                self.path.unlink()
            self.let_go()

    def let_go(self) -> None:
        """Release the lock and leave its file; does nothing where it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _is_current(self, handle: int) -> bool:
        """Tell whether the locked file is still the one at the path: its last owner removed it on release."""
        try:
            return os.path.samestat(os.fstat(handle), self.path.stat())
        except FileNotFoundError:
            return False

    def __enter__(self) -> FileLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def is_locked(path: Path) -> bool:
    """Tell whether a process holds the lock on a file; False where there is none, or where it can't be opened."""
    try:
        handle = os.open(path, os.O_RDONLY | _AS_IT_IS)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(handle)
    return False


def oldest_lock(folder: Path) -> float:
    """Return when the oldest ``.lock`` file of a folder that is held was made, seconds since the epoch.

    Infinity where none is held; files of processes that are dead are removed.
    """
    held = [float("inf")]
    for path in folder.glob("*.lock"):
        with suppress(OSError):
            made = path.stat().st_mtime
            with FileLock(path) as lock:
                if not lock.take():
                    held.append(made)
    return min(held)
