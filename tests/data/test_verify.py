import json
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from harness.data.eyecandies import Eyecandies
from harness.data.mvtec3d import MVTec3D
from harness.data.registry import DATASETS
from harness.data.verify import ALL_CATEGORIES, CountRow, verify_dataset
from harness.errors import DataError, UsageError


def messages(root: Path, **options) -> list[str]:
    return [problem.message for problem in verify_dataset(root, **options).problems]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


class TestPairedFolders:
    def test_counts_beside_the_published_ones(self, bagel):
        report = verify_dataset(bagel.root)
        assert (report.dataset, report.root, report.decoded) == ("mvtec3d", bagel.root, 8)
        assert report.problems == ()
        assert report.counts == (
            CountRow("bagel", "train", 3, 244),
            CountRow("bagel", "validation", 1, 22),
            CountRow("bagel", "test", 4, 110),
            CountRow(ALL_CATEGORIES, "train", 3, None),
            CountRow(ALL_CATEGORIES, "validation", 1, None),
            CountRow(ALL_CATEGORIES, "test", 4, None),
        )
        assert report.missing_categories == DATASETS["mvtec3d"].categories[1:]
        assert not report.ok

    def test_totals_are_compared_where_every_category_is_there(self, mvtec):
        for category in DATASETS["mvtec3d"].categories:
            mvtec.write(f"{category}/train/good")
        report = verify_dataset(mvtec.root, fast=True)
        assert report.missing_categories == ()
        assert report.counts[-3:] == (
            CountRow(ALL_CATEGORIES, "train", 10, 2656),
            CountRow(ALL_CATEGORIES, "validation", 0, 294),
            CountRow(ALL_CATEGORIES, "test", 0, 1197),
        )
        assert not any(row.ok for row in report.counts[-3:])

    def test_the_folder_above_is_looked_into(self, bagel):
        assert verify_dataset(bagel.root.parent, "mvtec3d", fast=True).root == bagel.root

    def test_every_unmatched_file_is_named(self, bagel):
        train, hole = bagel.root / "bagel/train/good", bagel.root / "bagel/test/hole"
        (train / "xyz/000.tiff").unlink()
        (train / "rgb/002.png").unlink()
        (hole / "gt/000.png").unlink()
        found = messages(bagel.root)
        assert len(found) == 3
        for message, path, partner in zip(
            found,
            (train / "rgb/000.png", train / "xyz/002.tiff", hole / "rgb/000.png"),
            (train / "xyz", train / "rgb", hole / "gt"),
            strict=True,
        ):
            assert str(path) in message
            assert f"{partner}:" in message
        assert messages(bagel.root, fast=True) == found

    def test_a_mask_alone_is_unmatched(self, bagel):
        bagel.write("bagel/test/hole", "007", rgb=None, xyz=None, gt=np.full((4, 4), 255, np.uint8))
        (message,) = messages(bagel.root)
        assert all(name in message for name in ("gt/007.png", "hole/rgb", "hole/xyz"))

    def test_every_unreadable_file_is_named_also_two_of_one_sample(self, bagel):
        train, hole = bagel.root / "bagel/train/good", bagel.root / "bagel/test/hole"
        bad = [train / "rgb/000.png", train / "xyz/000.tiff", train / "xyz/001.tiff", hole / "gt/000.png"]
        for path in bad:
            cut(path)
        found = messages(bagel.root)
        assert len(found) == len(bad)
        assert all(str(path) in message for path, message in zip(bad, found, strict=True))
        assert messages(bagel.root, fast=True) == []

    @pytest.mark.parametrize(
        ("changes", "complaint"),
        [
            ({"rgb": np.zeros((8, 9, 3), np.uint8)}, "9x8"),
            ({"xyz": np.full((56, 56, 3), np.nan, np.float32)}, "NaN"),
            ({"xyz": np.full((56, 56, 3), np.inf, np.float32)}, "infinite"),
            ({"xyz": np.zeros((56, 56, 3), np.float32)}, "no valid point"),
            ({"gt": np.zeros((56, 56), np.uint8)}, "marks no pixel"),
            ({"gt": np.ones((5, 5), np.uint8)}, "5x5"),
        ],
    )
    def test_files_that_do_not_fit_are_named(self, bagel, changes, complaint):
        bagel.write("bagel/test/hole", "009", **changes)
        found = messages(bagel.root)
        assert len(found) == 1
        assert complaint in found[0]
        assert "009" in found[0]

    def test_doubtful_masks_are_notes(self, bagel):
        soft = np.pad(np.full((6, 6), 255, np.uint8), [(8, 42)] * 2)
        soft[7] = 9
        bagel.write("bagel/test/hole", "001", gt=soft)
        bagel.write("bagel/test/crack", "001", gt=np.full((56, 56), 255, np.uint8))
        report = verify_dataset(bagel.root)
        assert report.problems == ()
        notes = [(note.category, note.split, note.message) for note in report.notes]
        assert len(notes) == 2
        assert all(note[:2] == ("bagel", "test") for note in notes)
        assert any("1 of 4 masks hold other values" in text and "test/hole/001" in text for *_, text in notes)
        assert any("1 of 4 masks mark the whole image" in text and "test/crack/001" in text for *_, text in notes)

    def test_a_distance_of_clusters_that_fits_neither_pixels_nor_object_is_a_note(self, bagel):
        assert verify_dataset(bagel.root).notes == ()
        clouds = {path: tifffile.imread(path) for path in bagel.root.rglob("xyz/*.tiff")}
        for factors, told in (
            ((2, 2, 2), "under 5 pixels, so that objects may fall apart (train/good/000: 6 mm, with 2.3"),
            ((0.2, 0.2, 1), "over a fifth of the object"),
            ((0.3, 0.3, 0.3), "have no point left"),
        ):
            for path, xyz in clouds.items():
                tifffile.imwrite(path, xyz * np.array(factors, np.float32), photometric="rgb")
            (note,) = verify_dataset(bagel.root).notes
            assert (note.category, note.split) == ("bagel", "train")
            assert told in note.message

    def test_defects_are_no_training_samples(self, bagel):
        for stem in ("000", "001"):
            bagel.write("bagel/train/hole", stem)
        report = verify_dataset(bagel.root)
        assert report.counts[0].found == 3
        (note,) = report.notes
        assert (note.split, "2 images" in note.message, "train/hole" in note.message) == ("train", True, True)
        assert [ref.id for ref in MVTec3D(bagel.root).refs("bagel", "train")] == [
            f"train/good/{stem}" for stem in ("000", "001", "002")
        ]

    def test_a_category_that_is_not_official_is_told(self, bagel):
        bagel.write("my_part/train/good")
        (bagel.root / "notes").mkdir()
        assert verify_dataset(bagel.root, fast=True).unofficial == ("my_part",)

    @pytest.mark.parametrize(("kind", "suffix", "twin"), [("rgb", ".png", ".PNG"), ("xyz", ".tiff", ".tif")])
    def test_two_files_of_one_sample_are_both_named(self, bagel, kind, suffix, twin):
        first = bagel.root / "bagel/train/good" / kind / f"000{suffix}"
        second = first.with_suffix(twin)
        second.write_bytes(first.read_bytes())
        (message,) = messages(bagel.root, fast=True)
        assert str(first) in message
        assert str(second) in message
        with pytest.raises(DataError, match="rename"):
            MVTec3D(bagel.root).refs("bagel", "train")

    def test_a_file_of_another_format_in_a_place_is_named(self, bagel):
        folder = bagel.root / "bagel/train/good"
        (folder / "rgb/000.png").rename(folder / "rgb/000.jpg")
        (folder / "rgb/001.png").rename(folder / "rgb/001.bmp")
        (folder / "xyz/001.tiff").rename(folder / "xyz/001.npy")
        (folder / "rgb/preview.jpg").write_bytes(b"")
        first, second = messages(bagel.root, fast=True)
        assert str(folder / "rgb/000.jpg") in first
        assert ".png" in first
        assert str(folder / "rgb/001.bmp") in second
        assert str(folder / "xyz/001.npy") in second

    def test_a_name_that_is_not_utf_8_is_refused_in_words_that_can_be_printed(self, bagel):
        hole = bagel.root / "bagel/test/hole"
        hole.rename(os.fsdecode(os.fsencode(hole.parent) + b"/\xbf\xd7"))
        (message,) = messages(bagel.root)
        assert "not UTF-8" in message
        assert "\\xbf\\xd7" in message
        message.encode()
        with pytest.raises(DataError, match="not UTF-8"):
            MVTec3D(bagel.root).digest("bagel")

    def test_nothing_is_written(self, bagel):
        before = sorted(bagel.root.parent.rglob("*"))
        verify_dataset(bagel.root)
        assert sorted(bagel.root.parent.rglob("*")) == before

    def test_progress_counts_every_sample(self, bagel):
        seen = []
        verify_dataset(bagel.root, progress=lambda *now: seen.append(now))
        assert seen == [("bagel", done, 8) for done in range(1, 9)]

    def test_the_report_is_plain_json(self, bagel):
        (bagel.root / "bagel/train/good/xyz/000.tiff").unlink()
        report = json.loads(json.dumps(verify_dataset(bagel.root).to_json()))
        assert report["ok"] is False
        assert report["problems"][0]["split"] == "train"


