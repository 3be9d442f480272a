"""Optional fields of samples: read for methods that need them, and a sentence where a dataset has none."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from fake_eyecandies import items
from PIL import Image
from samples import write_tiny_mvtec

from harness.conformance import READER_CHECKS
from harness.conformance.reading import ReaderSubject
from harness.conformance.suite import run_checks
from harness.contract import OPTIONAL_FIELDS
from harness.data.eyecandies import Eyecandies
from harness.data.fields import fields_digest, lacking_fields, with_fields
from harness.data.mvtec3d import MVTec3D
from harness.dataset_contract import Dataset, SampleRef
from harness.errors import DataError

SIDE = 40
FIRST = SampleRef("Lollipop", "train/000", "train", "good")


@pytest.fixture
def official(tmp_path: Path) -> Eyecandies:
    """Three samples with all seventeen files each."""
    for split, stem in (("train", "000"), ("train", "001"), ("test_public", "00")):
        data = tmp_path / "Lollipop" / split / "data"
        data.mkdir(parents=True, exist_ok=True)
        for item, content in items(SIDE, seed=int(stem)).items():
            (data / f"{stem}_{item}").write_bytes(content)
    return Eyecandies(tmp_path)


def file(dataset: Dataset, item: str, stem: str = "000") -> Path:
    return dataset.root / "Lollipop" / "train" / "data" / f"{stem}_{item}"


def write_image(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def test_nobody_gets_what_nobody_needs(official: Eyecandies) -> None:
    assert with_fields(official, ()) is official
    assert official.load(FIRST).plane.any()
    assert official.load(FIRST).arrays.keys() == {"rgb", "xyz", "plane"}, "no pixel is blackened on Eyecandies"
    assert with_fields(official, ["lights"]).load(FIRST).arrays.keys() == {"rgb", "xyz", "plane", "lights"}


def test_lights_are_the_six_images_in_their_order(official: Eyecandies) -> None:
    lights = with_fields(official, ["lights"]).load(FIRST).lights
    files = [np.asarray(Image.open(file(official, f"image_{number}.png"))) for number in range(6)]
    assert (lights.shape, lights.dtype) == ((6, SIDE, SIDE, 3), np.uint8)
    assert all(np.array_equal(light, image) for light, image in zip(lights, files, strict=True))
    assert np.array_equal(lights[4], official.load(FIRST).rgb)


def test_normals_are_unit_vectors_in_the_axes_of_the_camera(official: Eyecandies) -> None:
    """The files hold y up and z towards the camera; a sample has y down and z away from it."""
    encoded = np.zeros((SIDE, SIDE, 3))
    encoded[:10], encoded[10:20], encoded[20:30], encoded[30:] = [255, 128, 128], [128, 255, 128], [128, 128, 255], 128
    write_image(file(official, "normals.png"), encoded)
    normals = with_fields(official, ["normals"]).load(FIRST).normals
    assert (normals.shape, normals.dtype) == ((SIDE, SIDE, 3), np.float32)
    for row, wanted in ((0, [1, 0, 0]), (10, [0, -1, 0]), (20, [0, 0, -1])):
        assert np.allclose(normals[row, 0], wanted, atol=0.01)
        assert np.linalg.norm(normals[row, 0]) == pytest.approx(1, abs=1e-6)
    assert not normals[30:].any(), "grey stands for no normal"


def test_a_table_under_the_official_camera_points_up(official: Eyecandies) -> None:
    """The camera looks down by 45 degrees: towards it and upwards in its axes is (0, -1, -1)."""
    normals = with_fields(official, ["normals"]).load(FIRST).normals
    assert np.allclose(normals, np.array([0, -1, -1]) * np.sqrt(0.5), atol=0.01)


def test_measured_is_the_cloud_before_cleaning_of_every_dataset(official: Eyecandies, tmp_path: Path) -> None:
    background = with_fields(official, ["measured"]).load(FIRST)
    assert background.measured[background.plane].all()
    tiny = MVTec3D(write_tiny_mvtec(tmp_path / "mvtec3d", ("bagel",)))
    for dataset in (official, tiny):
        ref = dataset.refs(dataset.categories[0], "train")[0]
        assert lacking_fields(dataset, ref.category, ["measured"]) == ""
        raw, sample = dataset.decode(ref), with_fields(dataset, ["measured"]).load(ref)
        assert np.array_equal(sample.measured, raw.xyz)
        assert np.array_equal(sample.xyz, dataset.load(ref).xyz)
        assert np.array_equal(sample.blind().measured, sample.measured)


def test_a_dataset_without_a_field_says_so(tmp_path: Path) -> None:
    dataset = MVTec3D(write_tiny_mvtec(tmp_path / "mvtec3d", ("bagel",)))
    reason = lacking_fields(dataset, "bagel", ["measured", "normals"])
    assert "MVTec 3D-AD has no 'normals'" in reason
    assert "\n" not in reason


def test_a_copy_with_some_of_the_files_says_which(official: Eyecandies) -> None:
    assert lacking_fields(official, "Lollipop", ["normals", "lights"]) == ""
    file(official, "normals.png", "001").unlink()
    assert lacking_fields(official, "Lollipop", ["lights"]) == ""
    reason = lacking_fields(official, "Lollipop", ["normals", "lights"])
    assert "lacks 001_normals.png" in reason


def test_a_converted_copy_has_neither(tmp_path: Path) -> None:
    write_tiny_mvtec(tmp_path, ("Lollipop",))
    for name in ("normals", "lights"):
        reason = lacking_fields(Eyecandies(tmp_path), "Lollipop", [name])
        assert "converted copy" in reason
        assert f"'{name}'" in reason


@pytest.mark.parametrize("item", ["normals.png", "image_5.png"])
def test_a_file_that_cannot_be_used_is_named(official: Eyecandies, item: str) -> None:
    path = file(official, item)
    names = ["normals"] if item == "normals.png" else ["lights"]
    path.write_bytes(b"no image")
    with pytest.raises(DataError, match=item):
        with_fields(official, names).load(FIRST)
    write_image(path, np.zeros((SIDE + 1, SIDE, 3)))
    with pytest.raises(DataError, match="pixels"):
        with_fields(official, names).load(FIRST)
    official.load(FIRST)


def test_the_digest_of_fields_is_of_their_files_alone(official: Eyecandies) -> None:
    refs = official.refs("Lollipop", "train")
    before = {name: fields_digest(official, refs, [name]) for name in OPTIONAL_FIELDS}
    content, files = official.content_digest(refs), official.digest("Lollipop")
    assert before["measured"] == ""
    assert len(set(before.values())) == 3
    write_image(file(official, "normals.png"), np.full((SIDE, SIDE, 3), 128))
    again = Eyecandies(official.root)
    after = {name: fields_digest(again, refs, [name]) for name in OPTIONAL_FIELDS}
    assert [name for name in OPTIONAL_FIELDS if before[name] != after[name]] == ["normals"]
    assert (again.content_digest(refs), again.digest("Lollipop")) == (content, files)


def test_the_suite_of_readers_looks_at_the_fields(official: Eyecandies) -> None:
    def outcomes() -> dict[str, str]:
        subject = ReaderSubject("eyecandies", Eyecandies, official.root)
        return {one.check: one.status for one in run_checks(READER_CHECKS, subject)}

    assert set(outcomes().values()) == {"pass"}
    file(official, "image_3.png").unlink()
    assert {check for check, status in outcomes().items() if status != "pass"} == {"fields"}
    assert outcomes()["fields"] == "skip"


@pytest.mark.data
@pytest.mark.skipif("HARNESS_TEST_DATA" not in os.environ, reason="needs HARNESS_TEST_DATA")
def test_real_candy_canes_give_what_their_files_hold() -> None:
    dataset = Eyecandies(Path(os.environ["HARNESS_TEST_DATA"]) / "eyecandies")
    ref = dataset.refs("CandyCane", "test")[30]
    sample = with_fields(dataset, ["measured"]).load(ref)
    assert sample.measured.all(), "the table is there"
    assert sample.xyz.any(2).mean() < 0.1
    if not (dataset.root / "CandyCane/train/data/000_normals.png").is_file():
        assert "000_normals.png" in lacking_fields(dataset, "CandyCane", ["normals"])
