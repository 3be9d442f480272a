"""Identity of cells, and records on disk."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cell import Cell
from harness.errors import PrerequisiteError, UsageError
from harness.files.digest import canonical_json, digest, seed_from
from harness.protocol import LatencyBudget, Protocol
from harness.report.frame import records_frame
from harness.store.measurements import Latency, LatencyWindow, Memory, Size
from harness.store.record import Record
from harness.store.store import Store

CELL = Cell(
    method="cfm",
    parameters={"epochs": 250, "lr": 1e-3},
    given={},
    dataset="toy",
    category="bump",
    data_digest="d",
    shots=10,
    split="first",
    split_digest="s",
    protocol=Protocol(),
)


def test_everything_that_can_change_a_result_changes_the_id() -> None:
    changed = [
        replace(CELL, method="cfm-t"),
        replace(CELL, parameters={"epochs": 50, "lr": 1e-3}),
        replace(CELL, dataset="mvtec3d"),
        replace(CELL, category="ridge"),
        replace(CELL, data_digest="e"),
        replace(CELL, shots=5),
        replace(CELL, split="0"),
        replace(CELL, split_digest="t"),
        replace(CELL, checkpoint="c"),
        replace(CELL, weights={"pretrain.pth": "00"}),
        replace(CELL, protocol=Protocol(weights="random")),
        replace(CELL, protocol=Protocol(latency=LatencyBudget(warmups=1))),
    ]
    ids = {cell.id for cell in changed} | {CELL.id}
    assert len(ids) == len(changed) + 1


def test_the_way_parameters_were_named_does_not_change_the_id() -> None:
    named = replace(CELL, given={"epochs": 250})
    assert named.id == CELL.id
    assert (CELL.label, named.label) == ("cfm", "cfm[epochs=250]")


def test_cells_survive_json() -> None:
    assert Cell.from_json(json.loads(json.dumps(CELL.to_json()))) == CELL
    with pytest.raises(UsageError, match="another version"):
        Cell.from_json(CELL.to_json() | {"new": 1})


def test_long_names_are_cut_and_cells_keep_names_of_their_own() -> None:
    long, other = (replace(CELL, category="c" * 300 + end) for end in ("", "d"))
    assert long.stem == f"cfm--toy--{'c' * 190}--{long.id}"
    assert other.stem == f"cfm--toy--{'c' * 190}--{other.id}"
    assert other.id != long.id


def test_seeds_are_shared_by_methods_and_differ_between_splits() -> None:
    assert replace(CELL, method="cfm-t", parameters={}).seed == CELL.seed
    assert replace(CELL, split="1").seed != CELL.seed


values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(values, values)
def test_digests_are_equal_exactly_where_values_are(first, second) -> None:
    assert (digest(first) == digest(second)) == (canonical_json(first) == canonical_json(second))
    assert json.loads(canonical_json(first)) == first
    assert 0 <= seed_from(first, 1) < 2**31


def test_records_survive_the_store(tmp_path) -> None:
    store = Store(tmp_path)
    record = Record(
        cell=CELL, status="ok", metrics={"i_auroc": 0.5, "p_auroc": None}, notes=("a",), created="2026-01-01"
    )
    path = store.write(record)
    assert store.read(CELL) == record
    assert store.all() == [record]
    assert [p.name for p in store.cells.iterdir()] == [path.name]
    assert store.read(replace(CELL, shots=5)) is None


def test_an_attempt_that_goes_wrong_lies_beside_the_ok_record_until_the_next_ok_one(tmp_path) -> None:
    store = Store(tmp_path)
    first, wrong, second = (
        Record(cell=CELL, status=status, reason=reason, created=f"2026-01-0{day}")
        for day, (status, reason) in enumerate((("ok", ""), ("failed", "it broke"), ("ok", "")), start=1)
    )
    store.write(first)
    assert store.all_failed() == []
    store.write(wrong)
    assert (store.all(), store.all_failed(), store.read_failed(CELL)) == ([first], [wrong], wrong)
    store.write(second)
    assert (store.all(), store.all_failed(), store.read_failed(CELL)) == ([second], [], None)


def test_what_is_kept_beside_a_record_has_the_name_of_its_cell(tmp_path) -> None:
    store = Store(tmp_path)
    paths = (store.path, store.failed_path, store.fitted_path, store.counts_path, store.maps_path)
    places = ("cells/{}.json", "failed/{}.json", "fitted/{}.safetensors", "counts/{}.npz", "maps/{}.npz")
    assert [path(CELL) for path in paths] == [tmp_path / place.format(CELL.stem) for place in places]


def test_records_as_a_table() -> None:
    memory = Memory(static=Size(5.0, "x"), paper_mb=2.0)
    latency = Latency(LatencyWindow(median_ms=3.0))
    measured = Record(cell=CELL, status="ok", metrics={"i_auroc": 0.5}, latency=latency, memory=memory)
    frame = records_frame([measured, Record(cell=replace(CELL, category="ridge"), status="failed", reason="x")])
    assert list(frame["category"]) == ["bump", "ridge"]
    assert frame.loc[0, ["i_auroc", "device_median_ms", "static_mb", "memory_mb"]].tolist() == [0.5, 3.0, 5.0, 2.0]
    assert frame.loc[1, ["i_auroc", "device_median_ms"]].isna().all()


def test_a_failed_write_leaves_the_old_record(tmp_path) -> None:
    store = Store(tmp_path)
    store.write(Record(cell=CELL, status="ok", created="2025-01-01"))
    with pytest.raises(ValueError):
        store.write(Record(cell=CELL, status="ok", metrics={"i_auroc": float("nan")}))
    assert store.read(CELL).created == "2025-01-01"
    assert len(list(store.cells.iterdir())) == 1


@pytest.mark.parametrize(("free", "refused"), [(15_999_999, True), (16_000_000, False)])
def test_a_disk_that_is_almost_full_is_refused_before_any_work(tmp_path, monkeypatch, free, refused) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(PrerequisiteError, match=r"16\.0 MB free, 16 MB needed") if refused else nullcontext():
        Store(tmp_path / "results").ensure_writable()
