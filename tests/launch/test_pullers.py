"""Pullers: several processes that split the cells of one plan, and what is left when one of them is ended."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from launch_helpers import alive, wait_for, workers_of

from harness.plan.plan_file import plan_states, read_plan, record_since
from harness.running.puller import record_lost
from harness.store.claims import Claim, holders, lost_holders
from harness.store.store import Store

Pull = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def plan(harness, tiny_mvtec: Path, tmp_path: Path) -> Callable[..., Path]:
    def write(methods: str, *more: str | Path) -> Path:
        shots = () if "--shots" in more else ("--shots", "5")
        where = ("--dataset", "mvtec3d", "--data", tiny_mvtec, "--preset", "quick")
        done = harness("run", "--methods", methods, *where, *shots, *more, "--write-plan", "plan.json")
        assert done.returncode == 0, done.stderr
        return tmp_path / "plan.json"

    return write


@pytest.fixture
def pull(spawn: Pull) -> Pull:
    """Start a puller of the plan."""
    return lambda *more, **environment: spawn("run", "--plan", "plan.json", *more, **environment)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    printed, said = process.communicate(timeout=180)
    assert (printed, "Traceback" in said) == ("", False), said
    return process.returncode, said


def left_over(folder: Path) -> list[str]:
    """Return what pullers must not leave: half files, claims, workers."""
    results = folder / "results"
    files = [*results.rglob(".*"), *results.glob("locks/*")]
    return [*map(str, files), *(f"worker {pid}" for pid in workers_of(folder))]


def test_twelve_cells_over_three_pullers_are_measured_once_each_as_by_one_run(
    plan, pull, harness, tiny_mvtec: Path, records, tmp_path: Path
) -> None:
    methods, shots = "colour-distance,colour-distance[floor=2.0]", ("--shots", "1,3,5")
    plan(methods, *shots)
    both = [ended(process) for process in [pull() for _ in range(3)]]
    assert [code for code, _ in both] == [0, 0, 0]
    finished = [line for _, said in both for line in said.splitlines() if line.startswith("ok ")]
    assert len(finished) == len(set(finished)) == 12
    measured = [int(number) for _, said in both for number in re.findall(r"(\d+) measured here", said)]
    assert (len(measured), sum(measured)) == (3, 12)
    assert min(measured) >= 1
    assert left_over(tmp_path) == []
    assert list((tmp_path / "results" / "plans").iterdir()) == []

    where = ("--dataset", "mvtec3d", "--data", tiny_mvtec, "--preset", "quick")
    assert harness("run", "--methods", methods, *where, *shots, "--results", "local").returncode == 0
    here, there = records(), records(tmp_path / "local")
    assert len(here) == len(there) == 12
    for one, other in zip(here, there, strict=True):
        for part in ("id", "status", "metrics", "by_defect", "undefined", "test_images", "samples", "content"):
            assert one[part] == other[part]
    code, said = ended(pull())
    assert (code, "12 cells in the plan: 0 measured here, 12 elsewhere." in said) == (0, True)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_another_puller_takes_the_cell_of_one_that_was_ended(
    plan, pull, harness, records, tmp_path: Path, sign: signal.Signals
) -> None:
    path = plan("colour-distance", "--save-maps")
    results = tmp_path / "results"
    first = pull()
    wait_for(lambda: len(workers_of(tmp_path)) == 1 and len(holders(results)) == 1)
    time.sleep(0.5)
    first.send_signal(sign)
    code, said = ended(first)
    killed = sign == signal.SIGKILL
    assert code == (-sign if killed else 130)
    assert killed or "interrupted" in said
    wait_for(lambda: workers_of(tmp_path) == [])
    assert holders(results) == {}
    assert len(lost_holders(results)) == killed
    if killed:
        states = plan_states(read_plan(path), results)
        assert (len(states.done), len(states.running), len(states.lost), len(states.unclaimed)) == (0, 0, 1, 2)
        shown = harness("status")
        assert "0 of 2 ok, 1 lost, 1 planned" in shown.stdout
        assert re.search(rf"lost: colour-distance bagel \(\S+, process {first.pid}\)", " ".join(shown.stdout.split()))
    else:
        assert left_over(tmp_path) == []
    assert records() == []
    code, said = ended(pull())
    assert (code, "2 cells in the plan: 2 measured here, 0 elsewhere." in said) == (0, True)
    assert [record["status"] for record in records()] == ["ok", "ok"]
    assert left_over(tmp_path) == []
    assert "2 of 2 ok" in harness("status").stdout


def test_a_signal_to_all_processes_of_a_job_is_no_failure_of_the_cell(plan, pull, records, tmp_path: Path) -> None:
    """The worker is ended first, as where a scheduler signals whatever runs on a node."""
    where = tmp_path / "children"
    plan(f"misbehaving[how=sleep,category=bagel,where={where}]")
    process = pull()
    wait_for(lambda: where.exists() and len(where.read_text().split()) == 2)
    (worker,) = workers_of(tmp_path)
    os.kill(worker, signal.SIGTERM)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 130
    assert records() == []
    assert left_over(tmp_path) == []
    assert alive([int(line) for line in where.read_text().split()]) == []


def test_cells_that_go_wrong_are_recorded_with_log_and_stage_and_no_puller_tries_them_again(
    plan, pull, records, tmp_path: Path
) -> None:
    methods = f"misbehaving[how=die],misbehaving[how=sleep,where={tmp_path / 'children'}]"
    plan(methods, "--categories", "bagel", "--timeout", "6s")
    code, said = ended(pull())
    assert (code, "2 cells in the plan: 2 measured here (2 not ok), 0 elsewhere." in said) == (3, True)
    found = {record["status"]: record for record in records()}
    assert "SIGKILL" in found["killed"]["reason"]
    assert "ended after 6 s, in stage 'fit' (fit: 5 of 5)" in found["timeout"]["reason"]
    assert "ends with: sleeping now" in found["timeout"]["reason"]
    assert left_over(tmp_path) == []
    code, said = ended(pull())
    assert (code, "0 measured here, 2 elsewhere" in said) == (0, True)


def test_no_cell_is_taken_that_could_not_end_in_time(plan, pull, records) -> None:
    plan("colour-distance", "--timeout", "60s")
    soon, later = (str(int(time.time()) + seconds) for seconds in (50, 500))
    for options, variables in (
        (("--until", "50s"), {"SLURM_JOB_END_TIME": later}),
        ((), {"SLURM_JOB_END_TIME": soon}),
    ):
        code, said = ended(pull(*options, **variables))
        assert (code, "0 measured here, 0 elsewhere, 2 not taken: the time" in said) == (0, True), said
        assert records() == []
    code, said = ended(pull("--max-cells", "1", SLURM_JOB_END_TIME=later))
    assert (code, "1 measured here, 0 elsewhere, 1 not taken" in said) == (0, True)
    code, said = ended(pull("--until", later, SLURM_JOB_END_TIME="0"))
    assert (code, "1 measured here, 1 elsewhere." in said) == (0, True)
    assert [record["status"] for record in records()] == ["ok", "ok"]


def test_who_measures_is_told_while_it_does_and_in_the_record(plan, pull, harness, records, tmp_path: Path) -> None:
    where = tmp_path / "children"
    plan(f"misbehaving[how=sleep,category=bagel,where={where}]", "--timeout", "20s")
    job = {"JOB_ID": "77", "ARRAY_JOB_ID": "75", "ARRAY_TASK_ID": "2", "RESTART_COUNT": "1"}
    process = pull(**{f"SLURM_{name}": value for name, value in job.items()})
    wait_for(lambda: where.exists() and len(where.read_text().split()) == 2)
    host = os.uname().nodename
    shown = "".join(harness("status").stdout.split())  # a long line is broken somewhere
    assert re.search(rf"running:misbehaving\[.*\]bagel\({host},job75_2\)", shown), shown
    (cell,) = [cell for cell in json.loads(harness("status", "--json").stdout)["cells"] if cell["holder"]]
    holder = cell["holder"]
    assert (holder["host"], holder["pid"], holder["job"], holder["restart"]) == (host, process.pid, "75_2", 1)
    code, said = ended(pull("--device", "cpu"))
    assert (code, f"1 being measured by others ({host}, job 75_2)" in said) == (0, True)
    assert ended(process)[0] == 3
    found = {record["status"]: record["environment"] for record in records()}
    assert {status: (one["host"], one["job"]) for status, one in found.items()} == {
        "timeout": (host, "75_2"),
        "ok": (host, ""),
    }


def test_what_is_measured_after_the_claim_was_lost_is_not_written(plan, pull, records, tmp_path: Path) -> None:
    """As on a machine that was cut off: its lock is dropped, another process takes the cell, and it goes on."""
    path, results = plan("colour-distance", "--categories", "bagel", "--save-maps"), tmp_path / "results"
    process = pull()
    wait_for(lambda: len(workers_of(tmp_path)) == 1 and len(holders(results)) == 1)
    (entry,) = read_plan(path).entries
    with Claim(results, entry.job.cell) as claim:
        claim.path.unlink()
        assert claim.take()
        code, said = ended(process)
        assert (code, "0 measured here, 0 elsewhere, 1 being measured by others" in said) == (0, True)
        assert records() == []
        assert not list(results.glob("counts/*")) + list(results.glob("maps/*"))
        assert claim.is_held
        log = (results / "logs" / f"{entry.job.cell.stem}.log").read_text()
        assert "has claimed it meanwhile" in log
    assert ended(pull())[0] == 0
    assert [record["status"] for record in records()] == ["ok"]


def test_devices_are_resolved_where_the_puller_runs(plan, pull, records) -> None:
    plan("colour-distance", "--categories", "bagel", "--devices", "cuda:63")
    code, said = ended(pull())
    assert (code, "There is no CUDA device 63" in said) == (5, True)
    assert records() == []
    assert ended(pull("--devices", "auto"))[0] == 0
    assert [record["status"] for record in records()] == ["ok"]


def test_a_machine_that_lacks_the_data_measures_nothing_and_fails_nothing(plan, pull, records, tmp_path: Path) -> None:
    path = plan("colour-distance")
    path.write_text(re.sub(r'"data":"[^"]*"', '"data":"/nowhere/mvtec3d"', path.read_text()))
    code, said = ended(pull())
    assert (code, "This machine does not see /nowhere/mvtec3d" in " ".join(said.split())) == (5, True)
    assert records() == []


def test_a_cell_of_another_machine_is_measured_again_beside_it_and_once(plan, pull, records, tmp_path: Path) -> None:
    plan("colour-distance", "--categories", "bagel")
    assert ended(pull())[0] == 0
    (path,) = (tmp_path / "results" / "cells").iterdir()
    (own,) = records()
    path.write_text(path.read_text().replace(own["environment"]["cpu"], "Some other CPU"))
    plan("colour-distance", "--categories", "bagel", "--rerun", "all")
    said = [ended(pull())[1] for _ in range(2)]
    assert ["1 measured here, 0 elsewhere" in said[0], "0 measured here, 1 elsewhere" in said[1]] == [True, True]
    (theirs,) = records()
    assert theirs["environment"]["cpu"] == "Some other CPU"
    (here,) = (tmp_path / "results" / "machines").iterdir()
    (mine,) = records(here)
    assert (mine["id"], mine["environment"]["cpu"]) == (own["id"], own["environment"]["cpu"])


def test_the_record_of_a_cell_whose_puller_is_gone(plan, pull, tmp_path: Path) -> None:
    path, results = plan("colour-distance", "--categories", "bagel"), tmp_path / "results"
    process = pull(SLURM_JOB_ID="9")
    wait_for(lambda: len(workers_of(tmp_path)) == 1 and len(holders(results)) == 1)
    (entry,) = read_plan(path).entries
    assert record_lost(entry, results, "job 9 is gone") is None
    process.kill()
    process.communicate()
    wait_for(lambda: holders(results) == {})
    record = record_lost(entry, results, "job 9 is gone")
    assert record is not None
    assert (record.status, record.environment.job) == ("killed", "9")
    assert record.reason.startswith("job 9 is gone; its log ")
    assert record_since(entry, results) == Store(results).read(entry.job.cell) == record
    assert record_lost(entry, results, "again") is None
    assert lost_holders(results) == {}
    code, said = ended(pull())
    assert (code, "0 measured here, 1 elsewhere" in said) == (0, True)
