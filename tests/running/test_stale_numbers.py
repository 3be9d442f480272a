"""A number whose code or data has changed is measured again, and one whose has not is kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from harness.data.nominal import left_out

PLUGIN = Path(__file__).parents[1] / "plugin" / "colour_distance.py"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    code = PLUGIN.read_text(encoding="utf-8")
    path.write_text(code.replace('"colour-distance"', '"mine"').replace("ColourDistance", "Mine"), encoding="utf-8")
    return path


@pytest.fixture
def data(tiny_mvtec: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_mvtec, tmp_path / "data"))


@pytest.fixture
def run(harness, data: Path):
    def call(*more: str | Path, method: str = "./mine.py:Mine"):
        where = ("--dataset", "mvtec3d", "--data", data, "--categories", "bagel", "--shots", "5")
        settings = ("--preset", "quick", "--weights", "random", "--device", "cpu")
        return harness("run", "--methods", method, *where, *settings, *more)

    return call


def score(records) -> float:
    (record,) = records()
    return record["metrics"]["i_auroc"]


def test_code_that_changed_is_measured_again_and_words_are_not(run, records, file: Path) -> None:
    assert run().returncode == 0
    before = score(records)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"""', '"""New words: ', 1), encoding="utf-8")
    assert "Nothing to do" in run().stderr
    assert "return Prediction(" in text
    flipped = text.replace("return Prediction(", "return _flipped(") + (
        "\n\ndef _flipped(score, anomaly_map):\n    return Prediction(-score, -anomaly_map)\n"
    )
    file.write_text(flipped, encoding="utf-8")
    assert "its code has changed since" in run("--dry-run").stdout
    assert run().returncode == 0
    assert score(records) == pytest.approx(1 - before)
    assert "Nothing to do" in run().stderr


def _zero_clouds(data: Path, split: str) -> None:
    for path in (data / "bagel" / split).rglob("xyz/*.tiff"):
        size = path.stat().st_size
        cloud = tifffile.imread(path)
        tifffile.imwrite(path, cloud[::-1].copy())
        assert path.stat().st_size == size


def _repaint(data: Path, split: str) -> None:
    for path in (data / "bagel" / split).rglob("rgb/*.png"):
        pixels = np.array(Image.open(path))
        Image.fromarray(255 - pixels).save(path)


@pytest.mark.parametrize("split", ["train", "test"])
def test_data_rewritten_at_the_same_names_and_sizes_are_measured_again(
    run, records, file: Path, data: Path, split: str
) -> None:
    assert run().returncode == 0
    (before,) = records()
    assert "Nothing to do" in run().stderr
    _zero_clouds(data, split)
    word = {"train": "training", "test": "test"}[split]
    assert f"files of {word} samples have changed since" in run("--dry-run").stdout
    assert run().returncode == 0
    (after,) = records()
    assert after["content"][split] != before["content"][split]
    assert "Nothing to do" in run().stderr


def test_samples_that_the_cell_does_not_use_may_change(run, records, file: Path, data: Path) -> None:
    extra = data / "bagel" / "train" / "good"
    copies = [str(index) for index in range(900, 922)]
    for kind, suffix in (("rgb", "png"), ("xyz", "tiff")):
        for name in copies:
            shutil.copy(extra / kind / f"000.{suffix}", extra / kind / f"{name}.{suffix}")
    assert run().returncode == 0
    fitted = [f"train/good/{index:03d}" for index in range(5)]
    ids = {id_: id_ for id_ in (*fitted, *(f"train/good/{name}" for name in copies))}
    used = {*fitted, *left_out("mvtec3d", "bagel", ids, fitted)}
    unused = min(id_ for id_ in ids if id_ not in used)
    path = extra / "xyz" / f"{unused[-3:]}.tiff"
    tifffile.imwrite(path, tifffile.imread(path)[::-1].copy())
    assert "Nothing to do" in run().stderr


def test_what_another_machine_measured_stays_beside_what_this_one_measures(
    run, harness, records, file, tmp_path
) -> None:
    assert run().returncode == 0
    (own,) = records()
    path = next((tmp_path / "results" / "cells").iterdir())
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(own["environment"]["cpu"], "Some other CPU"), encoding="utf-8")
    assert "not on this machine" in run("--dry-run").stdout
    assert "no such" not in run("--dry-run", "--write-plan", tmp_path / "plan.json").stderr
    again = run()
    assert again.returncode == 0, again.stderr
    (theirs,) = records()
    assert theirs["environment"]["cpu"] == "Some other CPU"
    (here,) = (tmp_path / "results" / "machines").iterdir()
    (mine,) = records(here)
    assert (mine["id"], mine["environment"]["cpu"]) == (own["id"], own["environment"]["cpu"])
    assert [path.name for path in (here / "counts").iterdir()] == [f"{path.stem}.npz"]
    assert "Nothing to do" in run().stderr
    timing = harness("tables", "--table", "timing")
    assert timing.stdout.count("Timing: ") == 2
    assert harness("status").stdout.count("1 of 1 ok") == 1
