"""A cell that goes wrong is recorded, takes no other with it, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from launch_helpers import alive, wait_for, workers_of

from harness.running.lifeline import MARK

WRONG = {
    "raise": ("failed", "RuntimeError: the method broke"),
    "refuse": ("failed", r"Sample bagel/test/\w+/\d+: this sample can't be used"),
    "unsupported": ("unsupported", "this method needs two suns"),
    "nan": ("failed", r"Sample bagel/(test/\w+/\d+): The anomaly_map of sample \1 holds NaN or infinity\."),
    "die": ("killed", "SIGKILL"),
    "die-writing": ("killed", "SIGKILL"),
    "die-counting": ("killed", "SIGKILL"),
}


def test_cells_that_go_wrong_are_recorded_and_the_others_finish(finish, records, tmp_path: Path) -> None:
    methods = ",".join(f"misbehaving[how={how}]" for how in (*WRONG, "no"))
    code, printed = finish(methods, "--categories", "bagel")
    assert code == 3
    found = {record["cell"]["parameters"]["how"]: record for record in records()}
    assert found.pop("no")["status"] == "ok"
    for how, (status, said) in WRONG.items():
        assert found[how]["status"] == status
        assert re.search(said, found[how]["reason"])
        assert re.search(said, printed)
    assert list(found["refuse"]["seconds"])[-1] == "reading"  # it went wrong in the latency pass
    assert list(found["nan"]["seconds"])[-1] == "latency"
    assert found["raise"]["log"][-1] == "RuntimeError: the method broke"
    assert found["raise"]["environment"]["device"] == "cpu"
    assert "7 of 8 cells to run" in finish(methods, "--categories", "bagel", "--dry-run")[1]
    assert left_over(tmp_path) == []


def left_over(folder: Path) -> list[str]:
    """Return what an ended run should not leave: half files, locks, plans, workers."""
    results = folder / "results"
    files = [str(path) for path in (*results.rglob("*.tmp"), *results.glob("locks/*"), *results.glob("plans/*"))]
    return files + [f"worker {pid}" for pid in workers_of(folder)]


def test_a_cell_that_takes_too_long_is_ended_with_its_children(finish, records, tmp_path: Path) -> None:
    where = tmp_path / "children"
    code, _ = finish(f"misbehaving[how=sleep,category=bagel,where={where}]", "--timeout", "8s")
    assert code == 3
    slow, fine = records()
    assert (slow["status"], fine["status"]) == ("timeout", "ok")
    assert "ended after 8 s, in stage 'fit' (fit: 5 of 5)" in slow["reason"]
    assert "ends with: sleeping now" in slow["reason"]
    children = [int(line) for line in where.read_text().split()]
    assert len(children) == 2
    assert alive(children) == []
    assert left_over(tmp_path) == []


def test_children_that_outlive_a_good_cell_are_ended_too(finish, records, tmp_path: Path) -> None:
    where = tmp_path / "children"
    code, _ = finish(f"misbehaving[how=litter,where={where}]", "--categories", "bagel")
    assert code == 0
    assert alive([int(line) for line in where.read_text().split()]) == []


def test_a_thread_that_outlives_its_cell_holds_nothing_up(finish, records) -> None:
    code, _ = finish("misbehaving[how=thread]", "--categories", "bagel", "--timeout", "60s")
    assert code == 0
    assert [record["status"] for record in records()] == ["ok"]


def test_memory_that_the_system_refuses_is_oom(finish, records) -> None:
    limit = 4_000_000_000
    code, _ = finish(
        "misbehaving[how=allocate,category=bagel]",
        before=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
    )
    assert code == 3
    hungry, fine = records()
    assert (hungry["status"], fine["status"]) == ("oom", "ok")
    assert "MemoryError" in hungry["reason"]


def test_a_worker_that_the_kernel_kills_for_memory_is_oom(finish, records) -> None:
    group = Path("/sys/fs/cgroup/memory") / f"harness-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text("2000000000")
    except OSError:
        pytest.skip("no memory control group can be made here")
    try:
        code, _ = finish(
            "misbehaving[how=allocate,category=bagel]",
            before=lambda: (group / "cgroup.procs").write_text(str(os.getpid())),
        )
    finally:
        group.rmdir()
    assert code == 3
    hungry, fine = records()
    assert (hungry["status"], fine["status"]) == ("oom", "ok")
    assert "ended by SIGKILL by the kernel, which had no memory left, in stage 'fit'" in hungry["reason"]


@pytest.fixture
def small_disk(tmp_path: Path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills_up_stops_the_run_and_loses_nothing(finish, records, small_disk: Path) -> None:
    results, filler = small_disk / "results", small_disk / "filler"
    method = f"misbehaving[how=fill,category=carrot,where={filler}]"
    code, said = finish(method, "--results", results)
    assert code == 5
    assert "can't be written (No space left on device): free some space" in said
    assert [record["status"] for record in records(results)] == ["ok"]
    assert not list(results.rglob("*.tmp"))
    code, said = finish(method, "--results", results)
    assert code == 5
    assert "is full" in said
    filler.unlink()
    code, said = finish("misbehaving[category=carrot]", "--results", results, "--categories", "carrot")
    assert code == 0, said
    assert [record["status"] for record in records(results)] == ["ok", "ok"]


def test_two_runs_at_once_share_the_work(start, records, tmp_path: Path) -> None:
    method = "misbehaving,colour-distance"
    first, second = start(method), start(method)
    said = [process.communicate(timeout=120)[1] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), said
    assert [record["status"] for record in records()] == ["ok"] * 4
    assert len(list((tmp_path / "results" / "logs").iterdir())) == 4
    assert left_over(tmp_path) == []


def test_a_worker_ends_with_the_run_that_was_killed(start, tmp_path: Path) -> None:
    where = tmp_path / "children"
    process = start(f"misbehaving[how=sleep,category=bagel,where={where}]")
    wait_for(lambda: where.exists() and len(where.read_text().split()) == 2)
    started = workers_of(tmp_path)
    assert len(started) == 1
    process.kill()
    process.communicate()
    children = [int(line) for line in where.read_text().split()]
    wait_for(lambda: not alive([*started, *children]))


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "guard killed too"])
def test_a_worker_in_native_code_ends_with_the_run_that_was_killed(start, tmp_path: Path, guarded: bool) -> None:
    where = tmp_path / "children"
    process = start(f"misbehaving[how=hold,category=bagel,where={where}]")
    wait_for(lambda: where.exists() and len(where.read_text().split()) == 2)
    (worker,), children = workers_of(tmp_path), [int(line) for line in where.read_text().split()]
    (guard,) = workers_of(tmp_path, b"harness.running.lifeline")
    if not guarded:
        os.kill(guard, signal.SIGKILL)
    process.kill()
    process.communicate()
    wait_for(lambda: not alive([worker, guard, *(children if guarded else [])]))
    for child in alive(children):
        os.kill(child, signal.SIGKILL)


def test_a_worker_whose_run_is_dead_already_ends_before_any_work() -> None:
    run = subprocess.Popen(["true"])
    run.wait()
    command = [sys.executable, "-P", "-m", "harness.running", "no-job.json"]
    done = subprocess.run(command, env=os.environ | {MARK: f"{run.pid}-0"}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, b"")


@pytest.mark.parametrize(
    ("sign", "how", "asleep", "finished"),
    [
        (signal.SIGINT, "sleep", "carrot", ["bagel"]),
        (signal.SIGTERM, "sleep", "bagel", []),
        (signal.SIGHUP, "sleep", "bagel", []),
        (signal.SIGTERM, "hold", "bagel", []),
    ],
)
def test_a_signal_keeps_finished_cells_and_leaves_nothing_running(
    start, records, tmp_path: Path, sign: signal.Signals, how: str, asleep: str, finished: list[str]
) -> None:
    where = tmp_path / "children"
    process = start(f"misbehaving[how={how},category={asleep},where={where}]")
    wait_for(lambda: where.exists() and len(where.read_text().split()) == 2)
    process.send_signal(sign)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in said
    assert [record["cell"]["category"] for record in records()] == finished
    assert workers_of(tmp_path) == []
    assert alive([int(line) for line in where.read_text().split()]) == []
    assert not list((tmp_path / "results").rglob("*.tmp"))


def test_reruns(finish, records, tmp_path: Path) -> None:
    finish("misbehaving[how=raise,category=bagel],colour-distance", "--categories", "bagel")
    failing = "misbehaving[how=raise,category=bagel],colour-distance"

    def planned(*more: str) -> str:
        return finish(failing, "--dry-run", *more)[1]

    assert "3 of 4 cells to run" in planned()
    assert "1 of 4 cells to run" in planned("--rerun", "failed")
    assert "4 of 4 cells to run" in planned("--rerun", "all")
    assert "4 of 4 cells to run" in planned("--rerun", "colour-distance")
    code, said = finish(failing, "--dry-run", "--rerun", "color-distance")
    assert code == 2
    assert "did you mean 'colour-distance'" in said
    before = {record["cell"]["method"]: record["created"] for record in records()}
    time.sleep(1.1)
    finish("colour-distance", "--categories", "bagel", "--rerun", "all")
    after = {record["cell"]["method"]: record["created"] for record in records()}
    assert after["colour-distance"] > before["colour-distance"]
    assert after["misbehaving"] == before["misbehaving"]


@pytest.mark.parametrize(
    ("devices", "code"), [("cuda:63", 5), ("cpu,cuda:63", 5), ("gpu", 2), ("cpu,cpu", 2), ("cpu", 0)]
)
def test_devices_are_checked_before_any_work(finish, tmp_path: Path, devices: str, code: int) -> None:
    found, said = finish("colour-distance", "--devices", devices, "--categories", "bagel")
    assert found == code, said
    assert (tmp_path / "results").exists() == (code == 0)
    if code:
        assert "--device" in said
