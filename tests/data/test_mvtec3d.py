from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.data.clean import clean_masks
from harness.data.mvtec3d import MVTec3D
from harness.data.registry import DATASETS
from harness.data.sequence import SampleSequence
from harness.dataset_contract import Dataset
from harness.errors import DataError, UsageError
from harness.geometry import valid_points

Scene = Callable[..., np.ndarray]


@pytest.fixture
def dataset(bagel, tmp_path: Path) -> MVTec3D:
    return MVTec3D(bagel.root, cache=tmp_path / "cache")


def refs(dataset: Dataset, split: str) -> list[str]:
    return [ref.id for ref in dataset.refs("bagel", split)]


def decode_only(dataset: Dataset, split: str = "test") -> object:
    (ref,) = dataset.refs("bagel", split)
    return dataset.decode(ref)


def test_ids_are_paths_in_order(dataset: MVTec3D) -> None:
    assert refs(dataset, "train") == ["train/good/000", "train/good/001", "train/good/002"]
    assert refs(dataset, "validation") == ["validation/good/000"]
    assert refs(dataset, "test") == ["test/crack/000", "test/good/000", "test/good/001", "test/hole/000"]
    assert [ref.defect for ref in dataset.refs("bagel", "test")] == ["crack", "good", "good", "hole"]


def test_categories_come_in_the_published_order(mvtec) -> None:
    for category in ("tire", "carrot", "bagel", "something_else"):
        mvtec.write(f"{category}/train/good")
    (mvtec.root / "cookie").mkdir()
    assert MVTec3D(mvtec.root).categories == ("bagel", "carrot", "tire")


def test_other_categories_need_their_own_facts(mvtec) -> None:
    mvtec.write("ridge/train/good")
    assert MVTec3D(mvtec.root).categories == ()
    toy = MVTec3D(mvtec.root, DATASETS["toy"])
    assert toy.categories == ("ridge",)
    assert len(toy.refs("ridge", "train")) == 1


def test_a_folder_is_listed_once(dataset: MVTec3D, bagel) -> None:
    before = dataset.refs("bagel", "train")
    bagel.write("bagel/train/good", "007")
    assert dataset.refs("bagel", "train") == before
    assert len(MVTec3D(bagel.root).refs("bagel", "train")) == 4


def test_missing_split_has_no_samples(mvtec) -> None:
    mvtec.write("bagel/train/good")
    assert MVTec3D(mvtec.root).refs("bagel", "validation") == ()


def test_unknown_category_names_the_nearest(dataset: MVTec3D) -> None:
    with pytest.raises(UsageError, match=r"'bagle' .*'bagel'"):
        dataset.refs("bagle", "train")


def test_sample_holds_what_the_files_hold(mvtec, scene: Scene) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    gt = np.zeros((40, 56), np.uint8)
    gt[3, 4] = 1
    mvtec.write("bagel/test/hole", "012", rgb=rgb, xyz=scene(1, 40, 56), gt=gt)
    sample = decode_only(MVTec3D(mvtec.root))
    assert (sample.id, sample.category, sample.defect) == ("test/hole/012", "bagel", "hole")
    assert np.array_equal(sample.rgb, rgb)
    assert np.array_equal(sample.xyz, scene(1, 40, 56))
    assert np.argwhere(sample.mask).tolist() == [[3, 4]]
    assert sample.anomalous is True
    assert not sample.plane.any()
    assert (sample.rgb.dtype, sample.xyz.dtype, sample.mask.dtype, sample.plane.dtype) == (
        np.uint8,
        np.float32,
        bool,
        bool,
    )


def test_point_with_one_zero_coordinate_becomes_zero(mvtec, scene: Scene) -> None:
    xyz = scene()
    xyz[5, 6, 1] = 0
    mvtec.write("bagel/train/good", xyz=xyz)
    sample = decode_only(MVTec3D(mvtec.root), "train")
    assert sample.xyz[5, 6].tolist() == [0, 0, 0]
    assert valid_points(sample.xyz).sum() == valid_points(xyz).sum()


@pytest.mark.parametrize("gt", [None, np.zeros((56, 56), np.uint8)], ids=["no mask file", "mask file"])
def test_good_samples_have_an_empty_mask(mvtec, gt: np.ndarray | None) -> None:
    mvtec.write("bagel/test/good", gt=gt)
    sample = decode_only(MVTec3D(mvtec.root))
    assert sample.anomalous is False
    assert sample.mask.shape == (56, 56)
    assert not sample.mask.any()


def test_load_removes_table_and_marks_it(dataset: MVTec3D) -> None:
    for ref in dataset.refs("bagel", "test"):
        raw, sample = dataset.decode(ref), dataset.load(ref)
        masks = clean_masks(raw.xyz)
        assert np.array_equal(sample.xyz[masks.keep], raw.xyz[masks.keep])
        assert not sample.xyz[~masks.keep].any()
        assert np.array_equal(sample.plane, masks.plane)
        assert np.array_equal(sample.blackened, valid_points(raw.xyz) & ~masks.keep)
        assert 0.1 < masks.keep.mean() < 0.5 < masks.plane.mean()
        assert np.array_equal(sample.rgb, raw.rgb)


