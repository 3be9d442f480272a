"""The file of a plan: what is read is what was written, and a cell is done once anybody has written a record of it."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import mutated_bytes
from report_records import make_record

from harness.data.weights import ResolvedWeight
from harness.errors import PrerequisiteError, UsageError
from harness.plan.job import Job
from harness.plan.plan_file import PlanFile, plan_file_of, plan_states, read_plan, record_since, write_plan
from harness.plan.planning import Plan, PlannedCell
from harness.store.claims import Claim
from harness.store.store import Store

RECORDS = [make_record("cfm", name) for name in ("bagel", "carrot", "foam")]
WEIGHTS = {"dino.pth": ResolvedWeight("dino.pth", Path("/weights/dino.pth"), "0" * 64, True)}
JOBS = [Job(record.cell, Path("/data"), ("train/good/000",), WEIGHTS) for record in RECORDS]


def planned(store: Store, skipped: int = 0, **settings: Any) -> PlanFile:
    cells = [PlannedCell(job, "skip" if place < skipped else "run", "why") for place, job in enumerate(JOBS)]
    return plan_file_of(Plan(tuple(cells), ()), store, devices=("auto",), timeout=None, **settings)


@given(
    timeout=st.none() | st.floats(1e-3, 1e9),
    devices=st.lists(st.sampled_from(["auto", "cuda", "cuda:3", "cpu"]), min_size=1, max_size=3).map(tuple),
    kept=st.tuples(st.booleans(), st.booleans()),
    skipped=st.integers(0, 3),
)
def test_a_plan_is_read_as_it_was_written(timeout, devices, kept, skipped) -> None:
    with TemporaryDirectory() as name:
        store, path = Store(Path(name) / "results"), Path(name) / "made" / "plan.json"
        store.write(RECORDS[2])
        cells = tuple(PlannedCell(job, "skip" if place < skipped else "run", "") for place, job in enumerate(JOBS))
        plan = plan_file_of(
            Plan(cells, ()), store, devices=devices, timeout=timeout, save_fitted=kept[0], save_maps=kept[1]
        )
        write_plan(path, plan)
        assert read_plan(path) == plan
        assert (plan.measured, len(plan.entries)) == (skipped, 3 - skipped)
        assert [list(entry.before) for entry in plan.entries][2:] == [[f"cells/{RECORDS[2].cell.stem}.json"]][skipped:]


def test_a_plan_is_of_this_version_of_harness_and_decides_no_place(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_plan(path, planned(Store(tmp_path)))
    whole = json.loads(path.read_text())
    assert sorted(whole["entries"][0]) == ["before", "job"]
    for change, said in (
        ({"format": 2}, "its format is not 1"),
        ({"results": "results"}, "is not an absolute folder"),
        ({"timeout": 0}, "its timeout is 0 s"),
        ({"entries": [{**whole["entries"][0], "job": {**whole["entries"][0]["job"], "results": "/x"}}]}, "no plan"),
    ):
        path.write_text(json.dumps({**whole, **change}))
        with pytest.raises(UsageError, match=said):
            read_plan(path)
    path.write_text(path.read_text().replace('"protocol": {', '"protocol": {"version": 99, '))
    path.write_text(json.dumps(whole).replace('"protocol": {', '"protocol": {"version": 99, '))
    with pytest.raises(UsageError, match="version 99 of the protocol"):
        read_plan(path)
    with pytest.raises(UsageError, match="There is no plan"):
        read_plan(tmp_path / "none.json")
    with pytest.raises(PrerequisiteError, match="name another file"):
        write_plan(path / "below", planned(Store(tmp_path)))


def content() -> bytes:
    with TemporaryDirectory() as name:
        path = Path(name) / "plan.json"
        write_plan(path, planned(Store(Path(name))))
        return path.read_bytes()


@settings(max_examples=500, derandomize=True, deadline=None, database=None)
@given(mutated_bytes(content()) | st.just(b"[" * 100_000) | st.just(b"{}"))
def test_an_odd_plan_is_a_usage_error_or_a_plan(odd: bytes) -> None:
    with TemporaryDirectory() as name:
        path = Path(name) / "plan.json"
        path.write_bytes(odd)
        try:
            plan = read_plan(path)
        except UsageError:
            return
        states = plan_states(plan, Path(name) / "results")
        assert len(states.unclaimed) == len(plan.entries)


def test_what_was_written_since_counts_wherever_it_lies(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(RECORDS[0])
    store.write(make_record("cfm", "carrot", status="failed", reason="before"))
    plan = planned(store)
    assert [record_since(entry, tmp_path) for entry in plan.entries] == [None] * 3
    later = make_record("cfm", "bagel", created="2026-02-01T00:00:00+00:00")
    failed = make_record("cfm", "bagel", status="oom", reason="full", created="2026-03-01T00:00:00+00:00")
    store.write(failed)  # beside the record, which stays
    assert record_since(plan.entries[0], tmp_path) == failed
    store.on("another machine").write(later)
    assert record_since(plan.entries[0], tmp_path) == later
    again = make_record("cfm", "carrot", status="timeout", reason="since", created="2026-02-01T00:00:00+00:00")
    store.write(again)
    assert record_since(plan.entries[1], tmp_path) == again
    store.cells.joinpath(f"{RECORDS[2].cell.stem}.json").write_text("no record")
    assert record_since(plan.entries[2], tmp_path) is None


def test_the_states_of_a_plan(tmp_path: Path) -> None:
    plan = planned(Store(tmp_path))
    Store(tmp_path).write(RECORDS[0])
    with Claim(tmp_path, RECORDS[1].cell) as claim, Claim(tmp_path, RECORDS[2].cell) as gone:
        assert claim.take()
        assert gone.take()
        gone.let_go()
        states = plan_states(plan, tmp_path)
        assert states.done == {RECORDS[0].cell.id: RECORDS[0]}
        assert states.running == {RECORDS[1].cell.id: claim.holder}
        assert states.lost == {RECORDS[2].cell.id: gone.holder}
        assert states.unclaimed == plan.entries[2:]
