"""The cells of one fit from start to record: what ``python -m harness.running JOB.json`` does, a worker of a run.

Standard output carries one JSON object a line (:mod:`harness.running.events`); everything else goes to standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from harness.contract import MethodError, UnsupportedError
from harness.errors import ExitCode, HarnessError
from harness.files.names import capped
from harness.measure import environment
from harness.plan.job import Job, read_job
from harness.running.events import EventWriter
from harness.running.post_mortem import means_out_of_memory
from harness.running.stages import CellRun
from harness.running.stress import StressRun, further_jobs
from harness.store.claims import ClaimLostError, require_claim
from harness.store.record import Record, Status
from harness.store.store import Store

__all__ = ["main", "run_cells"]


def run_cells(job: Job, events: EventWriter) -> Iterator[Record]:
    """Run all cells of a job with one fit, and yield each record as soon as it is written, however a cell ends.

    A method or a sample that can't be used gives a record of status ``failed`` with the reason; a bug in the harness
    or in a method does too, and its traceback goes to standard error. Where the job's own cell goes wrong, the further
    ones are not tried: their records say the same.

    Raises
    ------
    ClaimLostError
        Where another process has claimed the cell meanwhile: then nothing is written.
    PrerequisiteError
        Where the record can't be written.
    """
    record, run = _run(job, events)
    yield record
    for further in further_jobs(job, events):
        if record.status == "ok":
            yield _run(further, events, run)[0]
        else:
            reason = f"Not tried, since it went wrong under '{job.cell.condition.text}': {record.reason}"
            yield _stamped(Record(cell=further.cell, status=record.status, reason=reason), further)


def _run(job: Job, events: EventWriter, fitted: CellRun | None = None) -> tuple[Record, CellRun]:
    """Run a cell, with the method that was fitted before where there is one; return its record, which is written."""
    require_claim(job.claimed_in, job.cell, job.token)
    run = StressRun(job, events, fitted) if job.cell.condition.of_test else CellRun(job, events)
    Store(job.results).discard_files(job.cell)
    try:
        if job.unsupported:
            raise UnsupportedError(job.unsupported)
        record = run.run()
    except ClaimLostError:
        raise
    except UnsupportedError as error:
        record = Record(cell=job.cell, status="unsupported", reason=str(error), seconds=run.seconds)
    except (MethodError, HarnessError) as error:
        record = Record(cell=job.cell, status="failed", reason=str(error), seconds=run.seconds)
    except Exception as error:  # recorded with its type; the traceback is in the log
        import traceback

        sys.stderr.write(capped(traceback.format_exc()))
        reason = f"{type(error).__name__}: {error}"
        status: Status = "oom" if means_out_of_memory(reason) else "failed"
        record = Record(cell=job.cell, status=status, reason=reason, seconds=run.seconds)
    return _stamped(record, job), run


def _stamped(record: Record, job: Job) -> Record:
    stamped = replace(
        record,
        reason=capped(record.reason),
        notes=tuple(map(capped, record.notes)),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    if not stamped.environment.device:
        described = environment.describe(job.cell.method, job.device, job.cell.dataset)
        with suppress(Exception):  # a broken device must not hide what broke
            described = environment.describe_torch(described, job.device)
        stamped = replace(stamped, environment=described)
    require_claim(job.claimed_in, job.cell, job.token)
    Store(job.results).write(stamped)
    return stamped


def main(path: Path) -> int:
    """Run the job in a JSON file.

    Returns
    -------
    int
        Exit code: 0 where all records say ``ok``, 3 where one says something else.

    Raises
    ------
    UsageError
        Where the file is not a job.
    PrerequisiteError
        Where the record can't be written.
    ClaimLostError
        Where another process has claimed the cell meanwhile.
    """
    job = read_job(path)
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8") as channel:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        events = EventWriter(channel)
        all_ok = True
        for record in run_cells(job, events):
            events.finished(record.status)
            all_ok &= record.status == "ok"
    return ExitCode.OK if all_ok else ExitCode.CELL_NOT_OK