def test_what_cleaning_loses_is_told(mvtec, scene: Scene) -> None:
    mvtec.write("bagel/train/good", "000")
    beside = scene(2, 60, 70) + np.float32([0.098, 0, 0.0098])  # on the same tilted table
    mvtec.write("bagel/train/good", "001", xyz=np.hstack([scene(1, 60, 70), beside]))
    dataset = MVTec3D(mvtec.root)
    for ref in dataset.refs("bagel", "train"):
        dataset.load(ref)
        if ref.id.endswith("0"):
            assert dataset.notes("bagel") == ()
    (note,) = dataset.notes("bagel")
    assert note.startswith("1 of 2 samples lose more than 20% of their points off the plane")
    sample = dataset.decode(dataset.refs("bagel", "train")[1])
    masks = clean_masks(sample.xyz)
    lost = 1 - masks.keep.sum() / (valid_points(sample.xyz) & ~masks.plane).sum()
    assert f"train/good/001: {lost:.0%}" in note
    assert lost > 0.4


def test_cleaning_twice_changes_nothing(dataset: MVTec3D) -> None:
    once = dataset.load(dataset.refs("bagel", "train")[0])
    twice = dataset.clean(once)
    assert np.array_equal(once.xyz, twice.xyz)
    assert np.array_equal(once.plane, twice.plane)


def test_dataset_is_never_written(dataset: MVTec3D, bagel) -> None:
    def state() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in bagel.root.rglob("*")}

    before = state()
    for split in ("train", "test"):
        for ref in dataset.refs("bagel", split):
            dataset.load(ref)
    assert state() == before


def test_samples_of_a_sequence_are_blind(dataset: MVTec3D) -> None:
    sequence = SampleSequence(dataset, dataset.refs("bagel", "test"))
    for sample in sequence:
        assert sample.mask is None
        assert sample.anomalous is None
        assert sample.defect == ""
        assert "crack" not in sample.id
    assert len(sequence[1:3]) == 2


def test_hidden_and_foreign_files_are_no_samples(dataset: MVTec3D, bagel) -> None:
    folder = bagel.root / "bagel/train/good/rgb"
    for name in ("._000.png", ".DS_Store", "notes.txt", "Thumbs.db"):
        (folder / name).write_bytes(b"x")
    assert len(refs(dataset, "train")) == 3


@pytest.mark.parametrize(
    ("left_out", "alone", "partner"),
    [("xyz", "rgb/000.png", "xyz"), ("rgb", "xyz/000.tiff", "rgb")],
)
def test_file_without_partner_is_named(mvtec, left_out: str, alone: str, partner: str) -> None:
    mvtec.write("bagel/test/hole", "000", **{left_out: None})
    mvtec.write("bagel/test/hole", "001")
    with pytest.raises(DataError) as error:
        MVTec3D(mvtec.root).refs("bagel", "test")
    folder = mvtec.root / "bagel/test/hole"
    facts = (folder / alone, folder / partner, f"'harness data verify {mvtec.root}'")
    assert all(str(fact) in str(error.value) for fact in facts)


def test_several_files_without_partner_are_counted(mvtec) -> None:
    for stem in ("000", "001", "002"):
        mvtec.write("bagel/train/good", stem, xyz=None)
    with pytest.raises(DataError, match=r"000\.png .*and 2 more"):
        MVTec3D(mvtec.root).refs("bagel", "train")


def test_mask_without_image_is_named(mvtec) -> None:
    mvtec.write("bagel/test/hole", "000")
    mvtec.write("bagel/test/hole", "001", rgb=None, xyz=None)
    with pytest.raises(DataError, match=r"gt/001\.png"):
        MVTec3D(mvtec.root).refs("bagel", "test")


def test_image_and_cloud_of_different_size(mvtec, scene: Scene) -> None:
    mvtec.write("bagel/test/hole", rgb=np.zeros((20, 30, 3), np.uint8), xyz=scene(0, 20, 40))
    with pytest.raises(DataError, match=r"rgb/000\.png .*30x20.* .*xyz/000\.tiff .*40x20"):
        decode_only(MVTec3D(mvtec.root))


def test_mask_of_different_size(mvtec) -> None:
    mvtec.write("bagel/test/hole", gt=np.ones((5, 6), np.uint8))
    with pytest.raises(DataError, match=r"gt/000\.png .*6x5.* .*rgb/000\.png .*56x56"):
        decode_only(MVTec3D(mvtec.root))


def test_empty_mask_of_a_defect(mvtec) -> None:
    mvtec.write("bagel/test/hole", gt=np.zeros((56, 56), np.uint8))
    with pytest.raises(DataError, match=r"gt/000\.png marks no pixel"):
        decode_only(MVTec3D(mvtec.root))