@pytest.fixture
def candy(tmp_path) -> Path:
    """A category of the official layout: two training, one validation, two test samples (the second anomalous)."""
    root = tmp_path / "eyecandies"
    for split, stems in (("train", ("000", "001")), ("val", ("00",)), ("test_public", ("00", "01"))):
        for stem in stems:
            write_candy(root / "Confetto" / split / "data" / stem, anomalous=(split, stem) == ("test_public", "01"))
    return root


def write_candy(prefix: Path, *, anomalous: bool) -> None:
    prefix.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(f"{prefix}_image_4.png")
    Image.fromarray(rng.integers(30_000, 30_500, (16, 16)).astype(np.uint16)).save(f"{prefix}_depth.png")
    Image.fromarray(np.full((16, 16), 255 * anomalous, np.uint8)).save(f"{prefix}_mask.png")
    Path(f"{prefix}_info_depth.yaml").write_text("normalization:\n  min: 1.0\n  max: 2.0\n")
    Path(f"{prefix}_metadata.yaml").write_text(f"anomalous: {int(anomalous)}\n")
    np.savetxt(f"{prefix}_pose.txt", np.eye(4))


class TestOfficialEyecandies:
    def test_counts(self, candy):
        report = verify_dataset(candy)
        assert report.problems == ()
        assert (report.dataset, report.decoded) == ("eyecandies", 5)
        assert report.counts[:3] == (
            CountRow("Confetto", "train", 2, 1000),
            CountRow("Confetto", "validation", 1, 100),
            CountRow("Confetto", "test", 2, 50),
        )

    def test_every_missing_part_is_named_and_the_rest_is_still_read(self, candy):
        data = candy / "Confetto/train/data"
        (data / "000_depth.png").unlink()
        (data / "000_pose.txt").unlink()
        (candy / "Confetto/test_public/data/01_mask.png").unlink()
        cut(data / "001_image_4.png")
        found = messages(candy)
        assert len(found) == 3
        assert "000_depth.png, 000_pose.txt" in found[0]
        assert "01_mask.png" in found[1]
        assert str(data / "001_image_4.png") in found[2]

    def test_every_unreadable_part_is_named(self, candy):
        train, test = candy / "Confetto/train/data", candy / "Confetto/test_public/data"
        cut(train / "000_depth.png")
        cut(train / "000_image_4.png")
        (train / "001_info_depth.yaml").write_text("normalization: 3")
        (candy / "Confetto/val/data/00_pose.txt").write_text("1 2 3")
        cut(test / "00_mask.png")
        found = messages(candy)
        assert len(found) == 5
        for name in ("000_depth.png", "000_image_4.png", "001_info_depth.yaml", "00_pose.txt", "00_mask.png"):
            assert sum(name in message for message in found) == 1, name

    def test_what_reading_can_do_without_is_named_too(self, candy):
        """The reader opens such a folder: a nominal test sample without a mask, a mask without any other file."""
        data = candy / "Confetto/test_public/data"
        (data / "00_mask.png").rename(data / "07_mask.png")
        found = messages(candy)
        assert len(found) == 2
        assert "00_mask.png" in found[0]
        assert "07_image_4.png" in found[1]
        assert len(Eyecandies(candy).refs("Confetto", "test")) == 2

    def test_unreadable_metadata_does_not_hide_the_rest(self, candy):
        test = candy / "Confetto/test_public/data"
        (test / "00_metadata.yaml").write_text("{")
        cut(test / "01_mask.png")
        found = messages(candy)
        assert len(found) == 2
        assert "00_metadata.yaml" in found[0]
        assert "01_mask.png" in found[1]

    def test_a_label_that_contradicts_the_mask_is_named(self, candy):
        (candy / "Confetto/test_public/data/00_metadata.yaml").write_text("anomalous: 1\n")
        assert any("00_mask.png marks no pixel" in message for message in messages(candy))

    def test_the_converted_layout(self, tmp_path):
        for split, defect in (("train", "good"), ("test", "good"), ("test", "bad")):
            folder = tmp_path / "Confetto" / split / defect
            for kind in ("rgb", "xyz", "gt"):
                (folder / kind).mkdir(parents=True)
            Image.fromarray(np.ones((9, 9, 3), np.uint8)).save(folder / "rgb" / "000.png")
            Image.fromarray(np.ones((9, 9), np.uint8)).save(folder / "gt" / "000.png")
            tifffile.imwrite(folder / "xyz" / "000.tiff", np.ones((9, 9, 3), np.float32), photometric="rgb")
        (tmp_path / "Confetto/test/bad/xyz/000.tiff").unlink()
        report = verify_dataset(tmp_path)
        assert [row.found for row in report.counts[:3]] == [1, 0, 2]
        assert report.decoded == 2
        assert "bad/rgb/000.png" in report.problems[0].message


@pytest.mark.parametrize("name", [None, "mvtec3d", "eyecandies"])
def test_a_folder_without_a_dataset_is_refused(tmp_path, name):
    (tmp_path / "bagel").mkdir()
    with pytest.raises(UsageError, match="holds no"):
        verify_dataset(tmp_path, name)
    with pytest.raises(UsageError, match="holds no"):
        verify_dataset(tmp_path / "nowhere", name)


def test_an_unknown_dataset_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no dataset 'mvtec'"):
        verify_dataset(tmp_path, "mvtec")
