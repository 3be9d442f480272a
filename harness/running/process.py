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
from harness.running.lifeline import MARK, end_marked, signal_group

__all__ = ["WorkerProcess"]

_GRACE_SECONDS = 3.0
_READER_SECONDS = 5.0


class WorkerProcess:
    """A module of this package in a session of its own. The thread that makes it must outlive it.

    Parameters
    ----------
    module
        Run as ``python -m MODULE FILE``, with neither the current folder nor that of a script on its path.
    file
        What the worker is asked to do.
    log
        File that its standard error is written to.
    on_event
        Called with every event, from a thread.

    Raises
    ------
    OSError
        Where a process can't be started.
    """

    def __init__(self, module: str, file: Path, log: Path, on_event: Callable[[Event], None]) -> None:
        self._token = f"{os.getpid()}-{uuid4().hex}"
        self._on_event = on_event
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, str(file)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
                env={"PYTHONHASHSEED": "0", **os.environ, MARK: self._token},
            )
        try:
            self._guard = self._start_guard()
        except BaseException:
            self._end_all()
            raise
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
        signal_group(self.pid, signal.SIGTERM)
        if self.wait(_GRACE_SECONDS) is None:
            signal_group(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill every process that the worker left running, and read its last events."""
        self._end_all()
        self._guard.kill()
        self._guard.wait()
        self._reader.join(_READER_SECONDS)
        for stream in (self._guard.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _start_guard(self) -> subprocess.Popen[bytes]:
        """Start the process that ends the worker where this one is killed; it waits for the end of its input."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "harness.running.lifeline", self._token, str(self.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _end_all(self) -> None:
        signal_group(self.pid, signal.SIGKILL)
        self._process.wait()
        end_marked(self._token)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = parse_event(line)
            if event is not None:
                self._on_event(event)
