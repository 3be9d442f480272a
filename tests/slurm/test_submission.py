"""What lies beside a plan that pullers were submitted for, and the lock by which pullers see whether locks hold."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from report_records import make_record

from harness.files.locks import FileLock
from harness.plan.job import Job
from harness.plan.plan_file import PlanEntry, PlanFile
from harness.slurm.lock_probe import FollowLock, locks_hold
from harness.slurm.submission import Submission, new_submission, submissions


@pytest.fixture
def submission(tmp_path: Path) -> Submission:
    entry = PlanEntry(Job(make_record().cell, None, ("a",), {}), {})
    return new_submission(PlanFile((entry,), tmp_path), pullers=3, options={"partition": "gpu"}, setup=("true",))


def test_what_was_submitted_is_found_again_until_it_is_forgotten(submission: Submission, tmp_path: Path) -> None:
    assert submissions(tmp_path) == (submission,)
    assert submissions(tmp_path / "elsewhere") == ()
    submission.forget()
    assert submissions(tmp_path) == ()
    assert submission.folder.is_dir()


@pytest.mark.parametrize("name", ["plan.json", "jobs.json"])
@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.chmod(0o666),
        lambda path: path.chmod(0o664),
        lambda path: os.chown(path, 65534, 65534) if os.getuid() == 0 else path.unlink(),
        lambda path: path.write_text(path.read_text()[:-1]),
        lambda path: path.write_text('{"format": 1, "jobs": [-1], "setup": ["touch /tmp/x"]}'),
        lambda path: path.write_text("[" * 100_000),
        lambda path: path.rename(path.with_suffix(".other")),
    ],
    ids=["for-all", "for-a-group", "of-another", "half", "odd", "deep", "gone"],
)
def test_what_others_could_have_written_is_not_run(
    submission: Submission, tmp_path: Path, name: str, change: Callable[[Path], object]
) -> None:
    change(submission.folder / name)
    assert submissions(tmp_path) == ()


def test_a_umask_that_lets_a_group_write_is_no_danger(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        (tmp_path / "results").mkdir()
        entry = PlanEntry(Job(make_record().cell, None, (), {}), {})
        made = new_submission(PlanFile((entry,), tmp_path / "results"), pullers=1, options={})
    finally:
        os.umask(before)
    assert made.folder.stat().st_mode & 0o022 == 0
    assert submissions(tmp_path / "results") == (made,)


def test_why_pullers_ended_is_told_by_the_newest_that_says_so(submission: Submission) -> None:
    assert submission.last_words() == ""
    logs = [submission.folder / f"puller-1_{index}.log" for index in range(3)]
    for age, (log, text) in enumerate(zip(logs, ("harness: no device", "harness: killed\nmore", "ok"), strict=True)):
        log.write_text(text)
        os.utime(log, (age, age))
    assert submission.last_words() == f"{logs[1]}: harness: killed"
    for log in logs[:2]:
        log.unlink()
    assert submission.last_words() == f"{logs[2]}: ok"


def probe(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "harness.slurm.lock_probe", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


@pytest.fixture
def following(tmp_path: Path) -> Iterator[FollowLock]:
    lock = FollowLock(tmp_path)
    lock.take()
    yield lock
    lock.release()


def test_a_lock_that_is_seen_lets_a_puller_begin(following: FollowLock, tmp_path: Path) -> None:
    assert probe(tmp_path).returncode == 0
    assert following.unseen_by() == ""
    following.release()
    assert probe(tmp_path).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_is_not_seen_is_told_to_both_sides(following: FollowLock, tmp_path: Path, monkeypatch) -> None:
    """As where each machine has locks of its own: what is held here is free there."""
    monkeypatch.setattr("harness.slurm.lock_probe.is_locked", lambda path: False)
    held: list[bool] = []
    puller = threading.Thread(target=lambda: held.append(locks_hold(tmp_path, 20)))
    puller.start()
    while not (machine := following.unseen_by()):
        assert puller.is_alive()
    puller.join()
    assert held == [False]
    assert machine == os.uname().nodename
    assert [path.name for path in tmp_path.iterdir()] == ["following.lock"]


def test_a_command_that_was_killed_does_not_keep_pullers_from_their_work(tmp_path: Path) -> None:
    """Its lock is free, and nobody answers."""
    (tmp_path / "following.lock").touch()
    assert locks_hold(tmp_path, 1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["following.lock"]


def test_questions_of_an_earlier_time_are_no_answer(tmp_path: Path) -> None:
    (tmp_path / "asks-left-1").touch()
    lock = FollowLock(tmp_path)
    with FileLock(tmp_path / "following.lock") as other:
        assert other.take()
        lock.take()
        assert lock.unseen_by() == ""
    lock.take()
    assert lock.unseen_by() == ""
    (tmp_path / "asks-left-2").touch()
    assert lock.unseen_by() == "left"
    lock.release()
