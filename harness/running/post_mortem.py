"""The record of a cell whose worker could not write one."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from pathlib import Path

from harness.measure import environment
from harness.plan.job import Job
from harness.store.record import Record, Status

__all__ = ["failure_record", "last_lines", "means_out_of_memory", "oom_kills", "record_of_dead_worker"]

_LAST_LINES = 5
_TAIL_BYTES = 20_000
_OUT_OF_MEMORY = (
    "bad_alloc",
    "MemoryError",
    "OutOfMemoryError",
    "out of memory",
    "can't allocate memory",
    "Cannot allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def record_of_dead_worker(job: Job, code: int, log: Path, *, where: str, kills_before: int | None) -> Record:
    """Return the record of a worker that died: ``oom`` where memory was the reason, else ``killed`` or ``failed``.

    Parameters
    ----------
    job
        The job it ran.
    code
        Its exit code, negative for a signal.
    log
        File of its standard error; the last lines become part of the reason.
    where
        Stage that it was in.
    kills_before
        :func:`oom_kills` when it started.
    """
    last = last_lines(log)
    by_kernel = code == -signal.SIGKILL and kills_before is not None and (oom_kills() or 0) > kills_before
    by_itself = code not in (0, -signal.SIGKILL) and any(map(means_out_of_memory, last))
    status: Status = "oom" if by_kernel or by_itself else "killed" if code < 0 else "failed"
    how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
    why = " by the kernel, which had no memory left," if by_kernel else ""
    return failure_record(job, status, f"The worker {how}{why} in stage '{where}', before its record was written", log)


def failure_record(job: Job, status: Status, reason: str, log: Path) -> Record:
    """Return the record of a cell that ended without numbers, with the last lines of its log in the reason."""
    last = last_lines(log)
    ending = f"its log {log} ends with: {' | '.join(last)}" if last else f"its log {log} is empty"
    return Record(
        cell=job.cell,
        status=status,
        reason=f"{reason}; {ending}",
        environment=environment.describe(job.cell.method, job.device, job.cell.dataset),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def means_out_of_memory(text: str) -> bool:
    """Return whether an error's text, with its type, means that memory of host or device ran out."""
    return any(phrase in text for phrase in _OUT_OF_MEMORY)


def last_lines(log: Path) -> list[str]:
    """Return the last lines of a log that may be long, may hold other bytes than text, or may be missing."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return text.strip().splitlines()[-_LAST_LINES:]


def oom_kills() -> int | None:
    """Return how many processes the kernel has killed because memory ran out; None where it keeps no count."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    counts = [int(line.split()[1]) for line in lines if line.startswith("oom_kill ")]
    return counts[0] if counts else None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
