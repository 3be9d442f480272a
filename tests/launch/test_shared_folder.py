"""A results folder that several users or containers share: what belongs to others is waited for, left out or told."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from report_records import make_record

from harness.errors import PrerequisiteError
from harness.files.atomic import replacing, sweep_temporaries, write_atomically
from harness.files.locks import FileLock, is_locked
from harness.store.claims import holders
from harness.store.pending import drop_finished, save_pending, unfinished
from harness.store.store import Store

ANOTHER = 65534
CELL = make_record("cfm", "bagel").cell


def without_privileges() -> None:
    """Let root be held to the permissions of files in the program that this process becomes."""
    for capability in range(10):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER and others
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.fixture
def others() -> Callable[..., Path]:
    """Write a file of another user that nobody else may read, in a folder that is everybody's."""
    if os.getuid() != 0:
        pytest.skip("only root can make files of another user")

    def write(path: Path, content: str = "", mode: int = 0o600) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o777)
        path.write_text(content)
        path.chmod(mode)
        os.chown(path, ANOTHER, ANOTHER)
        return path

    return write


Finish = Callable[..., tuple[int, str]]


@pytest.mark.parametrize("where", ["plans/20300101T000000-1.json", "locks/{stem}.lock", "logs/{stem}.log"])
def test_files_of_another_user_stop_no_run(
    finish: Finish, others, harness, records, tmp_path: Path, where: str
) -> None:
    """Plans that can't be read stay, lock files and logs that a run of another user left are taken over."""
    results = tmp_path / "results"
    assert finish("colour-distance", "--categories", "bagel")[0] == 0
    (record,) = (results / "cells").glob("*.json")
    mode = 0o644 if "lock" in where else 0o600
    path = others(results / where.format(stem=record.stem), json.dumps([CELL.to_json()]), mode)
    code, said = finish("colour-distance", "--categories", "bagel", "--rerun", "all", before=without_privileges)
    assert code == 0, said
    assert path.exists() == ("lock" not in where)
    for verb in ("status", "tables", "report"):
        done = subprocess.run(
            [sys.executable, "-m", "harness", verb],
            cwd=tmp_path,
            env=os.environ,
            preexec_fn=without_privileges,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize("name", ["cells", "locks", "logs", "plans"])
def test_a_folder_of_another_user_is_told_before_any_work(finish: Finish, others, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "results" / name
    folder.mkdir(parents=True)
    os.chown(folder, ANOTHER, ANOTHER)
    code, said = finish("colour-distance", "--categories", "bagel", before=without_privileges)
    assert code == 5
    assert f"results/{name} can't be written (Permission denied)" in said


def test_a_lock_that_another_user_holds_is_waited_for(others, tmp_path: Path) -> None:
    """Both may lock the file, whoever made it; one that can't be opened at all is an error, never a lock."""
    path = others(tmp_path / "locks" / "cell.lock", mode=0o644)
    code = (
        "import sys; from pathlib import Path; from harness.files.locks import *; "
        "path = Path(sys.argv[1]); print(FileLock(path).take(), is_locked(path))"
    )
    command = [sys.executable, "-c", code, str(path)]

    def tried() -> str:
        done = subprocess.run(command, preexec_fn=without_privileges, capture_output=True, text=True, check=False)
        return done.stdout.strip() or done.stderr.splitlines()[-1].partition(":")[0]

    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert tried() == "False True"
    assert tried() == "True True"
    path.chmod(0o600)
    assert tried() == "PermissionError"


def test_a_lock_file_is_for_all_users_to_lock(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with FileLock(tmp_path / "one.lock") as lock:
            assert lock.take()
            assert lock.path.stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(before)
    assert not is_locked(tmp_path / "one.lock")
    assert holders(tmp_path) == {}


NEW = {"method": "cfm", "heads": 3}


@pytest.mark.parametrize("content", [[NEW], [CELL.to_json(), NEW], {"plan": []}, "[", "[1e400]", "[" * 100_000])
def test_a_plan_of_another_version_is_kept(tmp_path: Path, content: object) -> None:
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "new.json").write_text(content if isinstance(content, str) else json.dumps(content))
    save_pending(tmp_path, [CELL])
    assert [cell.id for cell in unfinished(tmp_path)] == [CELL.id]
    Store(tmp_path).write(make_record("cfm", "bagel"))
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "of-a-killed-run.lock").touch()
    drop_finished(tmp_path)
    assert not list((tmp_path / "locks").iterdir())
    assert [path.name for path in plans.iterdir()] == ["new.json"]
    assert unfinished(tmp_path) == ()


def test_plans_of_one_second_have_names_of_their_own(tmp_path: Path) -> None:
    """Two containers may start runs in one second, under one process id."""
    for _ in range(20):
        save_pending(tmp_path, [CELL])
    assert len(list((tmp_path / "plans").iterdir())) == 20


def test_a_plan_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "plans").write_text("a file")
    with pytest.raises(PrerequisiteError, match="plans"):
        save_pending(tmp_path, [CELL])


WRITER = """
import os, sys, time
from pathlib import Path
from harness.files.atomic import replacing, write_atomically

def pause(handle=None):
    print("writing", flush=True)
    time.sleep(600)

path = Path(sys.argv[1]) / "record.json"
if sys.argv[2] == "replacing":
    with replacing(path) as temporary:
        temporary.write_text("half")
        pause()
os.fsync = pause
write_atomically(path, b"half")
"""


@pytest.fixture(params=["write_atomically", "replacing"])
def writer(request, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is in the middle of writing a file."""
    command = [sys.executable, "-c", WRITER, str(tmp_path), request.param]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield process
        process.kill()


def test_what_is_being_written_is_swept_by_no_other_container(writer, tmp_path: Path) -> None:
    """Its process id means nothing in another namespace; its lock does."""
    code = "import pathlib, sys; from harness.files.atomic import *; sweep_temporaries(pathlib.Path(sys.argv[1]))"
    sweep = [sys.executable, "-c", code, str(tmp_path)]
    (temporary,) = tmp_path.glob(".*.tmp")
    contained = ["unshare", "--pid", "--fork", "--mount-proc"]
    works = shutil.which("unshare") and subprocess.run([*contained, "true"], capture_output=True).returncode == 0
    for command in ([*contained, *sweep] if works else sweep, sweep):
        subprocess.run(command, check=True)
        assert temporary.exists()
    writer.kill()
    writer.wait()
    subprocess.run(sweep, check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_written_file_is_complete_has_the_usual_mode_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    before = os.umask(0o027)
    try:
        write_atomically(path, b"one")
        with replacing(path) as temporary:
            temporary.write_bytes(b"two")
            sweep_temporaries(tmp_path)
    finally:
        os.umask(before)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(RuntimeError), replacing(path):
        raise RuntimeError
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
