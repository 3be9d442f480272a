"""One cell from start to record, in a process of its own: ``harness worker JOB.json``.

Standard output carries one JSON object a line (:mod:`harness.launch.events`); everything else goes to standard error.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.contract import MethodError, UnsupportedError
from harness.errors import ExitCode, HarnessError
from harness.job import Job, read_job
from harness.launch.events import EventWriter
from harness.launch.process import die_with_parent
from harness.measure import environment
from harness.stages import CellRun
from harness.store import Record, Store

__all__ = ["main", "run_job"]


def run_job(job: Job, events: EventWriter) -> Record:
    """Run a cell and write its record, whatever becomes of it.

    A method or a sample that can't be used gives a record of status ``failed`` with the reason; a bug in the harness
    or in a method does too, and its traceback goes to standard error.
    """
    run = CellRun(job, events)
    try:
        record = run.run()
    except UnsupportedError as error:
        record = Record(cell=job.cell, status="unsupported", reason=str(error), seconds=run.seconds)
    except (MethodError, HarnessError) as error:
        record = Record(cell=job.cell, status="failed", reason=str(error), seconds=run.seconds)
    except Exception as error:  # recorded with its type; the traceback is in the log
        import traceback

        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}"
        record = Record(cell=job.cell, status=_status_of(error), reason=reason, seconds=run.seconds)
    return _stamped(record, Store(job.results))


def _status_of(error: Exception) -> Any:
    said = str(error)
    exhausted = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return "oom" if exhausted or "can't allocate memory" in said else "failed"


def _stamped(record: Record, store: Store) -> Record:
    stamped = replace(record, created=datetime.now(UTC).isoformat(timespec="seconds"))
    if not stamped.environment:
        stamped = replace(stamped, environment=environment.describe(record.cell.method))
    store.write(stamped)
    return stamped


def main(path: Path) -> int:
    """Run the job in a JSON file.

    Returns
    -------
    int
        Exit code: 0 where the record says ``ok``, 3 where it says something else.

    Raises
    ------
    UsageError
        Where the file is no job.
    PrerequisiteError
        Where the record can't be written.
    """
    die_with_parent()
    job = read_job(path)
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8") as channel:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        events = EventWriter(channel)
        record = run_job(job, events)
        events.finished(record.status)
    return ExitCode.OK if record.status == "ok" else ExitCode.CELL_NOT_OK
