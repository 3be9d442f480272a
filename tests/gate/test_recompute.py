"""Numbers computed again from what a cell keeps: equal where nothing was changed, named where something was."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from count_records import keep_counts

from harness.gate.recompute import Recomputed, recompute
from harness.metrics import METRICS, evaluate_by_defect
from harness.store.decisions import Decisions
from harness.store.details import read_counts, read_details, write_details
from harness.store.nominal import NominalScores
from harness.store.record import Record, TestImages
from harness.store.store import Store

HISTORIC = Path(__file__).parents[1] / "historic"
DEFECTS = ["good"] * 4 + ["hole"] * 4 + ["crack"] * 4


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def record(store: Store) -> Record:
    """A record whose numbers are those of the counts beside it."""
    rng = np.random.default_rng(1)
    masks = np.zeros((12, 48, 48), bool)
    masks[4:, 10:20, 16:30] = True
    maps = rng.normal(size=masks.shape).astype(np.float32) + 1.5 * masks
    scores = maps.max(axis=(1, 2))
    labels = [int(name != "good") for name in DEFECTS]
    by_defect = evaluate_by_defect(maps, masks, labels, scores, DEFECTS)
    return keep_counts(store, maps, masks, scores, defects=DEFECTS, by_defect=by_defect)


def test_numbers_that_were_measured_are_confirmed(store: Store, record: Record) -> None:
    assert recompute(store, record, None) == Recomputed(record)


def test_decisions_that_were_changed_are_named(store: Store, record: Record) -> None:
    details = read_details(store, record)
    nominal = NominalScores(("a", "b", "c"), (1.0, 2.0, 3.0), "validation samples")
    path = store.counts_path(record.cell)
    kept = write_details(path, replace(details, nominal=nominal), read_counts(store, record))
    honest = replace(record, details=kept, decisions=Decisions.of(nominal, details.images, record.cell.seed))
    assert recompute(store, honest, None) == Recomputed(honest)
    others = NominalScores(("a", "b", "c"), (1.0, 2.0, 9.0), "validation samples")
    differs = recompute(store, replace(honest, decisions=Decisions.of(others, details.images, 0)), None).differs
    assert any("threshold at 1%" in clause for clause in differs)
    assert any(clause.startswith("missed_1 is ") for clause in differs)
    without = recompute(store, replace(record, decisions=honest.decisions, details=""), None)
    assert not without.confirmed


def test_numbers_of_earlier_records_are_confirmed() -> None:
    store = Store(HISTORIC)
    results = [recompute(store, record, None) for record in store.all() if record.status == "ok"]
    assert len(results) == 4
    assert all(result.confirmed for result in results)


@pytest.mark.parametrize("name", METRICS)
def test_each_metric_that_was_changed_is_named(store: Store, record: Record, name: str) -> None:
    claimed = record.metrics[name]
    assert claimed is not None
    for value in (claimed - 0.002, None):
        result = recompute(store, replace(record, metrics={**record.metrics, name: value}), None)
        assert len(result.differs) == 1
        assert result.differs[0].startswith(f"{name} is ")
        assert not result.confirmed
    of_hole = {**record.by_defect["hole"], name: (record.by_defect["hole"][name] or 0) - 0.01}
    (told,) = recompute(store, replace(record, by_defect={**record.by_defect, "hole": of_hole}), None).differs
    assert told.startswith(f"{name} of hole is ")


def test_images_times_and_defects_that_were_changed_are_named(store: Store, record: Record) -> None:
    def told(**changes: object) -> str:
        (clause,) = recompute(store, replace(record, **changes), None).differs
        return clause

    assert "test images" in told(test_images=TestImages("0123", record.test_images.defects))
    assert "13 test samples" in told(samples=replace(record.samples, test=13))
    device = replace(record.latency.device, median_ms=1.0)
    assert told(latency=replace(record.latency, device=device)).startswith("device_median_ms is 1.0")
    assert "hole is not in the record" in told(by_defect={"crack": record.by_defect["crack"]})
    assert "dent is in the record alone" in told(by_defect={**record.by_defect, "dent": {}})


def test_without_counts_of_its_own_nothing_is_confirmed(store: Store, record: Record) -> None:
    path = store.counts_path(record.cell)
    (told,) = recompute(store, replace(record, details="0" * 64), None).missing
    assert "another run" in told
    path.write_bytes(path.read_bytes()[:100])
    (told,) = recompute(store, record, None).missing
    assert "damaged" in told
    path.unlink()
    (told,) = recompute(Store(store.folder), record, None).missing
    assert told == "no counts are stored with it"


def test_the_command_line_on_a_real_run(harness, tiny_mvtec: Path, tmp_path: Path) -> None:
    where = ("--dataset", "mvtec3d", "--data", tiny_mvtec, "--shots", "5", "--preset", "quick", "--save-maps")
    assert harness("run", "--methods", "colour-distance", *where).returncode == 0
    whole = harness("status", "--verify", "--data", tiny_mvtec)
    assert whole.stdout == "2 of 2 records have the numbers that what they keep gives, of 2 from their maps, too\n"
    assert (whole.returncode, whole.stderr) == (0, "")
    without = harness("status", "--verify", "--json")
    assert without.returncode == 3
    assert all("maps are not compared" in cell["missing"][0] for cell in json.loads(without.stdout)["cells"])

    store = Store(tmp_path / "results")
    first, second = store.all()
    path = store.path(first.cell)
    store.write(replace(first, metrics={**first.metrics, "aupro_1": 0.123}))
    lie = harness("status", "--verify", "--data", tiny_mvtec)
    assert (lie.returncode, lie.stderr) == (3, "")
    lines = lie.stdout.splitlines()
    assert [line.partition(": ")[2].partition(" and")[0] for line in lines[:2]] == [
        "aupro_1 is 0.123000,",
        "aupro_1 of its maps is 0.123000,",
    ]
    assert lines[2].startswith("1 of 2 records")
    assert path.name.startswith(first.cell.method)
    other = store.on("another machine")
    shutil.copytree(store.folder / "counts", other.folder / "counts")
    faster = replace(first.environment, device_name="another", cpu="another")
    other.write(replace(first, environment=faster, metrics={**first.metrics, "aupro_1": 0.456}))
    both = json.loads(harness("status", "--verify", "--json").stdout)["cells"]
    assert sum("aupro_1 is" in clause for cell in both for clause in cell["differs"]) == 2, "of both machines"
    shutil.rmtree(other.folder)
    store.path(first.cell).unlink()
    store.maps_path(second.cell).unlink()
    assert harness("status", "--verify").returncode == 0
    store.path(second.cell).unlink()
    assert harness("status", "--verify").returncode == 6
    assert harness("status", "--verify", "--failed").returncode == 2
