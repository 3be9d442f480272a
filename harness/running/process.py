"""A worker process: started in a session of its own, watched, and ended with everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from harness.running.events import Event, parse_event

__all__ = ["MARK", "WorkerProcess", "die_with_parent", "end_marked"]

MARK = "HARNESS_WORKER_TOKEN"
"""Environment variable that a worker and all its descendants carry."""

_GRACE_SECONDS = 3.0
_READER_SECONDS = 5.0
_SWEEPS = 20


class WorkerProcess:
    """``harness worker JOB.json`` in a session of its own.

    Parameters
    ----------
    job_file
        File of the job that the worker runs.
    log
        File that its standard error is written to.
    on_event
        Called with every event, from a thread.
    """

    def __init__(self, job_file: Path, log: Path, on_event: Callable[[Event], None]) -> None:
        self._token = uuid4().hex
        self._on_event = on_event
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "harness", "worker", str(job_file)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
                env={"PYTHONHASHSEED": "0", **os.environ, MARK: self._token},
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._process.pid

    def wait(self, seconds: float | None) -> int | None:
        """Return the exit code, negative for a signal; None where the worker still runs after this time."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """End the worker and its process group with SIGTERM, then SIGKILL. May be called from any thread."""
        _signal_group(self.pid, signal.SIGTERM)
        if self.wait(_GRACE_SECONDS) is None:
            _signal_group(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill every process that the worker left running, and read its last events."""
        _signal_group(self.pid, signal.SIGKILL)
        self._process.wait()
        end_marked(self._token)
        self._reader.join(_READER_SECONDS)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = parse_event(line)
            if event is not None:
                self._on_event(event)


def _signal_group(group: int, sign: signal.Signals) -> None:
    """Send a signal to a process group; nothing where no process of it is left."""
    try:
        os.killpg(group, sign)
    except (ProcessLookupError, PermissionError):
        return


def end_marked(token: str) -> None:
    """Kill every process that carries a worker's token but left its process group; nothing without ``/proc``.

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
        try:
            if entry in (folder / "environ").read_bytes().split(b"\0"):
                pids.append(int(folder.name))
        except OSError:
            continue
    return pids


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def die_with_parent() -> None:
    """In a worker: kill it and everything it started as soon as the parent process has ended.

    The parent holds the other end of standard input and never writes to it. From then on standard input is empty.
    """
    token = os.environ.get(MARK)
    if token is None:
        return
    lifeline = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def watch() -> None:
        while os.read(lifeline, 1):
            pass
        end_marked(token)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
