"""Whether a lock that the following command holds on a shared folder is seen by a puller on another machine.

``python -m harness.slurm.lock_probe FOLDER`` runs on the node before each puller. The command that follows holds a
lock in the folder. Where a puller finds it free, either nobody follows any more, or locks don't hold between the
machines: it asks by a file, and only a command that does follow, and holds the lock, answers.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from harness.errors import ExitCode
from harness.files.locks import FileLock, is_locked

__all__ = ["FollowLock", "locks_hold"]

_LOCK = "following.lock"
_ASKS, _HELD = "asks-", "held-"
_WAIT_SECONDS = 90.0
"""A shared folder may show a new file a minute late."""
_LOOK_SECONDS = 0.5


class FollowLock:
    """The lock that a command holds while it follows the pullers of a folder; another may hold it in its place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / _LOCK)
        self._held = False

    def take(self) -> None:
        """Take the lock unless another command has it, and forget the questions of those that nobody answered.

        Raises
        ------
        OSError
            Where the file system has no locks.
        """
        if not self._held and self._lock.take():
            self._held = True
            _remove(self._folder.glob(f"{_ASKS}*"))

    def unseen_by(self) -> str:
        """Return the name of a machine that found the lock free although it is held here; empty where there is none."""
        for question in self._folder.glob(f"{_ASKS}*") if self._held else ():
            with suppress(OSError):
                question.rename(question.with_name(question.name.replace(_ASKS, _HELD, 1)))
                return question.name.removeprefix(_ASKS).rpartition("-")[0]
        return ""

    def release(self) -> None:
        """Release the lock."""
        self._held = False
        self._lock.release()


def locks_hold(folder: Path, wait_seconds: float = _WAIT_SECONDS) -> bool:
    """Return whether the lock of the following command is held as seen from here; True where nobody follows.

    Parameters
    ----------
    folder
        Where the lock lies.
    wait_seconds
        Time after which nobody is taken to follow.
    """
    name = f"{socket.gethostname()}-{os.getpid()}"
    question, answer = folder / f"{_ASKS}{name}", folder / f"{_HELD}{name}"
    deadline = time.monotonic() + wait_seconds
    try:
        while time.monotonic() < deadline:
            if answer.exists():
                return False
            lock = folder / _LOCK
            if not lock.exists() or is_locked(lock):
                return True
            question.touch()
            time.sleep(_LOOK_SECONDS)
        return True
    finally:
        _remove((question, answer))


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


if __name__ == "__main__":
    if not locks_hold(Path(sys.argv[1])):
        print("harness: locks of this folder are not seen by other machines, so no cell is measured.", file=sys.stderr)
        sys.exit(ExitCode.PREREQUISITE)
