"""The published archives, small and on a local server: fetched, verified, listed, planned, and one cell run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_eyecandies import category_entries, packed
from fake_mvtec3d import CATEGORIES, mvtec3d_entries
from fileserver import FileServer, running

from harness.data.registry import DATASETS

METHOD = ("--methods", "colour-distance", "--devices", "cpu", "--preset", "quick", "--weights", "random")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """An empty server."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with running(FileServer()) as started:
        yield started


def measured(harness, records, dataset: str, category: str) -> dict[str, object]:
    """Plan and run one cell of a fetched dataset; return its record."""
    cell = (*METHOD, "--dataset", dataset, "--data", "data", "--categories", category, "--shots", "5")
    plan = json.loads(harness("run", *cell, "--dry-run", "--json").stdout)
    assert plan["to_run"] == 1
    run = harness("run", *cell)
    assert run.returncode == 0, run.stderr
    (record,) = records()
    assert (record["status"], record["cell"]["category"]) == ("ok", category)
    return record


def test_the_whole_tree_of_mvtec_3d_ad(harness, records, server, tmp_path: Path) -> None:
    """4,147 samples of ten categories in one compressed archive, at a twentieth of the images' size."""
    (archive,) = DATASETS["mvtec3d"].archives
    content = packed(mvtec3d_entries(), "w:xz")
    server.files[archive.name] = content
    mirror = ("--from", server.url(archive.name), "--md5", hashlib.md5(content).hexdigest())
    fetched = harness("data", "fetch", "mvtec3d", "--to", "data", *mirror, "--yes")
    assert fetched.returncode == 0, fetched.stderr
    root = tmp_path / "data" / "mvtec3d"
    assert sorted(path.name for path in root.iterdir()) == sorted(CATEGORIES)
    for name in ("calibration/camera_parameters.json", "class_ids.json", "license.txt", "readme.txt"):
        assert (root / "tire" / name).is_file()

    verified = harness("data", "verify", root, "--json")
    assert verified.returncode == 0, verified.stdout[-2000:]
    report = json.loads(verified.stdout)
    assert (report["ok"], report["problems"], report["decoded"]) == (True, [], 4147)
    notes = {note["message"].partition(" (")[0].partition(" samples ")[2] for note in report["notes"]}
    assert all("distance of clusters" in note for note in notes), (
        "objects of 10 to 25 pixels are small, and nothing else"
    )
    found = {(row["category"], row["split"]): row["found"] for row in report["counts"]}
    for name, category in CATEGORIES.items():
        numbers = (category.train, category.validation, sum(category.test.values()))
        assert tuple(found[name, split] for split in ("train", "validation", "test")) == numbers
    assert tuple(found["all", split] for split in ("train", "validation", "test")) == (2656, 294, 1197)

    assert harness("splits").returncode == 0
    needy = ("--methods", "many-lights", *METHOD[2:], "--dataset", "mvtec3d", "--data", "data", "--categories", "bagel")
    refused = harness("run", *needy, "--shots", "5,50", "--results", "lights")
    assert refused.returncode == 3
    assert {(one["status"], "'normals'" in one["reason"]) for one in records(tmp_path / "lights")} == {
        ("unsupported", True)
    }

    record = measured(harness, records, "mvtec3d", "bagel")
    assert record["samples"] == {"train": 5, "test": 110, "validation": None}
    assert set(record["by_defect"]) >= {"combined", "contamination", "crack", "hole"}


def test_archives_of_eyecandies(harness, records, server, tmp_path: Path) -> None:
    """A category of 1,550 samples in 17 files each, private ones without labels, in a TAR that begins with train/."""
    server.files["eyecandies_Lollipop.archive"] = packed(category_entries())
    server.files["eyecandies_CandyCane.archive"] = b"not asked for"
    fetched = harness(
        *("data", "fetch", "eyecandies", "--to", "data", "--categories", "Lollipop", "--from", server.url(""), "--yes")
    )
    assert fetched.returncode == 0, fetched.stderr
    assert "not stated by the authors" in fetched.stderr
    root = tmp_path / "data" / "eyecandies"
    assert [path.name for path in root.iterdir()] == ["Lollipop"]
    assert len([*(root / "Lollipop/train/data").iterdir()]) == 17 * 1000
    assert len([*(root / "Lollipop/test_private/data").iterdir()]) == 10 * 400

    report = json.loads(harness("data", "verify", root, "--json").stdout)
    assert (report["problems"], report["notes"], report["decoded"]) == ([], [], 1150)
    found = {(row["category"], row["split"]): row["found"] for row in report["counts"]}
    assert tuple(found["Lollipop", split] for split in ("train", "validation", "test")) == (1000, 100, 50)

    needy = ("--methods", "many-lights", *METHOD[2:], "--dataset", "eyecandies", "--data", "data", "--shots", "5")
    assert harness("run", *needy, "--results", "lights").returncode == 0
    (record,) = records(tmp_path / "lights")
    assert (record["status"], bool(record["content"]["fields"])) == ("ok", True)

    record = measured(harness, records, "eyecandies", "Lollipop")
    assert record["samples"] == {"train": 5, "test": 50, "validation": None}
    assert set(record["by_defect"]) >= {"bumps", "dents", "colors", "normals", "mixed"}
