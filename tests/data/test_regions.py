"""Samples without masks, and which part of a mask is of which defect, in every layout."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import SIDE, table_with_dome
from fake_eyecandies import KINDS, items, kind_mask
from PIL import Image

from harness.contract import Sample
from harness.data.eyecandies import Eyecandies
from harness.data.mvtec3d import MVTec3D
from harness.data.own.reader import OwnDataset
from harness.data.verify import verify_dataset
from harness.dataset_contract import Dataset
from harness.errors import DataError

CLASSES = {"255": "contamination", "254": "cut", "253": "hole", "0": "good"}


def name_classes(root: Path, content: object = CLASSES) -> None:
    (root / "bagel").mkdir(parents=True, exist_ok=True)
    (root / "bagel/class_ids.json").write_text(content if isinstance(content, str) else json.dumps(content))


def id_mask(*values: int) -> np.ndarray:
    """A mask with a block of each value side by side, the last two touching."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for place, value in enumerate(values):
        mask[10:16, 10 + 8 * place - (place == len(values) - 1) * 2 :][:, :6] = value
    return mask


def only(dataset: Dataset, defect: str) -> Sample:
    (ref,) = [ref for ref in dataset.refs(dataset.categories[0], "test") if ref.defect == defect]
    return dataset.decode(ref)


def test_class_ids_tell_the_defects_of_a_combined_sample_apart(mvtec):
    name_classes(mvtec.root)
    mask = id_mask(254, 253, 255)
    mvtec.write("bagel/test/combined", gt=mask)
    sample = only(MVTec3D(mvtec.root), "combined")
    assert {name: value for value, name in ((255, "contamination"), (254, "cut"), (253, "hole"))} == {
        name: int(np.unique(mask[part]).item()) for name, part in sample.regions.items()
    }
    assert np.array_equal(np.logical_or.reduce([*sample.regions.values()]), sample.mask)
    assert sample.blind().regions is None


@pytest.mark.parametrize(
    ("folder", "values", "classes"),
    [
        ("hole", (253,), CLASSES),
        ("hole", (255,), CLASSES),  # copies with masks of 0 and 255
        ("hole", (254, 253), CLASSES),
        ("combined", (255,), CLASSES),
        ("combined", (255, 254), None),
        ("combined", (255, 17), CLASSES),
    ],
)
def test_a_sample_has_no_regions_where_ids_do_not_tell_them(mvtec, folder, values, classes):
    if classes:
        name_classes(mvtec.root, classes)
    mvtec.write(f"bagel/test/{folder}", gt=id_mask(*values))
    sample = only(MVTec3D(mvtec.root), folder)
    assert sample.regions is None
    assert sample.mask.any()


@pytest.mark.parametrize("content", ["{", "[1, 2]", '{"x": "hole"}', {"255": "../hole"}, {"254": "a\nb"}])
def test_class_ids_that_can_not_be_used_are_refused_before_anything_runs(mvtec, content):
    name_classes(mvtec.root, content)
    mvtec.write("bagel/test/combined", gt=id_mask(255, 254))
    with pytest.raises(DataError, match=r"class_ids\.json"):
        MVTec3D(mvtec.root).refs("bagel", "test")
    assert any("class_ids.json" in problem.message for problem in verify_dataset(mvtec.root).problems)


def write_candy(root: Path, stem: str, kinds: tuple[str, ...], without: tuple[str, ...] = ()) -> Path:
    data = root / "Lollipop/test_public/data"
    data.mkdir(parents=True, exist_ok=True)
    for item, content in items(SIDE, kinds).items():
        if item not in without:
            (data / f"{stem}_{item}").write_bytes(content)
    return data


@pytest.mark.parametrize("kinds", [("bumps", "colors"), KINDS])
def test_masks_of_kinds_tell_the_defects_of_a_mixed_sample_apart(tmp_path, kinds):
    write_candy(tmp_path, "00", kinds)
    sample = only(Eyecandies(tmp_path), "mixed")
    assert set(sample.regions) == set(kinds)
    for kind in kinds:
        assert np.array_equal(sample.regions[kind], kind_mask(SIDE, {kind}))


