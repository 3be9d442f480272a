"""Counts that a cell leaves beside its record."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.metrics import METRICS
from harness.store.details import read_counts
from harness.store.store import Store


def run(harness, tiny_mvtec, *more):
    where = ["--dataset", "mvtec3d", "--data", tiny_mvtec, "--categories", "bagel", "--shots", "5", "--preset", "quick"]
    return harness("run", "--methods", "colour-distance", *where, "--device", "cpu", *more)


def test_every_ok_cell_leaves_counts_that_give_its_metrics(harness, tiny_mvtec: Path, tmp_path: Path) -> None:
    outcome = run(harness, tiny_mvtec)
    assert outcome.returncode == 0, outcome.stderr
    store = Store(tmp_path / "results")
    (record,) = store.all()
    counts = read_counts(store, record)
    assert counts is not None
    values = counts.evaluate()
    assert {name: values[name][0] for name in METRICS} == pytest.approx(dict(record.metrics), abs=0.001)
    assert not any("counts" in note for note in record.notes)

    path = store.counts_path(record.cell)
    path.write_bytes(b"left over")
    assert run(harness, tiny_mvtec, "--rerun", "all").returncode == 0
    (again,) = store.all()
    assert read_counts(store, again) is not None


def test_a_cell_whose_counts_cannot_be_written_is_ok_with_a_note(harness, tiny_mvtec: Path, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "counts").write_text("in the way")
    outcome = run(harness, tiny_mvtec)
    assert outcome.returncode == 0, outcome.stderr
    store = Store(tmp_path / "results")
    (record,) = store.all()
    assert record.status == "ok"
    assert [note for note in record.notes if "counts were not written" in note]
    assert read_counts(store, record) is None
