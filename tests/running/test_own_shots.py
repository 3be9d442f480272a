"""Few training samples of own data, as an engineer meets them: files named by a camera, images that come later."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

KINDS = {"rgb": "png", "xyz": "tiff"}


@pytest.fixture
def hinges(tiny_mvtec, tmp_path: Path) -> Path:
    """Own data with five training samples, whose names are dates."""
    shutil.copytree(tiny_mvtec / "bagel", tmp_path / "hinges" / "left")
    for kind, suffix in KINDS.items():
        for path in (tmp_path / "hinges" / "left" / "train" / "good" / kind).iterdir():
            path.rename(path.with_name(f"2024-11-03_14.25.{path.stem}_cam1.{suffix}"))
    return tmp_path / "hinges"


@pytest.fixture
def run(harness, hinges):
    def call(shots: str, dataset: str = "folder"):
        data = ("--dataset", dataset, "--data", hinges)
        return harness("run", "--methods", "colour-distance", *data, "--preset", "quick", "--shots", shots)

    return call


def add_sample(hinges: Path, name: str) -> None:
    for kind, suffix in KINDS.items():
        folder = hinges / "left" / "train" / "good" / kind
        shutil.copy(min(folder.iterdir()), folder / f"{name}.{suffix}")


def test_any_number_of_what_is_there(run, records) -> None:
    outcome = run("1,3,5,6,full")
    assert outcome.returncode == 3, outcome.stderr
    found = {record["cell"]["shots"]: record for record in records()}
    assert {shots: record["status"] for shots, record in found.items()} == {
        **dict.fromkeys((1, 3, 5, "full"), "ok"),
        6: "unsupported",
    }
    assert {shots: found[shots]["samples"]["train"] for shots in (1, 3, 5, "full")} == {1: 1, 3: 3, 5: 5, "full": 5}
    assert "left of hinges has 5 training samples, fewer than 6 shots" in found[6]["reason"]
    assert len({record["cell"]["split_digest"] for record in found.values()}) == 3, "5, 6 and full are the same samples"


def test_a_kept_list_is_measured_after_images_were_added(run, harness, records, hinges) -> None:
    assert harness("splits", "make", "--data", hinges).returncode == 0
    assert run("3").returncode == 0
    add_sample(hinges, "2023-01-01")
    assert run("3").returncode == 0
    first, second = records()
    assert first["cell"]["data_digest"] != second["cell"]["data_digest"]
    assert first["cell"]["split_digest"] == second["cell"]["split_digest"]
    assert first["content"]["train"] == second["content"]["train"]
    path = hinges / "splits" / "left.json"
    path.write_text(path.read_text().replace("14.25.000", "14.25.001", 1))
    refused = run("3", "hinges")
    assert refused.returncode == 5
    assert str(path) in refused.stderr
    assert len(records()) == 2