def test_a_mask_of_a_kind_that_is_missing_leaves_the_sample_without_regions(tmp_path):
    write_candy(tmp_path, "00", ("bumps", "colors"), without=("bumps_mask.png",))
    dataset = Eyecandies(tmp_path)
    sample = only(dataset, "mixed")
    assert sample.mask.any()
    assert sample.regions is None
    assert any("00_bumps_mask.png" in note for note in dataset.notes("Lollipop"))


def test_masks_of_kinds_that_are_not_the_whole_mask_are_told(tmp_path):
    data = write_candy(tmp_path, "00", ("bumps", "colors"))
    Image.fromarray(kind_mask(SIDE, {"bumps", "dents"}).astype(np.uint8) * np.uint8(255)).save(data / "00_mask.png")
    dataset = Eyecandies(tmp_path)
    assert set(only(dataset, "mixed").regions) == {"bumps", "colors"}
    assert any("1 of 1 mixed samples" in note and "test_public/00" in note for note in dataset.notes("Lollipop"))


@pytest.mark.parametrize("defect", ["mixed", "bad"])
def test_without_any_mask_of_a_kind_nothing_is_told(tmp_path, defect):
    left_out = [f"{kind}_mask.png" for kind in KINDS] + ["metadata.yaml"] * (defect == "bad")
    write_candy(tmp_path, "00", ("bumps", "colors"), without=tuple(left_out))
    dataset = Eyecandies(tmp_path)
    assert only(dataset, defect).regions is None
    assert dataset.notes("Lollipop") == ()


def test_a_sample_of_one_kind_has_no_regions(tmp_path):
    write_candy(tmp_path, "00", ("dents",))
    assert only(Eyecandies(tmp_path), "dents").regions is None


@pytest.mark.parametrize("reader", [MVTec3D, OwnDataset])
def test_a_sample_without_mask_can_be_used(bagel, reader):
    (bagel.root / "bagel/test/hole/gt/000.png").unlink()
    dataset = reader(bagel.root)
    sample = only(dataset, "hole")
    assert (sample.mask, sample.anomalous) == (None, True)
    assert only(dataset, "crack").mask.any()
    (note,) = dataset.notes("bagel")
    assert note.startswith("1 of 2 anomalous samples have no mask")


def test_a_missing_mask_is_a_fault_of_published_data_alone(bagel):
    for defect in ("hole", "crack"):
        (bagel.root / f"bagel/test/{defect}/gt/000.png").unlink()
    own = verify_dataset(bagel.root, "folder")
    assert own.problems == ()
    assert own.ok
    assert [note.message for note in own.notes if "2 of 2 anomalous samples" in note.message]
    published = verify_dataset(bagel.root, "mvtec3d")
    assert sorted(Path(problem.message.split()[0]).parent.parent.name for problem in published.problems) == [
        "crack",
        "hole",
    ]


def test_a_mask_in_another_format_is_no_missing_one(bagel):
    gt = bagel.root / "bagel/test/hole/gt"
    Image.open(gt / "000.png").save(gt / "000.bmp")
    (gt / "000.png").unlink()
    with pytest.raises(DataError, match=r"000\.bmp can't be read"):
        MVTec3D(bagel.root).refs("bagel", "test")


real = pytest.mark.skipif("HARNESS_TEST_DATA" not in os.environ, reason="needs HARNESS_TEST_DATA")


@pytest.mark.data
@real
def test_the_real_tire_has_two_defects_in_a_combined_image(mvtec):
    source = Path(os.environ["HARNESS_TEST_DATA"]) / "mvtec3d_sample/tire"
    (mvtec.root / "tire").mkdir(parents=True)
    (mvtec.root / "tire/class_ids.json").write_bytes((source / "class_ids.json").read_bytes())
    cloud = table_with_dome(0, 800, 600)
    for defect in ("combined", "hole", "cut", "contamination"):
        (path,) = (source / "test" / defect / "gt").iterdir()
        mvtec.write(f"tire/test/{defect}", xyz=cloud, gt=np.asarray(Image.open(path)))
    dataset = MVTec3D(mvtec.root)
    combined = only(dataset, "combined")
    assert {name: int(part.sum()) for name, part in combined.regions.items()} == {"contamination": 754, "cut": 594}
    assert int(combined.mask.sum()) == 754 + 594
    assert [only(dataset, defect).regions for defect in ("hole", "cut", "contamination")] == [None] * 3
