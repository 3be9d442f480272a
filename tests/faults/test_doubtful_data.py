"""What a record and its tables say where the data may mean something else than its numbers claim."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import zoom

SCALE = 5
PIXEL_METRICS = ("p_auroc", "aupro_30", "aupro_1", "aupro_30_official", "aupro_1_official")


@pytest.fixture
def own(tiny_mvtec: Path, tmp_path: Path) -> Path:
    """A copy of a category that may be changed: five training samples, six test samples, three of them anomalous."""
    shutil.copytree(tiny_mvtec / "bagel", tmp_path / "mvtec3d" / "bagel")
    return tmp_path / "mvtec3d" / "bagel"


@pytest.fixture
def measured(own: Path, harness, records):
    """Run the method of the plugin with all samples, and return its record and what the tables show."""

    def run() -> tuple[dict[str, Any], str]:
        ended = harness(
            *("run", "-m", "colour-distance", "--dataset", "mvtec3d", "--data", own.parent),
            *("--shots", "full", "--preset", "quick"),
        )
        assert ended.returncode == 0, ended.stderr
        (record,) = records()
        assert record["status"] == "ok"
        return record, " ".join(harness("tables", "--table", "defects,accuracy").stdout.split())

    return run


def add_tiny_defects(category: Path, count: int) -> None:
    """Add large images with a defect of one pixel each, which nearest resizing to 224 x 224 skips."""
    source, folder = category / "test" / "hole", category / "test" / "tiny"
    for kind in ("rgb", "xyz", "gt"):
        (folder / kind).mkdir(parents=True)
    rgb = np.asarray(Image.open(source / "rgb" / "000.png"))
    xyz = tifffile.imread(source / "xyz" / "000.tiff")
    side = len(rgb) * SCALE
    skipped = sorted(set(range(side)) - {int((index + 0.5) * side / 224) for index in range(224)})
    for index in range(count):
        large = [zoom(array, (SCALE, SCALE, 1), order=order) for array, order in ((rgb, 0), (xyz, 1))]
        Image.fromarray(large[0]).save(folder / "rgb" / f"{index:03d}.png")
        tifffile.imwrite(folder / "xyz" / f"{index:03d}.tiff", large[1], photometric="rgb")
        mask = np.zeros((side, side), np.uint8)
        mask[skipped[index], side // 2] = 255
        Image.fromarray(mask).save(folder / "gt" / f"{index:03d}.png")


def notes_of(record: dict[str, Any], words: str) -> list[str]:
    return [note for note in record["notes"] if words in note]


def test_everything_doubtful_is_in_the_record_and_under_the_tables(own: Path, measured) -> None:
    add_tiny_defects(own, 2)
    shutil.copytree(own / "test" / "hole", own / "train" / "hole")
    mask = np.asarray(Image.open(own / "test" / "hole" / "gt" / "001.png")).copy()
    mask[0, :5] = (1, 2, 9, 4, 3)
    Image.fromarray(mask).save(own / "test" / "hole" / "gt" / "001.png")
    record, shown = measured()
    assert record["samples"] == {"train": 5, "test": 8, "validation": None}
    reason = "2 of 2 masks have no pixel at 224 x 224 (test/tiny/000, test/tiny/001)"
    assert record["undefined_by_defect"] == {"tiny": dict.fromkeys(PIXEL_METRICS, reason)}
    assert f"undefined in bagel: {reason}" in shown
    for words in (
        "2 of 5 masks have no pixel at 224 x 224 (test/tiny/000, test/tiny/001)",
        "1 of 5 masks hold other values",
        "3 images in ",
        "5 of 244 training samples",
        "8 of 110 test samples",
    ):
        assert len(notes_of(record, words)) == 1, words
        assert words in shown, words
    assert "all training samples" not in shown


def test_where_all_masks_vanish_the_reason_says_so(own: Path, measured) -> None:
    add_tiny_defects(own, 2)
    shutil.rmtree(own / "test" / "hole")
    record, _ = measured()
    assert record["metrics"]["i_auroc"] is not None
    assert record["metrics"]["aupro_30"] is None
    assert record["undefined"]["aupro_30"].startswith("2 of 2 masks have no pixel at 224 x 224")


def test_a_folder_that_is_no_official_category_is_told(own: Path, harness) -> None:
    shutil.copytree(own, own.parent / "my_part")
    common = ("run", "-m", "colour-distance", "--dataset", "mvtec3d", "--data", own.parent, "--preset", "quick")
    planned = harness(*common, "--shots", "5", "--dry-run")
    assert planned.returncode == 0
    assert "my_part: not an official category" in " ".join((planned.stdout + planned.stderr).split())
    named = harness(*common, "--shots", "5", "--categories", "my_part")
    assert named.returncode == 2
    assert "'my_part' is not an official category" in " ".join(named.stderr.split())
    assert "--dataset folder" in " ".join(named.stderr.split())
    as_own = [word.replace("mvtec3d", "folder") if isinstance(word, str) else word for word in common]
    assert harness(*as_own, "--shots", "3", "--categories", "my_part", "--dry-run").returncode == 0
    for verb in (("data", "verify", own.parent, "--fast"), ("datasets", "--data", own.parent)):
        assert "my_part" in harness(*verb).stdout


@pytest.mark.parametrize("kept", [0, 1], ids=["no mask", "a mask is missing"])
def test_without_masks_images_are_scored_and_dashes_say_why(own: Path, measured, harness, kept: int) -> None:
    gt = sorted((own / "test" / "hole" / "gt").iterdir())
    for path in gt[kept:]:
        path.unlink()
    record, shown = measured()
    reason = f"{len(gt) - kept} of {len(gt)} anomalous samples have no mask"
    assert 0 <= record["metrics"]["i_auroc"] <= 1
    assert record["undefined"] == dict.fromkeys(PIXEL_METRICS, reason)
    assert record["by_defect"]["hole"]["i_auroc"] == record["metrics"]["i_auroc"]
    assert record["undefined_by_defect"] == {"hole": dict.fromkeys(PIXEL_METRICS, reason)}
    assert f"undefined in bagel: {reason}" in shown
    verified = harness("status", "--verify", "--data", own.parent)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    figure = harness("plot", "pro")
    assert figure.returncode != 0
    assert reason in " ".join(figure.stderr.split())


def test_pictures_and_report_without_masks(own: Path, harness, records, tmp_path: Path) -> None:
    shutil.rmtree(own / "test" / "hole" / "gt")
    where = ("--dataset", "mvtec3d", "--data", own.parent)
    ended = harness("run", "-m", "colour-distance", *where, "--shots", "full", "--preset", "quick", "--save-maps")
    assert ended.returncode == 0, ended.stderr
    for verb in (
        ("report", *where, "--to", "report"),
        ("show", *where),
        ("compare", "colour-distance"),
        ("status", "--verify", *where),
    ):
        assert harness(*verb).returncode == 0, verb
    report = (tmp_path / "report" / "index.html").read_text()
    assert "hole, anomalous, no mask" in report
    assert not [*(tmp_path / "report").rglob("*hole*truth*")]
    assert [*(tmp_path / "report").rglob("*good*truth*")]


@pytest.mark.parametrize(("left_out", "word"), [("good", "nominal"), ("hole", "anomalous")])
def test_a_test_set_of_one_class_is_known_to_be_unsupported_before_training(
    own: Path, harness, records, left_out: str, word: str
) -> None:
    shutil.rmtree(own / "test" / left_out)
    common = ("run", "-m", "colour-distance", "--dataset", "mvtec3d", "--data", own.parent, "--preset", "quick")
    planned = harness(*common, "--shots", "full", "--dry-run")
    assert planned.returncode == 0
    assert f"has no {word} test sample" in " ".join(planned.stdout.split())
    assert harness(*common, "--shots", "full").returncode == 3
    (record,) = records()
    assert (record["status"], record["seconds"], record["metrics"]) == ("unsupported", {}, {})
    assert f"Category 'bagel' has no {word} test sample" in record["reason"]


def test_an_image_with_several_defects_counts_under_each(own: Path, measured, harness) -> None:
    (own / "class_ids.json").write_text('{"255": "cut", "254": "hole", "0": "good"}')
    shutil.copytree(own / "test" / "hole", own / "test" / "combined")
    masks = sorted((own / "test" / "combined" / "gt").iterdir())
    for path in masks:
        mask = np.asarray(Image.open(path)).copy()
        rows = np.flatnonzero(mask.any(axis=1))
        mask[: rows[len(rows) // 2]] //= 255
        mask = np.where(mask == 1, 255, mask // 255 * 254).astype(np.uint8)
        Image.fromarray(mask).save(path)
    record, shown = measured()
    count = len(masks)
    defects = {"good": record["samples"]["test"] - 2 * count, "hole": 2 * count, "combined": count, "cut": count}
    assert record["test_images"]["defects"] == defects
    assert set(record["by_defect"]) == {"combined", "cut", "hole"}
    assert record["undefined_by_defect"] == {}
    assert f"cut hole method n={count} n={count} n={2 * count} all" in shown
    assert "an image with several defects counts under each" in shown
    verified = harness("status", "--verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
