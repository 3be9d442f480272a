"""A method that wants validation samples gets them before fit, and its numbers depend on them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from samples import no_progress, write_sample

from harness.data.mvtec3d import MVTec3D
from harness.files.imports import import_class
from harness.store.details import read_details
from harness.store.store import Store

PLUGIN = Path(__file__).parents[1] / "plugin"


@pytest.fixture
def data(tiny_mvtec: Path, tmp_path: Path) -> Path:
    """A category with three validation samples, and one without any."""
    root = Path(shutil.copytree(tiny_mvtec, tmp_path / "data"))
    for index in range(3):
        write_sample(root / "bagel" / "validation", f"{index:03d}", 50 + index, "good")
    return root


@pytest.fixture
def run(harness, data: Path):
    def call(*more: str | Path, method: str = "calibrated", category: str = "bagel", shots: int = 3):
        where = ("--dataset", "mvtec3d", "--data", data, "--categories", category, "--shots", str(shots))
        settings = ("--preset", "quick", "--weights", "random", "--device", "cpu")
        return harness("run", "--methods", method, *where, *settings, *more)

    return call


def test_scores_are_those_of_a_method_that_got_the_validation_samples(
    run, records, data: Path, tmp_path: Path, monkeypatch
) -> None:
    assert run().returncode == 0
    (record,) = records()
    assert record["samples"] == {"train": 3, "test": 6, "validation": 3}
    assert any("3 of 22 validation samples" in note for note in record["notes"])
    monkeypatch.syspath_prepend(PLUGIN)
    method = import_class(f"{PLUGIN / 'calibrated.py'}:Calibrated").type()
    dataset = MVTec3D(data)
    train, validation, test = (
        [dataset.load(ref) for ref in dataset.refs("bagel", split)] for split in ("train", "validation", "test")
    )
    method.use_validation(validation)
    method.fit(train[:3], seed=0, device="cpu", progress=no_progress)
    store = Store(tmp_path / "results")
    found = [image.score for image in read_details(store, store.all()[0]).images]
    assert found == pytest.approx([method.infer(method.prepare(sample)).score for sample in test])
    method.fit(train[:3], seed=0, device="cpu", progress=no_progress)
    assert found[0] != pytest.approx(method.infer(method.prepare(test[0])).score), (
        "validation samples make a difference"
    )


def test_a_changed_validation_sample_makes_all_numbers_stale_that_it_is_part_of(run, records, data: Path) -> None:
    both = "calibrated,colour-distance,calibrated[by=training]"
    assert run(method=both).returncode == 0
    contents = {record["cell"]["parameters"].get("by"): record["content"] for record in records()}
    assert [bool(contents[by]["validation"]) for by in ("validation", "training", None)] == [True, False, False]
    assert "Nothing to do" in run(method=both).stderr
    path = data / "bagel" / "validation" / "good" / "xyz" / "001.tiff"
    size = path.stat().st_size
    tifffile.imwrite(path, tifffile.imread(path)[::-1].copy(), photometric="rgb")
    assert path.stat().st_size == size
    cells = json.loads(run("--dry-run", "--json", method=both).stdout)["cells"]
    reasons = {cell["method"]: cell["why"] for cell in cells if cell["action"] == "run"}
    assert "files of validation samples have changed since" in reasons.pop("calibrated")
    assert reasons.keys() == {"colour-distance", "calibrated[by=training]"}
    for why in reasons.values():  # thresholds are set on it
        assert "files of nominal samples have changed since" in why
    assert run(method=both).returncode == 0
    assert "Nothing to do" in run(method=both).stderr


def test_a_category_without_a_validation_split_is_unsupported_before_anything_runs(run, records) -> None:
    plan = run("--dry-run", category="carrot").stdout
    assert "'calibrated' needs nominal samples of a validation split" in " ".join(plan.split())
    run(category="carrot")
    (record,) = records()
    assert record["status"] == "unsupported"
    assert "MVTec 3D-AD has none for carrot" in record["reason"]
    assert run(category="carrot", method="calibrated[by=training]").returncode == 0


def test_a_saved_method_predicts_without_validation_samples(run, harness, data: Path, tmp_path: Path) -> None:
    assert run("--save-fitted").returncode == 0
    shutil.rmtree(data / "bagel" / "validation")
    (fitted,) = (tmp_path / "results" / "fitted").iterdir()
    sample = data / "bagel" / "test" / "hole"
    inputs = ("--rgb", sample / "rgb" / "000.png", "--xyz", sample / "xyz" / "000.tiff")
    predicted = harness("predict", fitted, *inputs, "--out", "map.npy")
    assert predicted.returncode == 0, predicted.stderr
    assert np.isfinite(np.load(tmp_path / "map.npy")).all()


def test_an_error_about_a_validation_sample_names_it(run, records, data: Path) -> None:
    rows, columns = np.mgrid[:96, :96] * 1e-3
    flat = np.stack([columns, rows, np.full_like(rows, 0.5)], -1).astype(np.float32)
    tifffile.imwrite(data / "bagel" / "validation" / "good" / "xyz" / "001.tiff", flat, photometric="rgb")
    run(method="trd[size=64,width=8,epochs=1,norm_split=validation]")
    (record,) = records()
    assert record["status"] == "failed"
    assert "no point on the object" in record["reason"]
    assert "last sample read: bagel/validation/good/001" in record["reason"]


def test_a_method_that_holds_out_samples_does_not_support_a_single_one(run, records) -> None:
    assert run(shots=1, method="trd[size=64,width=8,epochs=1]").returncode == 3
    (record,) = records()
    assert record["status"] == "unsupported"
    assert "norm_split=validation" in record["reason"]
    assert "last sample read" not in record["reason"]
