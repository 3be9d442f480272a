"""Merged folders: which record counts, what lies beside it, and that nothing is lost or changed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from merging_folders import (
    FEWER,
    HISTORIC,
    UNKNOWN,
    A,
    B,
    files_beside,
    measured,
    ok_records,
    on,
    records_below,
    store_with,
    tree,
)
from report_records import make_record

from harness.report.tables import TableRequest, measured_grids
from harness.store.details import read_counts
from harness.store.fitted import read_cell, save_fitted
from harness.store.maps import kept_maps
from harness.store.merging import merge_folders
from harness.store.record import Record, decode_record
from harness.store.several import open_store
from harness.store.store import Store


def test_a_record_comes_with_all_that_belongs_to_it(tmp_path: Path):
    a, b, to = (tmp_path / name for name in "abc")
    first, second = measured(a), measured(b, method="btf")
    merged = merge_folders([a, b], to)
    assert (merged.copied, merged.conflicts, merged.warnings) == (2, [], ())
    assert sorted(Store(to).all(), key=lambda record: record.cell.method) == [second, first]
    for folder, record in ((a, first), (b, second)):
        assert files_beside(to, record) == files_beside(folder, record)
        assert read_counts(Store(to), record) is not None
        assert kept_maps(Store(to), record) is not None


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_the_newest_ok_record_counts_and_the_other_is_listed_with_what_differs(tmp_path: Path, order: str):
    a, b, to = (tmp_path / name for name in "abc")
    older, newer = measured(a, 1, seed=1), measured(b, 2, seed=2)
    merged = merge_folders([tmp_path / name for name in order], to)
    (conflict,) = merged.conflicts
    assert (conflict.won, conflict.lost) == (Store(b).path(newer.cell), Store(a).path(older.cell))
    assert conflict.moved_to is None
    assert f"created {newer.created} and {older.created}" in conflict.differs
    assert any(clause.startswith("p_auroc ") for clause in conflict.differs)
    assert Store(to).all() == [newer]
    assert files_beside(to, newer) == files_beside(b, newer)


def test_a_failed_record_never_takes_the_place_of_an_ok_one_and_is_kept_as_the_attempt_after_it(tmp_path: Path):
    ok, failed = on(A, 1), on(A, 2, status="oom", reason="full")
    a, b, to = store_with(tmp_path / "a", ok), store_with(tmp_path / "b", failed), tmp_path / "c"
    assert merge_folders([b, a], to).conflicts == []
    assert (Store(to).all(), Store(to).all_failed()) == ([ok], [failed])
    later = on(A, 3)
    merged = merge_folders([store_with(tmp_path / "d", later)], to)
    assert (Store(to).all(), Store(to).all_failed()) == ([later], [])
    assert {conflict.moved_to is not None for conflict in merged.conflicts} == {True}
    assert all("status ok and oom" in c.differs for c in merged.conflicts if "failed" in c.lost.parts)
    (aside,) = (to / "aside").iterdir()
    assert (Store(aside).all(), Store(aside).all_failed()) == ([ok], [failed])


def test_what_gives_way_in_the_folder_lies_in_a_folder_that_can_be_read(tmp_path: Path):
    to, newer = tmp_path / "c", tmp_path / "new"
    old, new = measured(to, 1, seed=1), measured(newer, 2, seed=2)
    before = files_beside(to, old)
    (conflict,) = merge_folders([newer, to], to).conflicts
    assert Store(to).all() == [new]
    assert files_beside(to, new) == files_beside(newer, new)
    (aside,) = (to / "aside").iterdir()
    assert (conflict.lost, conflict.moved_to) == (Store(to).path(old.cell), Store(aside).path(old.cell))
    assert Store(aside).all() == [old]
    assert files_beside(aside, old) == before


def test_maps_of_an_earlier_run_do_not_stay_beside_the_numbers_of_a_later_one(tmp_path: Path):
    to = tmp_path / "c"
    old = measured(to, 1, seed=1)
    merge_folders([store_with(tmp_path / "new", on(A, 2))], to)
    assert kept_maps(Store(to), old) is None
    (aside,) = (to / "aside").iterdir()
    assert kept_maps(Store(aside), old) is not None


def test_what_a_record_lacks_comes_from_another_folder_with_the_same_record(tmp_path: Path):
    a, b, to = (tmp_path / name for name in "abc")
    record = measured(a)
    shutil.copytree(a, b)
    shutil.rmtree(a / "maps")
    shutil.rmtree(b / "counts")
    assert merge_folders([a], to).copied == 1
    merged = merge_folders([a, b], to)
    assert (merged.copied, merged.completed, merged.conflicts) == (0, 1, [])
    assert read_counts(Store(to), record) is not None
    assert kept_maps(Store(to), record) is not None
    assert merge_folders([a, b], to).present == 1


def test_two_folders_that_differ_in_hardware_alone_have_two_rows_and_no_mean_over_both(tmp_path: Path):
    cells = [("cfm", category) for category in ("bagel", "foam")]
    for name, environment, ms in (("a", A, 40.0), ("b", B, 10.0)):
        records = (make_record(*cell, latency={"device": {"median_ms": ms}}) for cell in cells)
        store_with(tmp_path / name, *(replace(record, environment=environment) for record in records))
    merged = merge_folders([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    assert (merged.copied, merged.conflicts, len(merged.side_by_side)) == (4, [], 2)
    for folders in ([tmp_path / "c"], [tmp_path / "a", tmp_path / "b"]):
        store = open_store(folders)
        request = TableRequest(tables=("timing",))
        grids = measured_grids(store.all(), None, request, None, store.elsewhere)
        means = {grid.keys["machine"]: [row.values[0].number for row in grid.rows] for grid in grids}
        assert means == {"CPU A, 2 cores, 2 threads": [40.0], "CPU B, 2 cores, 2 threads": [10.0]}


def test_accuracy_is_of_one_machine_where_one_has_all_cells(tmp_path: Path):
    a, b = tmp_path / "a", tmp_path / "b"
    store_with(a, on(A, 1), on(A, 5, category="foam", shift=0.002), on(A, 1, category="rope"))
    store_with(b, on(B, 3), on(B, 2, category="foam", shift=0.005))
    merge_folders([a, b], tmp_path / "c")
    for folders in ([tmp_path / "c"], [a, b], [b, a]):
        store = open_store(folders)
        assert {record.environment.cpu for record in store.all()} == {"CPU A"}
        assert {record.environment.cpu for record in store.elsewhere} == {"CPU B"}
        wanted = open_store(folders, "cpu b")
        assert [record.environment.cpu for record in wanted.all()] == ["CPU B", "CPU B", "CPU A"]


def test_threads_and_unknown_hardware_have_places_of_their_own(tmp_path: Path):
    environments = (A, FEWER, B, UNKNOWN, replace(A, threads=None))
    folders = [store_with(tmp_path / str(n), on(one, n + 1)) for n, one in enumerate(environments)]
    to = tmp_path / "to"
    assert merge_folders(folders, to).copied == len(environments)
    store = open_store([to])
    records = [*store.all(), *store.elsewhere]
    assert {record.environment.hardware for record in records} == {one.hardware for one in environments}
    assert len(store.folders_read) == len(environments)
    assert merge_folders(folders[::-1], to).present == len(environments)


def test_a_record_of_an_earlier_schema_is_copied_as_it_is(tmp_path: Path):
    content = next(HISTORIC.rglob("*.json")).read_bytes()
    record = decode_record(content)
    path = Store(tmp_path / "a").path(record.cell)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert merge_folders([tmp_path / "a"], tmp_path / "c").copied == 1
    assert Store(tmp_path / "c").path(record.cell).read_bytes() == content


class Fitted:
    """A method whose state is one number."""

    def __init__(self, value: float) -> None:
        self.value = value

    def state(self) -> dict[str, np.ndarray]:
        return {"value": np.array([self.value])}

    def restore(self, state, *, seed, device) -> None:
        self.value = float(state["value"][0])


def test_a_fitted_method_is_the_cells_and_comes_from_the_record_that_counts_where_that_has_one(tmp_path: Path):
    a, b = tmp_path / "a", tmp_path / "b"
    older, newer = measured(a, 1, seed=1), measured(b, 2, seed=2)
    path, cell = Store(a).fitted_path(older.cell), older.cell
    save_fitted(path, Fitted(1.0), cell)
    merge_folders([b, a], tmp_path / "c")
    assert Store(tmp_path / "c").all() == [newer]
    assert Store(tmp_path / "c").fitted_path(cell).read_bytes() == path.read_bytes()
    save_fitted(Store(b).fitted_path(cell), Fitted(2.0), cell)
    merge_folders([a, b], tmp_path / "d")
    assert read_cell(Store(tmp_path / "d").fitted_path(cell)) == cell
    assert Store(tmp_path / "d").fitted_path(cell).read_bytes() == Store(b).fitted_path(cell).read_bytes()
    merge_folders([b], a)
    assert Store(a).fitted_path(cell).read_bytes() == Store(b).fitted_path(cell).read_bytes()
    (aside,) = (a / "aside").iterdir()
    assert Store(aside).fitted_path(cell).exists()
    save_fitted(Store(b).fitted_path(cell), Fitted(2.0), make_record("ast").cell)
    assert [file.why for file in merge_folders([b], tmp_path / "e").left_out] == [
        "it holds a method that was fitted for another cell"
    ]


RECORDS = st.builds(
    lambda environment, number, method, category, status: on(
        environment, number, method, category=category, **({"status": status} if status != "ok" else {})
    ),
    st.sampled_from([A, B, FEWER, UNKNOWN]),
    st.integers(1, 9),
    st.sampled_from(["cfm", "btf"]),
    st.sampled_from(["bagel", "foam"]),
    st.sampled_from(["ok", "ok", "ok", "oom"]),
)
FOLDERS = st.lists(st.lists(RECORDS, max_size=5), min_size=2, max_size=4)
NUMBERS = count()


def write_folders(root: Path, contents: list[list[Record]]) -> list[Path]:
    """Write results folders in which no two records are equal, so that a mix-up shows."""
    folders = [root / str(index) for index in range(len(contents))]
    for folder, records in zip(folders, contents, strict=True):
        (folder / "cells").mkdir(parents=True)
        store_with(folder, *(replace(record, notes=(str(next(NUMBERS)),)) for record in records))
    return folders


@settings(max_examples=60)
@given(FOLDERS)
def test_a_merged_folder_is_read_like_the_folders_that_it_is_of(tmp_path_factory, contents):
    root = tmp_path_factory.mktemp("merged")
    folders, to = write_folders(root, contents), root / "to"
    before = [tree(folder) for folder in folders]
    merged = merge_folders(folders, to)
    assert [tree(folder) for folder in folders] == before
    assert merged.warnings == ()
    assert ok_records([to]) == ok_records(folders)
    chosen = [
        [(record.cell.id, record.status, record.created) for record in open_store(read).all()]
        for read in ([to], folders)
    ]
    assert chosen[0] == chosen[1]
    read = [*records_below(to).values()]
    lost = {conflict.lost for conflict in merged.conflicts}
    for folder in folders:
        for path, record in records_below(folder).items():
            assert (record in read) != (folder / path in lost), "it is there, or it is listed"
    after = tree(to)
    again = merge_folders(folders, to)
    assert (again.copied, again.completed, again.conflicts, tree(to)) == (0, 0, merged.conflicts, after)


def test_a_merge_that_is_repeated_lists_the_same_conflicts(tmp_path):
    failed = on(FEWER, 3, status="oom")
    contents = [[on(B, 4)], [on(B, 2), failed], [on(A, 3)], [on(FEWER, 3)]]
    folders = write_folders(tmp_path, contents)
    first = merge_folders(folders, tmp_path / "to").conflicts
    assert {conflict.lost.parent.name for conflict in first} == {"cells", "failed"}
    assert merge_folders(folders, tmp_path / "to").conflicts == first


@settings(max_examples=60)
@given(FOLDERS)
def test_folders_merged_one_after_the_other_give_the_same_and_lose_nothing(tmp_path_factory, contents):
    root = tmp_path_factory.mktemp("merged")
    folders, to = write_folders(root, contents), root / "to"
    shutil.copytree(folders[0], to)
    present = [*records_below(to).values()]
    for folder in folders[1:]:
        merge_folders([folder], to)
        now = [*records_below(to).values()]
        assert all(record in now for record in present)
        present = now
    assert ok_records([to]) == ok_records(folders)
