"""No process outlives the run that started it, however the run ends.

``python -m harness.running.lifeline TOKEN GROUP`` is the guard of one worker: a small process beside it that waits for
the end of its standard input, which the run holds open, and then kills the worker with everything that it started. The
worker can't do so itself, as native code may hold its interpreter lock.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["MARK", "die_with_parent", "end_marked", "signal_group"]

MARK = "HARNESS_WORKER_TOKEN"
"""Environment variable that a worker and all its descendants carry: the id of the run's process, and a random part."""

_SWEEPS = 20
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """In a worker, before anything else: let Linux kill this process when the run that started it has ended.

    Only the worker itself is killed, at once and whatever it does; its guard ends what it started.
    """
    parent = os.environ.get(MARK, "").partition("-")[0]
    if sys.platform != "linux" or not parent.isdigit():
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):  # it ended before the call above
        os.kill(os.getpid(), signal.SIGKILL)


def signal_group(group: int, sign: signal.Signals) -> None:
    """Send a signal to a process group; nothing where no process of it is left.

    Raises
    ------
    ValueError
        For 0 and 1, which stand for the caller's own group and for all processes.
    """
    if group <= 1:
        raise ValueError(f"{group} is not a group of one worker")
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, sign)


def end_marked(token: str) -> None:
    """Kill every process that carries a worker's token; nothing without ``/proc``.

    Parameters
    ----------
    token
        Value of :data:`MARK` in its environment. The calling process is not killed.
    """
    entry = f"{MARK}={token}".encode()
    for _ in range(_SWEEPS):  # again while there are some: a process may have started another meanwhile
        killed = [_kill(pid) for pid in _carriers(entry) if pid != os.getpid()]
        if not any(killed):
            return


def _carriers(entry: bytes) -> list[int]:
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if entry in (folder / "environ").read_bytes().split(b"\0"):
                pids.append(int(folder.name))
    return pids


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def main(token: str, group: int) -> None:
    """Wait until the run has ended, then kill a worker and everything that carries its token."""
    while os.read(0, 1):
        pass
    end_marked(token)
    signal_group(group, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