def test_cloud_without_a_valid_point(mvtec, scene: Scene) -> None:
    xyz = scene()
    xyz[..., 2] = 0
    mvtec.write("bagel/train/good", xyz=xyz)
    with pytest.raises(DataError, match=r"xyz/000\.tiff has no valid point"):
        decode_only(MVTec3D(mvtec.root), "train")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_cloud_that_is_not_finite(mvtec, scene: Scene, value: float) -> None:
    xyz = scene()
    xyz[2, 3, 1] = value
    mvtec.write("bagel/train/good", xyz=xyz)
    with pytest.raises(DataError, match=r"xyz/000\.tiff .*NaN .*1 pixels"):
        decode_only(MVTec3D(mvtec.root), "train")


@pytest.mark.parametrize("name", ["rgb/000.png", "xyz/000.tiff", "gt/000.png"])
def test_cut_file_is_named_with_what_mends_it(mvtec, name: str) -> None:
    path = mvtec.write("bagel/test/hole") / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError) as error:
        decode_only(MVTec3D(mvtec.root))
    assert str(path) in str(error.value)
    assert f"harness data verify {mvtec.root}" in str(error.value)


@pytest.mark.parametrize("info", [DATASETS["toy"], DATASETS["mvtec3d"]], ids=lambda info: info.name)
def test_nobody_is_told_to_delete_or_to_download_into_a_folder_of_their_own(mvtec, info) -> None:
    (category, *_) = info.categories
    path = mvtec.write(f"{category}/train/good") / "rgb/000.png"
    path.write_bytes(b"")
    mvtec.write(f"{category}/test/hole", xyz=None)
    own = MVTec3D(mvtec.root, info)
    for attempt in (lambda: own.load(own.refs(category, "train")[0]), lambda: own.refs(category, "test")):
        with pytest.raises(DataError) as error:
            attempt()
        said = str(error.value).replace(str(mvtec.root), "")
        assert not any(word in said for word in ("delete", "fetch", "download"))


def test_sample_that_was_removed_is_named(dataset: MVTec3D, bagel) -> None:
    ref = dataset.refs("bagel", "train")[1]
    (bagel.root / "bagel/train/good/rgb/001.png").unlink()
    with pytest.raises(DataError, match=r"rgb/001\.png can't be read .*\(it does not exist\)"):
        dataset.decode(ref)
    (bagel.root / "bagel/train/good/xyz/001.tiff").unlink()
    with pytest.raises(DataError, match="has no sample train/good/001"):
        MVTec3D(bagel.root).decode(ref)


def test_digest_knows_names_and_sizes(bagel, scene: Scene) -> None:
    before = MVTec3D(bagel.root).digest("bagel")
    assert MVTec3D(bagel.root).digest("bagel") == before
    bagel.write("cookie/train/good")
    assert MVTec3D(bagel.root).digest("bagel") == before
    (bagel.root / "bagel/validation/good/rgb/000.png").rename(bagel.root / "bagel/validation/good/rgb/001.png")
    (bagel.root / "bagel/validation/good/xyz/000.tiff").rename(bagel.root / "bagel/validation/good/xyz/001.tiff")
    renamed = MVTec3D(bagel.root).digest("bagel")
    bagel.write("bagel/test/hole", xyz=scene(0, 60, 60), gt=np.ones((60, 60), np.uint8))
    assert len({before, renamed, MVTec3D(bagel.root).digest("bagel")}) == 3


def test_digest_of_the_content_knows_what_the_files_of_some_samples_hold(bagel, dataset: MVTec3D) -> None:
    train, test = dataset.refs("bagel", "train"), dataset.refs("bagel", "test")
    before = [dataset.content_digest(refs) for refs in (train[:1], train, test)]
    assert len(set(before)) == 3
    path = bagel.root / "bagel" / "train" / "good" / "xyz" / "002.tiff"
    path.write_bytes(path.read_bytes()[::-1])
    after = [dataset.content_digest(refs) for refs in (train[:1], train, test)]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]


def test_digest_of_the_content_waits_for_no_pipe_and_names_what_it_cannot_read(bagel, dataset: MVTec3D) -> None:
    refs = dataset.refs("bagel", "train")
    path = bagel.root / "bagel" / "train" / "good" / "xyz" / "001.tiff"
    path.unlink()
    with pytest.raises(DataError, match=r"001\.tiff can't be read"):
        dataset.content_digest(refs)
    os.mkfifo(path)
    with pytest.raises(DataError, match=r"001\.tiff can't be read \(it is not a regular file\)"):
        dataset.content_digest(refs)


def test_digest_is_the_same_in_another_folder(bagel, tmp_path: Path) -> None:
    before = MVTec3D(bagel.root).digest("bagel")
    moved = bagel.root.rename(tmp_path / "moved")
    assert MVTec3D(moved).digest("bagel") == before


def test_broken_link_is_named(dataset: MVTec3D, bagel) -> None:
    path = bagel.root / "bagel/train/good/rgb/001.png"
    path.unlink()
    path.symlink_to(bagel.root / "gone.png")
    with pytest.raises(DataError, match=r"rgb/001\.png can't be read .*\(it does not exist\)"):
        dataset.load(dataset.refs("bagel", "train")[1])
    with pytest.raises(DataError, match=r"rgb/001\.png can't be read \(No such file or directory\)"):
        dataset.digest("bagel")
