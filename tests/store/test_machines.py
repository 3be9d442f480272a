"""Records of one cell on several machines: side by side on disk, each in its own table of speed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report_records import make_record

from harness.measure.environment import describe, describe_torch, machine_of
from harness.report.tables import TableRequest, measured_grids
from harness.store.environment import Environment
from harness.store.record import Record
from harness.store.several import open_store
from harness.store.store import Store

A = Environment(cpu="CPU A", cores=2, threads=2, device="cpu", device_name="CPU A")
B = replace(A, cpu="CPU B", device_name="CPU B")


def on(environment: Environment, method: str = "cfm", day: int = 1, **changes) -> Record:
    record = make_record(method, **changes)
    return replace(record, environment=environment, created=f"2026-01-{day:02d}T00:00:00+00:00")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Cells of two methods on machine A, one of them on machine B, too."""
    store = Store(tmp_path / "results")
    store.write(on(A, day=1))
    store.write(on(A, "btf", day=1))
    store.on(B.machine).write(on(B, day=2, latency={"device": {"median_ms": 10.0}}))
    return store.folder


def test_records_of_two_machines_lie_side_by_side(folder: Path):
    store = open_store([folder])
    records = store.all()
    assert [record.cell.method for record in records] == ["btf", "cfm"]
    assert [record.environment for record in records] == [A, B]
    assert [(record.cell.method, record.environment) for record in store.elsewhere] == [("cfm", A)]
    assert Store(folder).read(records[1].cell) == store.elsewhere[0]
    assert Path("machines") in store.path(records[1].cell).relative_to(folder).parents
    assert len(store.folders_read) == 2


def test_each_record_of_a_cell_has_the_store_that_it_lies_in(folder: Path):
    store = open_store([folder])
    ran = {record.environment.cpu: store.home(record) for record in (*store.all(), *store.elsewhere)}
    assert ran["CPU A"].path(store.elsewhere[0].cell) == Store(folder).path(store.elsewhere[0].cell)
    assert ran["CPU B"].folder == Store(folder).on(B.machine).folder
    assert Store(folder).home(store.elsewhere[0]).folder == folder


@pytest.mark.parametrize("table", ["timing", "memory", "costs", "5"])
def test_a_table_of_speed_is_about_one_machine(folder: Path, table: str):
    store = open_store([folder])
    grids = measured_grids(store.all(), None, TableRequest(tables=(table,)), None, store.elsewhere)
    machines = [grid.keys["machine"] for grid in grids]
    assert machines == ["CPU A, 2 cores, 2 threads", "CPU B, 2 cores, 2 threads"]
    for grid, methods in zip(grids, ({"btf", "cfm"}, {"cfm"}), strict=True):
        assert grid.title.endswith(f", on {grid.keys['machine']}")
        assert {row.keys["method"] for row in grid.rows} == methods


def test_tables_of_accuracy_are_about_all_machines(folder: Path):
    store = open_store([folder])
    grids = measured_grids(store.all(), None, TableRequest(tables=("accuracy",)), None, store.elsewhere)
    assert [len(grid.rows) for grid in grids] == [2]
    assert "machine" not in grids[0].keys


def test_one_machine_is_named_in_no_title(tmp_path: Path):
    grids = measured_grids([on(A)], None, TableRequest(tables=("timing",)))
    assert [grid.title for grid in grids] == [
        "Timing: MVTec 3D-AD, all training samples, preset paper, pretrained weights"
    ]


def test_several_folders_are_read_with_their_machines(folder: Path, tmp_path: Path):
    other = Store(tmp_path / "other")
    other.write(on(replace(A, cores=64), day=3))
    store = open_store([folder, other.folder])
    assert [record.environment.cores for record in store.all()] == [2, 64]
    assert [record.environment.cpu for record in store.elsewhere] == ["CPU B", "CPU A"]


def test_what_lies_beside_a_record_lies_in_the_folder_of_the_record_that_counts(folder: Path, tmp_path: Path):
    newer = Store(tmp_path / "newer")
    record = on(A, day=5)
    newer.write(record)
    newer.write(replace(record, status="failed", reason="it broke"))
    store, cell = open_store([folder, newer.folder]), record.cell
    assert record in store.all()
    for name in ("path", "failed_path", "counts_path", "maps_path"):
        assert getattr(store, name)(cell) == getattr(newer, name)(cell)
    assert (store.read(cell), [one.status for one in store.all_failed()]) == (record, ["failed"])
    assert open_store([newer.folder, folder]).path(cell) == newer.path(cell)


def test_the_machine_of_a_device_is_known_before_it_is_used(monkeypatch: pytest.MonkeyPatch):
    assert machine_of("cpu") == describe_torch(describe(device="cpu"), "cpu").machine != ""
    assert machine_of("cuda:0") == ""
