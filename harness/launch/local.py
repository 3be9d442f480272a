"""Running cells on this machine: each in a process and a session of its own, one at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from harness.job import Job
from harness.launch.events import Event, parse_event
from harness.measure import environment
from harness.store import Record, Status, Store

__all__ = ["run_jobs"]

_GRACE_SECONDS = 5.0


def run_jobs(jobs: Iterable[Job], on_event: Callable[[Job, Event], None]) -> Iterator[tuple[Job, Record]]:
    """Run jobs one after the other and yield the record of each.

    A worker that dies without a record gets one of status ``killed``, with the last lines of its log. On Ctrl-C the
    running worker and its children are ended and KeyboardInterrupt goes on; records that were written stay.

    Parameters
    ----------
    jobs
        With their results folder and device.
    on_event
        Told of progress while a job runs.
    """
    for job in jobs:
        yield job, _run_one(job, on_event)


def _run_one(job: Job, on_event: Callable[[Job, Event], None]) -> Record:
    store = Store(job.results)
    before = _written_at(store.path(job.cell))
    log = job.results / "logs" / f"{job.cell.stem}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="harness-job-") as folder:
        path = Path(folder) / "job.json"
        path.write_text(json.dumps(job.to_json()), encoding="utf-8")
        code = _watch(path, log, lambda event: on_event(job, event))
    record = store.read(job.cell) if _written_at(store.path(job.cell)) != before else None
    return record if record is not None else _obituary(job, store, code, log)


def _written_at(path: Path) -> tuple[int, int] | None:
    """Tell one written file from another of the same name."""
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None


def _watch(path: Path, log: Path, on_event: Callable[[Event], None]) -> int:
    command = [sys.executable, "-m", "harness.worker", str(path)]
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            for line in process.stdout:
                event = parse_event(line)
                if event is not None:
                    on_event(event)
            return process.wait()
        except BaseException:
            _end(process)
            raise


def _end(process: subprocess.Popen[str]) -> None:
    """End the worker and everything it started."""
    for sign, patience in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, sign)
            process.wait(patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _obituary(job: Job, store: Store, code: int, log: Path) -> Record:
    status: Status = "killed" if code < 0 else "failed"
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
    record = Record(
        cell=job.cell,
        status=status,
        reason=f"The worker {how} before its record was written; its log {log} ends with: {' | '.join(last) or '-'}",
        environment=environment.describe(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    store.write(record)
    return record
