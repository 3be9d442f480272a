"""Cells score nominal samples that they are not fitted on, and keep the scores."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from samples import no_progress, write_sample

from harness.data.folder import FolderDataset
from harness.data.open import open_dataset
from harness.data.splits import load_split
from harness.files.imports import import_class
from harness.running.verdicts import decision_rule
from harness.store.decisions import Decisions
from harness.store.details import read_details
from harness.store.fitted import read_nominal
from harness.store.nominal import NominalScores
from harness.store.store import Store

PLUGIN = Path(__file__).parents[1] / "plugin"


@pytest.fixture
def data(tiny_mvtec: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_mvtec, tmp_path / "parts"))


@pytest.fixture
def run(harness, data: Path, tmp_path: Path):
    def call(dataset: str, shots: str, *more: str, method: str = "colour-distance") -> tuple[Store, NominalScores]:
        where = ("--dataset", dataset, "--data", data, "--categories", "bagel", "--shots", shots)
        outcome = harness("run", "--methods", method, *where, "--preset", "quick", *more)
        assert outcome.returncode == 0, outcome.stderr
        store = Store(tmp_path / "results")
        (record,) = store.all()
        return store, read_details(store, record).nominal

    return call


def test_those_of_the_validation_split_come_first(run, data: Path, monkeypatch) -> None:
    for index in range(3):
        write_sample(data / "bagel" / "validation", f"{index:03d}", 50 + index, "good")
    store, nominal = run("mvtec3d", "3", "--save-fitted", method="calibrated[by=training]")
    assert nominal.ids == tuple(f"validation/good/{index:03d}" for index in range(3))
    assert nominal.source == "validation samples"
    (record,) = store.all()
    assert record.content.nominal
    assert read_nominal(store.fitted_path(record.cell)) == nominal
    monkeypatch.syspath_prepend(PLUGIN)
    method = import_class(f"{PLUGIN / 'calibrated.py'}:Calibrated").type(by="training")
    dataset = open_dataset("mvtec3d", data)
    train, validation = (
        [dataset.load(ref).blind() for ref in dataset.refs("bagel", split)] for split in ("train", "validation")
    )
    method.fit(train[:3], seed=0, device="cpu", progress=no_progress)
    scores = [method.infer(method.prepare(sample)).score for sample in validation]
    assert nominal.scores == pytest.approx(scores)


def test_it_says_where_fit_also_read_them(run, data: Path) -> None:
    write_sample(data / "bagel" / "validation", "000", 50, "good")
    _, nominal = run("mvtec3d", "3", method="calibrated")
    assert nominal.source == "validation samples (which fit also read)"
    assert decision_rule(nominal).meaning.startswith("At least 50% of good parts")


def test_else_training_samples_that_the_shots_leave_out(run) -> None:
    _, nominal = run("mvtec3d", "3")
    assert nominal.ids == ("train/good/003", "train/good/004")
    assert "shots leave out" in nominal.source


def test_published_data_without_a_validation_split_keep_their_training_samples(run, data: Path) -> None:
    for index in range(15):
        write_sample(data / "bagel" / "train", f"9{index:02d}", 70 + index, "good")
    store, nominal = run("mvtec3d", "full")
    (record,) = store.all()
    assert (nominal, record.samples.train, record.content.nominal) == (NominalScores(), 20, "")


def test_a_tenth_of_own_data_is_held_out(run, data: Path) -> None:
    for index in range(15):
        write_sample(data / "bagel" / "train", f"9{index:02d}", 70 + index, "good")
    store, nominal = run("folder", "full")
    (record,) = store.all()
    assert record.samples.train == 18
    assert "held out" in nominal.source
    dataset: FolderDataset = open_dataset("folder", data)
    fitted = load_split(dataset, "bagel", "full", "first").ids
    assert sorted((*fitted, *nominal.ids)) == [ref.id for ref in dataset.refs("bagel", "train")]


def test_the_record_has_what_thresholds_decide(run) -> None:
    store, nominal = run("mvtec3d", "3")
    (record,) = store.all()
    images = read_details(store, record).images
    assert record.decisions == Decisions.of(nominal, images, record.cell.seed)
    assert record.decisions.nominal == 2
    assert record.decisions.points["5"].attainable == pytest.approx(1 / 3)


def test_a_record_says_why_it_has_no_thresholds(run) -> None:
    store, _ = run("mvtec3d", "5")
    (record,) = store.all()
    assert not record.decisions.points
    assert "--shots" in record.decisions.reason
