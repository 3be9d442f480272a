"""Why a worker died: from its exit code, its last lines, and what the kernel counts."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from report_records import make_cell

from harness.plan.job import Job
from harness.running import post_mortem
from harness.running.lifeline import signal_group
from harness.running.post_mortem import last_lines, record_of_dead_worker

CRASH, KILL = -signal.SIGSEGV, -signal.SIGKILL
HUNGRY, OTHER = "terminate called: std::bad_alloc\n", "Fatal Python error: Segmentation fault\n"


@pytest.mark.parametrize(
    ("code", "log", "kills", "status", "said"),
    [
        (1, OTHER, (3, 3), "failed", "ended with exit code 1 in stage 'fit'"),
        (1, HUNGRY, (3, 3), "oom", "ended with exit code 1 in stage 'fit'"),
        (0, HUNGRY, (3, 3), "failed", "ended with exit code 0 in stage 'fit'"),
        (CRASH, OTHER, (3, 3), "killed", "was ended by SIGSEGV in stage 'fit'"),
        (CRASH, OTHER, (3, 4), "killed", "was ended by SIGSEGV in stage 'fit'"),
        (CRASH, HUNGRY, (None, None), "oom", "was ended by SIGSEGV in stage 'fit'"),
        (KILL, HUNGRY, (3, 3), "killed", "was ended by SIGKILL in stage 'fit'"),
        (KILL, OTHER, (3, 4), "oom", "was ended by SIGKILL by the kernel, which had no memory left, in stage 'fit'"),
        (KILL, OTHER, (None, None), "killed", "was ended by SIGKILL in stage 'fit'"),
        (-99, "", (3, 3), "killed", "was ended by signal 99 in stage 'fit'"),
    ],
)
def test_a_dead_worker_has_the_status_of_what_ended_it(tmp_path: Path, monkeypatch, code, log, kills, status, said):
    before, after = kills
    monkeypatch.setattr(post_mortem, "oom_kills", lambda: after)
    path = tmp_path / "cell.log"
    path.write_text(log)
    job = Job(make_cell(), None, (), {}, None)
    record = record_of_dead_worker(job, code, path, where="fit", kills_before=before)
    assert (record.status, record.cell) == (status, job.cell)
    assert f"The worker {said}, before its record was written; " in record.reason
    assert record.reason.endswith(f"ends with: {log.strip()}" if log else f"{path} is empty")


def test_the_last_lines_of_a_log_of_any_length_and_bytes(tmp_path: Path):
    path = tmp_path / "cell.log"
    assert last_lines(path) == []
    path.write_bytes(b"x" * 30_000 + b"".join(b"\nline %d \xff" % number for number in range(7)) + b"\n\n")
    assert last_lines(path) == [f"line {number} \ufffd" for number in range(2, 7)]


@pytest.mark.parametrize("group", [0, 1, -1])
def test_a_signal_is_sent_to_no_group_that_stands_for_others(group: int) -> None:
    with pytest.raises(ValueError, match="not a group"):
        signal_group(group, signal.SIGCONT)
