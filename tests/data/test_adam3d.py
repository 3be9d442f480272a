"""3D-ADAM in anomalib's layout, on made files: what its clouds hold decides which methods may run."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from samples import make_sample

from harness.conformance import READER_CHECKS
from harness.conformance.reading import ReaderSubject
from harness.conformance.suite import run_checks
from harness.contract import MODALITIES
from harness.data.adam3d import Adam3D
from harness.data.open import dataset_in, open_dataset
from harness.data.splits import load_split
from harness.data.verify import verify_dataset
from harness.dataset_contract import SampleRef
from harness.errors import DataError
from harness.plan.planning import make_plan
from harness.plan.selection import Selection
from harness.running.events import EventWriter
from harness.running.worker import run_cells
from harness.store.store import Store

SIDE = 64
SAMPLES = {
    "train/good": ("000_A", "001_A", "002_B", "003_C"),
    "validation/good": ("000_D", "001_D"),
    "test/cuts": ("000_E", "001_F"),
}


def write_adam3d(root: Path, category: str = "1m1", *, depth: bool = True, masks: str = "ground_truth") -> Path:
    """Write a category: depth in three channels from 0 to 1, or points in metres; no good sample in the test set."""
    for folder, stems in SAMPLES.items():
        for index, stem in enumerate(stems):
            sample = make_sample(index + len(folder), height=SIDE, width=SIDE, radius=24)
            z = sample.xyz[..., 2]
            scaled = np.where(z > 0, (z - 0.45) / 0.1, 0).astype(np.float32)
            rgb, mask = sample.rgb.copy(), np.zeros((SIDE, SIDE), np.uint8)
            if "good" not in folder:
                rgb[28:36, 28:36], mask[28:36, 28:36] = 255, 255
            for kind in ("rgb", "xyz", masks):
                (root / category / folder / kind).mkdir(parents=True, exist_ok=True)
            alpha = np.full((SIDE, SIDE, 1), 255, np.uint8)
            Image.fromarray(np.concatenate([rgb, alpha], 2)).save(root / category / folder / f"rgb/{stem}.png")
            cloud = np.repeat(scaled[..., None], 3, 2) if depth else sample.xyz
            tifffile.imwrite(root / category / folder / f"xyz/{stem}.tiff", cloud, photometric="rgb")
            Image.fromarray(mask).save(root / category / folder / f"{masks}/{stem}.png")
    (root / category / "calibration").mkdir()
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_adam3d(tmp_path / "adam3d_cropped")


def test_it_is_found_below_its_published_name_and_by_its_content(root: Path) -> None:
    assert open_dataset("adam3d", root.parent).root == root
    assert dataset_in(root) == "adam3d"
    (root / "4m3").mkdir()
    (root / "1m1").rename(root / "4m3/x")
    assert Adam3D.find(root) is None


@pytest.mark.parametrize("masks", ["gt", "ground_truth"])
def test_masks_lie_in_a_folder_of_either_name_and_those_of_good_samples_are_not_read(
    tmp_path: Path, masks: str
) -> None:
    dataset = Adam3D(write_adam3d(tmp_path, masks=masks))
    (tmp_path / "1m1/train/good" / masks / "000_A.png").write_bytes(b"no image")
    assert [int(dataset.decode(ref).mask.sum()) for ref in dataset.refs("1m1", "test")] == [64, 64, 0, 0]
    assert not any(dataset.decode(ref).mask.any() for ref in dataset.refs("1m1", "train"))


def test_two_folders_of_masks_give_a_sample_two_masks(root: Path) -> None:
    (root / "1m1/test/cuts/gt").mkdir()
    (root / "1m1/test/cuts/gt/000_E.png").write_bytes((root / "1m1/test/cuts/ground_truth/000_E.png").read_bytes())
    with pytest.raises(DataError, match="go by one name"):
        Adam3D(root).refs("1m1", "test")


def test_alpha_is_dropped(root: Path) -> None:
    dataset = Adam3D(root)
    path = root / "1m1/train/good/rgb/000_A.png"
    assert Image.open(path).mode == "RGBA"
    expected = np.asarray(Image.open(path))[..., :3]
    assert np.array_equal(dataset.decode(dataset.refs("1m1", "train")[0]).rgb, expected)


def test_good_validation_samples_stand_in_where_the_test_set_has_none_and_this_is_told(root: Path) -> None:
    dataset = Adam3D(root)
    test = dataset.refs("1m1", "test")
    assert [(ref.id, ref.defect) for ref in test] == [
        ("test/cuts/000_E", "cuts"),
        ("test/cuts/001_F", "cuts"),
        ("validation/good/000_D", "good"),
        ("validation/good/001_D", "good"),
    ]
    assert dataset.refs("1m1", "validation") == ()
    assert [dataset.decode(ref).anomalous for ref in test] == [True, True, False, False]
    assert any("2 of the validation set" in note for note in dataset.notes("1m1"))
    report = verify_dataset(root)
    assert report.decoded == 8
    assert any("2 of the validation set" in note.message for note in report.notes)

    before = Adam3D(root).digest("1m1")
    (root / "1m1/validation/good").rename(root / "1m1/test/good")
    assert [ref.id for ref in Adam3D(root).refs("1m1", "test") if ref.defect == "good"] == [
        "test/good/000_D",
        "test/good/001_D",
    ]
    assert not any("validation" in note for note in Adam3D(root).notes("1m1"))
    assert Adam3D(root).digest("1m1") != before


def test_a_depth_in_three_channels_is_told_and_offers_no_points(root: Path) -> None:
    dataset = Adam3D(root)
    assert dataset.modalities("1m1") == ("rgb", "depth")
    sample = dataset.load(dataset.refs("1m1", "train")[0])
    assert (sample.xyz[..., 0] == sample.xyz[..., 2]).all()
    assert not sample.plane.any()
    assert 0 < sample.xyz.max() <= 1
    assert any("1 of 1 clouds hold one value a pixel three times" in note for note in dataset.notes("1m1"))
    assert any(
        "8 of 8 clouds" in note.message or "4 of 4 clouds" in note.message for note in verify_dataset(root).notes
    )


def test_points_in_metres_are_cleaned_and_offer_everything(tmp_path: Path) -> None:
    dataset = Adam3D(write_adam3d(tmp_path, depth=False))
    assert dataset.modalities("1m1") == MODALITIES
    raw = dataset.decode(dataset.refs("1m1", "train")[0])
    assert 0.4 < raw.xyz[..., 2].max() < 0.6
    dataset.load(dataset.refs("1m1", "train")[0])
    assert not any("clouds" in note for note in dataset.notes("1m1"))


@pytest.mark.parametrize("depth", [True, False])
def test_one_category_holds_one_kind_of_cloud(tmp_path: Path, depth: bool) -> None:
    root = write_adam3d(tmp_path / "one", depth=depth)
    other = write_adam3d(tmp_path / "other", depth=not depth) / "1m1/test/cuts/xyz/001_F.tiff"
    path = root / "1m1/test/cuts/xyz/001_F.tiff"
    path.write_bytes(other.read_bytes())
    (message,) = {problem.message for problem in verify_dataset(root).problems}
    assert message.startswith(str(path))


def test_a_depth_may_have_any_unit_but_no_nan(root: Path) -> None:
    def scaled(factor: float) -> None:
        for path in (root / "1m1").rglob("*.tiff"):
            tifffile.imwrite(path, tifffile.imread(path) * np.float32(factor), photometric="rgb")

    scaled(5000)
    dataset = Adam3D(root)
    assert dataset.decode(dataset.refs("1m1", "train")[0]).xyz.max() > 400
    scaled(np.nan)
    with pytest.raises(DataError, match="NaN"):
        Adam3D(root).decode(dataset.refs("1m1", "train")[0])


@pytest.fixture
def compressed(root: Path) -> Path:
    """The first cloud says that it is compressed by LZW."""
    path = root / "1m1/train/good/xyz/000_A.tiff"
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["Compression"].overwrite(5)
    return path


def test_lzw_without_its_package_is_one_sentence_before_anything_runs(
    compressed: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = "requires the 'imagecodecs' package"

    def decode(*arguments: object, **options: object) -> None:
        raise ValueError(f"<COMPRESSION.LZW: 5> {absent}")

    if "imagecodecs" in sys.modules:
        monkeypatch.setattr(tifffile.TiffPage, "decode", property(lambda page: decode))
    with pytest.raises(DataError, match="pip install imagecodecs") as caught:
        Adam3D(root).modalities("1m1")
    assert str(compressed) in str(caught.value)


def test_clouds_compressed_by_lzw_are_read(root: Path) -> None:
    pytest.importorskip("imagecodecs")
    dataset = Adam3D(root)
    before = [dataset.decode(ref).xyz for ref in dataset.refs("1m1", "train")]
    for path in (root / "1m1").rglob("*.tiff"):
        tifffile.imwrite(path, tifffile.imread(path), photometric="rgb", compression="lzw")
    again = Adam3D(root)
    assert again.modalities("1m1") == ("rgb", "depth")
    for ref, xyz in zip(again.refs("1m1", "train"), before, strict=True):
        assert np.array_equal(again.decode(ref).xyz, xyz)


def test_few_shot_lists_take_another_part_each_time(root: Path) -> None:
    dataset = Adam3D(root)
    for name in ("first", "0", "1"):
        chosen = load_split(dataset, "1m1", 3, name).ids
        assert sorted(chosen_id[-1] for chosen_id in chosen) == ["A", "B", "C"]


@given(st.integers(0, 999), st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=2))
def test_the_end_of_a_name_is_the_part(number: int, part: str) -> None:
    ref = SampleRef("1m1", f"train/good/{number:03d}_{part}", "train", "good")
    assert Adam3D(Path()).instance(ref) == part
    plain = SampleRef("1m1", f"train/good/{number:03d}", "train", "good")
    assert Adam3D(Path()).instance(plain) == plain.id


def test_methods_of_points_are_unsupported_before_anything_runs(root: Path, tmp_path: Path) -> None:
    texts = (
        *("cfm-t", "btf", "btf[features=sift]", "m3dm[banks=rgb]", "m3dm[banks=xyz]", "patchcore-rgb", "patchcore-xyz"),
        *("ast", "ast[foreground=corners]", "inp-former"),
    )
    selection = Selection(texts, "adam3d", root, shots=(1,), preset="quick", weights="random")
    store = Store(tmp_path / "results")
    jobs = {job.cell.label: job for job in make_plan(selection, store).to_run}
    assert {label: bool(job.unsupported) for label, job in jobs.items()} == {
        "cfm-t": True,
        "btf": True,
        "btf[features=sift]": False,
        "m3dm[banks=rgb]": False,
        "m3dm[banks=xyz]": True,
        "patchcore-rgb": False,
        "patchcore-xyz": True,
        "ast": False,
        "ast[foreground=corners]": True,
        "inp-former": False,
    }
    assert not any(planned.job.unsupported for planned in make_plan(_with_points(selection, tmp_path), store).cells)

    record = next(run_cells(jobs["btf"], EventWriter(io.StringIO())))
    assert record.status == "unsupported"
    assert "1m1" in record.reason


def _with_points(selection: Selection, folder: Path) -> Selection:
    return replace(selection, data=write_adam3d(folder / "points", depth=False))


def test_methods_of_image_and_depth_are_measured_and_their_records_say_what_they_saw(
    harness, root: Path, records
) -> None:
    run = harness("run", "--methods", "colour-distance,cfm-t", "--data", root, "--shots", "full", "--weights", "random")
    assert run.returncode == 3, run.stderr
    found = {one["cell"]["method"]: one for one in records()}
    assert {name: one["status"] for name, one in found.items()} == {"colour-distance": "ok", "cfm-t": "unsupported"}
    notes = " ".join(found["colour-distance"]["notes"])
    assert "three times" in notes
    assert "validation set" in notes
    assert found["colour-distance"]["samples"] == {"train": 4, "test": 4, "validation": None}


@pytest.mark.parametrize("depth", [True, False])
def test_a_picture_says_millimetres_of_points_alone(harness, tmp_path: Path, depth: bool) -> None:
    shown = harness("data", "show", write_adam3d(tmp_path / "3D-ADAM", depth=depth), "--to", "one.svg")
    assert shown.returncode == 0, shown.stderr
    said = (tmp_path / "one.svg").read_text("utf-8")
    assert (" mm" in said, "without unit" in said) == (not depth, depth)


@pytest.mark.parametrize("depth", [True, False])
def test_the_suite_of_readers_passes_on_either_kind_of_cloud(tmp_path: Path, depth: bool) -> None:
    subject = ReaderSubject("adam3d", Adam3D, write_adam3d(tmp_path, depth=depth))
    outcomes = {one.check: one.sentence for one in run_checks(READER_CHECKS, subject) if one.status != "pass"}
    assert outcomes == {}
