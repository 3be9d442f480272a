"""A cell that is measured is never worse off for being measured again: real processes, and cells in this one."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from report_records import make_record

from harness.api import placed_jobs
from harness.plan.planning import make_plan
from harness.plan.selection import Selection
from harness.running.events import EventWriter
from harness.running.stages import CellRun
from harness.running.worker import run_cells
from harness.store.several import open_store
from harness.store.store import Store

PLUGIN = Path(__file__).parents[1] / "plugin"


@pytest.fixture
def run(harness, tiny_mvtec):
    where = ("--dataset", "mvtec3d", "--data", tiny_mvtec, "--categories", "bagel", "--shots", "5", "--preset", "quick")

    def call(*more: str):
        return harness("run", "--methods", "colour-distance", *where, "--device", "cpu", *more)

    return call


def test_an_ok_record_stays_until_a_new_ok_one_takes_its_place(run, harness, tmp_path: Path) -> None:
    assert run("--save-maps").returncode == 0
    store = Store(tmp_path / "results")
    (record,) = store.all()
    paths = (store.path(record.cell), store.counts_path(record.cell), store.maps_path(record.cell))
    kept = {path: path.read_bytes() for path in paths}

    failing = run("--rerun", "all", "--save-maps", "--timeout", "0.2s")
    assert failing.returncode == 3
    assert "timeout" in failing.stderr
    assert "earlier numbers are kept" in " ".join(failing.stderr.split())
    assert {path: path.read_bytes() for path in kept} == kept
    attempt = store.read_failed(record.cell)
    assert attempt is not None
    assert (attempt.status, store.all()) == ("timeout", [record])
    assert not list(store.folder.rglob(".new-*"))

    shown = harness("status", "--failed")
    assert shown.stdout.startswith("timeout colour-distance mvtec3d/bagel")
    assert f"The numbers of {record.created} stay." in " ".join(shown.stdout.split())
    (state,) = json.loads(harness("status", "--json", "--failed").stdout)["cells"]
    assert (state["state"], state["failed_attempt"]["status"]) == ("ok", "timeout")
    assert "1 of 1 ok" in harness("status").stdout
    assert "I-AUROC" in harness("tables").stdout

    plain = run()
    assert plain.returncode == 0
    assert "Nothing to do" in plain.stderr
    assert "1 cell went wrong when measured again" in plain.stderr
    assert store.read_failed(record.cell) == attempt

    again = run("--rerun", "failed")
    assert again.returncode == 0
    assert store.read_failed(record.cell) is None
    assert store.all()[0].status == "ok"
    assert store.path(record.cell).read_bytes() != kept[store.path(record.cell)]
    assert "went wrong" not in run().stderr


@pytest.mark.parametrize("stage", ["_peak", "_record", "_maps"])
def test_an_attempt_that_ends_late_leaves_counts_and_maps_of_before(
    tiny_mvtec: Path, tmp_path: Path, monkeypatch, stage
):
    where = {"dataset": "mvtec3d", "data": tiny_mvtec, "categories": ("bagel",), "shots": (5,), "preset": "quick"}
    selection = Selection((f"{PLUGIN / 'colour_distance.py'}:ColourDistance",), **where)
    store = Store(tmp_path / "results")
    (job,) = placed_jobs(make_plan(selection, store), save_maps=True)
    job = job.on("cpu")
    written = {store.counts_path(job.cell): b"counts of before", store.maps_path(job.cell): b"maps of before"}
    for path, content in written.items():
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    before = replace(make_record(), cell=job.cell)
    store.write(before)

    def broken(*arguments: object, **keywords: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(CellRun, stage, broken)
    with pytest.raises(KeyboardInterrupt):
        next(run_cells(job, EventWriter(io.StringIO())))
    assert store.all() == [before]
    assert {path: path.read_bytes() for path in written} == written


def test_of_failed_attempts_the_last_is_kept_and_a_failed_cell_has_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    failed = make_record(status="oom", reason="full", created="2026-02-01T00:00:00+00:00")
    store.write(failed)
    assert (store.all(), store.all_failed()) == ([failed], [])
    ok = make_record(created="2026-03-01T00:00:00+00:00")
    store.write(ok)
    assert (store.all(), store.all_failed()) == ([ok], [])
    for status in ("timeout", "killed", "unsupported", "failed"):
        later = make_record(status=status, reason="again", created="2026-04-01T00:00:00+00:00")
        assert store.write(later) == store.failed_path(ok.cell)
        assert (store.all(), store.all_failed(), store.read(ok.cell)) == ([ok], [later], ok)
    store.failed_path(ok.cell).write_text("{", encoding="utf-8")
    store.write(later)
    assert store.all_failed() == [later]
    other = Store(tmp_path / "other")
    other.write(make_record("cfm-t"))
    both = open_store([other.folder, store.folder])
    assert (len(both.all()), both.all_failed()) == (2, [later])


def test_a_damaged_record_is_moved_aside_when_its_cell_runs(run, tmp_path: Path) -> None:
    assert run().returncode == 0
    store = Store(tmp_path / "results")
    (record,) = store.all()
    store.path(record.cell).write_bytes(b"{ damaged")
    dry = run("--dry-run")
    assert (dry.returncode, "1 of 1 cells to run" in dry.stdout, dry.stderr.count("left out")) == (0, True, 1)
    again = run()
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("left out") == 1
    assert store.all()[0].cell == record.cell
    assert [path.read_bytes() for path in (store.folder / "aside").iterdir()] == [b"{ damaged"]
