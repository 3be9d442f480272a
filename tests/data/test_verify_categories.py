"""Published numbers of samples of each defect, parts of a dataset, and copies whose background was removed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import SIDE, table_with_dome
from fake_mvtec3d import CATEGORIES, mvtec3d_entries

from harness.cli.data import command
from harness.data.mvtec3d import MVTec3D
from harness.data.verify import verify_dataset
from harness.errors import ExitCode, UsageError


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """The category rope as it is published, at a small size."""
    root = tmp_path_factory.mktemp("published") / "mvtec3d"
    for name, content in mvtec3d_entries(["rope"]):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def verify(folder: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(command, ["verify", str(folder), "--fast", *options], standalone_mode=False)
    return result.return_value, result.output


def test_published_numbers_of_defects_are_those_of_the_published_tree():
    info = MVTec3D.info
    assert {name: dict(category.test) for name, category in CATEGORIES.items()} == info.defects
    assert all(sum(info.defects[name].values()) == info.count(name, "test") for name in info.categories)


def test_a_part_that_was_asked_for_is_complete(published):
    assert verify(published, "--categories", "rope")[0] == ExitCode.OK
    code, said = verify(published)
    assert code == ExitCode.PREREQUISITE
    assert "9 categories are missing" in said
    code, said = verify(published, "--categories", "rope,tire", "--json")
    report = json.loads(said)
    assert (code, report["missing_categories"]) == (ExitCode.PREREQUISITE, ["tire"])
    with pytest.raises(UsageError, match=r"'rop'.*rope"):
        verify_dataset(published, categories=["rop"])


def test_one_sample_in_the_folder_of_another_defect_is_seen(published, tmp_path):
    root = tmp_path / "mvtec3d"
    shutil.copytree(published, root)
    for kind, suffix in (("rgb", "png"), ("xyz", "tiff"), ("gt", "png")):
        source = root / "rope/test/cut" / kind / f"026.{suffix}"
        source.rename(root / "rope/test/open" / kind / f"017.{suffix}")
    report = verify_dataset(root, categories=["rope"], fast=True)
    assert all(row.ok for row in report.counts)
    assert {(row.defect, row.found, row.published) for row in report.defects if not row.ok} == {
        ("cut", 26, 27),
        ("open", 18, 17),
    }
    assert (report.as_published, report.ok) == (False, False)
    code, said = verify(root, "--categories", "rope")
    assert code == ExitCode.PREREQUISITE
    assert "26 of 27 samples of cut" in said
    assert "2 counts differ" in said


def test_a_defect_that_is_not_published_is_seen(published, tmp_path):
    root = tmp_path / "mvtec3d"
    shutil.copytree(published, root)
    (root / "rope/test/open").rename(root / "rope/test/opened")
    rows = verify_dataset(root, categories=["rope"], fast=True).defects
    assert {(row.defect, row.found, row.published) for row in rows if not row.ok} == {
        ("open", 0, 17),
        ("opened", 17, 0),
    }


def emptied(frame: int, *, black: bool, empty: bool) -> dict[str, np.ndarray]:
    """Image and cloud with a frame that is black, or without points, or both."""
    inside = np.zeros((SIDE, SIDE, 1), bool)
    inside[frame : SIDE - frame, frame : SIDE - frame] = True
    rgb = np.full((SIDE, SIDE, 3), 90, np.uint8)
    xyz = table_with_dome()
    return {"rgb": rgb * inside if black else rgb, "xyz": xyz * inside if empty else xyz}


@pytest.mark.parametrize(
    ("frame", "black", "empty", "told"),
    [(10, True, True, True), (14, True, True, True), (9, True, True, False), (10, True, False, False)],
)
def test_copies_whose_background_was_removed_are_told(mvtec, frame, black, empty, told):
    mvtec.write("bagel/train/good", **emptied(frame, black=black, empty=empty))
    mvtec.write("bagel/train/good", "001")
    notes = [note.message for note in verify_dataset(mvtec.root).notes if "background was removed" in note.message]
    assert bool(notes) == told
    assert not told or (notes[0].startswith("1 of 2 samples") and "train/good/000" in notes[0])
    dataset = MVTec3D(mvtec.root)
    for ref in dataset.refs("bagel", "train"):
        dataset.load(ref)
    assert bool([note for note in dataset.notes("bagel") if "background was removed" in note]) == told
