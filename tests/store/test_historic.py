"""Records of earlier schemas, as real runs wrote them: nothing that was measured is lost by a change of format."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness.metrics import METRICS
from harness.report.groups import group_records
from harness.report.replicates import bootstrap_cell
from harness.store.details import read_counts, read_details
from harness.store.quantities import quantity
from harness.store.record import TestImages
from harness.store.store import Store

HISTORIC = Path(__file__).parents[1] / "historic"
FILES = sorted((HISTORIC / "cells").glob("*.json"))


@pytest.fixture
def store(tmp_path):
    """A copy that may be written to."""
    shutil.copytree(HISTORIC, tmp_path / "results")
    return Store(tmp_path / "results")


def test_there_are_records_of_several_methods_and_of_a_failure(store):
    records = store.all()
    assert len(records) == len(FILES) >= 5
    assert {record.status for record in records} == {"ok", "timeout"}
    assert {record.cell.method for record in records} >= {"cfm-t", "btf", "ast", "m3dm"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.partition("--")[0])
def test_every_number_is_read(store, path):
    old = json.loads(path.read_text(encoding="utf-8"))
    record = next(record for record in store.all() if record.cell.id == old["id"])
    assert (record.schema, old["schema"]) == (1, 1)
    assert store.path(record.cell).name == path.name
    assert record.metrics == old["metrics"]
    assert record.seconds == old["seconds"]
    for window, values in old["latency"].items():
        for name in ("median", "low", "high", "p95"):
            assert quantity(f"{window}_{name}_ms").number(record) == values.get(f"{name}_ms")
    for name, size in old["memory"].items():
        if isinstance(size, dict) and "mb" in size:
            assert quantity(f"{name}_mb").number(record) == size["mb"]
    assert quantity("memory_mb").number(record) == old["memory"].get("paper_mb")
    assert quantity("energy_j").number(record) is None, "they were measured before energy was"
    assert record.environment.harness == old["environment"]["harness"]
    assert record.environment.packages == old["environment"]["packages"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.partition("--")[0])
def test_scores_raw_times_and_counts_are_read(store, path):
    old = json.loads(path.read_text(encoding="utf-8"))
    record = next(record for record in store.all() if record.cell.id == old["id"])
    details = read_details(store, record)
    scores = [(image["id"], image["defect"], image["label"], image["score"]) for image in old["images"]]
    assert [(image.id, image.defect, image.label, image.score) for image in details.images] == scores
    raw = {window: values["raw_ms"] for window, values in old["latency"].items() if values.get("raw_ms")}
    assert {window: times.tolist() for window, times in details.raw_ms.items()} == raw
    if record.status == "ok":
        assert sum(record.test_images.defects.values()) == len(old["images"])
        counts = read_counts(store, record)
        assert counts is not None
        assert counts.ids == tuple(image.id for image in details.images)
        replicates = bootstrap_cell(store, record, 20)
        assert replicates is not None
        assert set(replicates) == set(METRICS)


def test_a_record_of_an_earlier_schema_is_never_written_again_without_its_scores(store):
    (path, *_) = sorted(store.cells.glob("*.json"))
    before = path.read_bytes()
    for record in store.all():
        with pytest.raises(ValueError, match="schema 1"):
            store.write(record)
    assert path.read_bytes() == before


def test_numbers_of_two_versions_of_the_toy_dataset_are_never_averaged(store):
    (bump,) = (record for record in store.all() if (record.cell.method, record.cell.category) == ("cfm-t", "bump"))
    ridge = replace(bump, cell=replace(bump.cell, category="ridge", data_digest="other"))
    (alone,) = group_records([bump, ridge])
    assert [method.stale for method in alone.methods] == [{}], "records of one version stay what they were"
    counts = {"good": 8, "colour_faint": 2, "colour_plain": 2}
    now = replace(bump, created="2100-01-01T00:00:00+00:00", test_images=TestImages("other", counts))
    for records in ([ridge, now], [bump, ridge, now]):
        (group,) = group_records(records)
        (method,) = group.methods
        assert method.ok == {"bump": now}
        assert "another version of toy" in method.why_missing("ridge")
