"""Real-IAD D3 from made archives: read without unpacking, in the declared unit, on a grid of bounded size."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from realiad_archives import MM, SIDE, Made, encoded, refusal
from report_records import make_cell
from samples import make_sample

from harness.contract import MODALITIES
from harness.data.open import dataset_in, open_dataset
from harness.data.realiad import RealIADD3
from harness.data.verify import verify_dataset
from harness.errors import UsageError
from harness.geometry import valid_points
from harness.running.new_samples import SampleReader
from harness.store.fitted import Origin


@pytest.fixture
def made() -> Made:
    return Made().fill()


@pytest.mark.parametrize("zipped", [False, True])
def test_samples_are_read_from_the_archives_in_the_declared_unit(made: Made, tmp_path: Path, zipped: bool) -> None:
    root = made.write(tmp_path / "realiad_d3", zipped=zipped)
    before = sorted(root.rglob("*"))
    dataset = open_dataset("realiad_d3", root.parent)
    assert dataset_in(root) == "realiad_d3"
    assert (dataset.categories, dataset.unofficial, dataset.modalities("knob_cap")) == (("knob_cap",), (), MODALITIES)
    train, test = dataset.refs("knob_cap", "train"), dataset.refs("knob_cap", "test")
    assert [ref.id for ref in train] == [f"train/OK/S{number:04d}/knob_{number:04d}" for number in range(1, 5)]
    assert sorted(ref.defect for ref in test) == ["good", "good", "pit", "scratch"]
    assert len(dataset.refs("knob_cap", "validation")) == 1

    sample = dataset.load(train[0])
    expected = make_sample(0, height=SIDE, width=SIDE, radius=24).xyz
    assert np.allclose(sample.xyz, expected, atol=1e-6)
    assert np.array_equal(valid_points(sample.xyz), valid_points(expected))
    assert sample.rgb.dtype == np.uint8
    masks = {ref.defect: int(dataset.decode(ref).mask.sum()) for ref in test}
    assert masks == {"good": 0, "pit": 64, "scratch": 64}
    assert sorted(root.rglob("*")) == before


def test_nothing_is_read_before_the_unit_is_declared(made: Made, tmp_path: Path) -> None:
    root = made.write(tmp_path, declaration=None)
    assert all(text in refusal(root) for text in (str(root / "realiad_d3.toml"), "unit"))
    report = verify_dataset(root)
    assert [problem.category for problem in report.problems] == ["knob_cap"]
    for wrong in (
        'unit = "mm"',
        '[cloud]\nunit = "inch"',
        "[cloud]\nunit = -1",
        "[cloud]\nunit = nan",
        MM + "scale = 1",
    ):
        (root / "realiad_d3.toml").write_text(wrong)
        assert str(root / "realiad_d3.toml") in refusal(root)


def test_the_unit_is_part_of_what_a_cell_is(made: Made, tmp_path: Path) -> None:
    first = RealIADD3(made.write(tmp_path))
    sample = first.decode(first.refs("knob_cap", "train")[0])
    second = RealIADD3(made.write(tmp_path, '[cloud]\nunit = "cm"\n'))
    assert np.allclose(second.decode(second.refs("knob_cap", "train")[0]).xyz, sample.xyz * 10, atol=1e-5)
    third = RealIADD3(made.write(tmp_path, "[cloud]\nunit = 0.001\n"))
    assert first.digest("knob_cap") == third.digest("knob_cap") != second.digest("knob_cap")


@pytest.mark.parametrize("unit", ["m", "um"])
def test_a_unit_that_cannot_be_is_refused_with_the_figures(made: Made, tmp_path: Path, unit: str) -> None:
    text = refusal(made.write(tmp_path, f'[cloud]\nunit = "{unit}"\n'))
    assert all(part in text for part in ("knob-cap.zip", "pixels are", str(tmp_path / "realiad_d3.toml")))
    dataset = RealIADD3(tmp_path)
    dataset.decode(dataset.refs("knob_cap", "test")[0])  # which is timed


def test_new_files_are_read_and_cleaned_as_those_of_the_archive(tmp_path: Path) -> None:
    made = Made(height=1100, width=1040).fill()
    dataset = RealIADD3(made.write(tmp_path))
    origin = Origin.from_json(json.loads(json.dumps(Origin.of(dataset, "knob_cap").to_json())))
    assert origin == Origin.of(dataset, "knob_cap")
    ref = dataset.refs("knob_cap", "test")[0]
    seen, paths = dataset.load(ref), [tmp_path / f"new{suffix}" for suffix in (".jpg", ".tiff")]
    for path in paths:
        name = made.prefix + ref.id.removeprefix("test/") + path.suffix
        path.write_bytes(made.files[name])
    new = SampleReader(tmp_path / "fitted", make_cell("cfm"), origin).read(*paths).sample
    assert new.rgb.shape == (1024, 968, 3)
    assert all(np.array_equal(getattr(new, name), getattr(seen, name)) for name in ("rgb", "xyz", "plane"))


def test_large_samples_are_made_smaller_and_this_is_told(tmp_path: Path) -> None:
    made = Made(height=1100, width=2050).fill()
    dataset = RealIADD3(made.write(tmp_path))
    (ref,) = (ref for ref in dataset.refs("knob_cap", "test") if ref.defect == "pit")
    sample = dataset.decode(ref)
    assert sample.rgb.shape == (549, 1024, 3)
    assert sample.xyz.shape == sample.rgb.shape
    assert sample.mask.shape == sample.rgb.shape[:2]
    whole = np.asarray(Image.open(io.BytesIO(made.files[next(n for n in made.files if "pit" in n and "jpg" in n)])))
    assert abs(sample.rgb.mean() - whole.mean()) < 1
    assert 12 <= sample.mask.sum() <= 20
    assert any("2050x1100 to 1024x549" in note for note in dataset.notes("knob_cap"))


def test_a_mask_of_one_pixel_is_not_lost(tmp_path: Path) -> None:
    made = Made(height=40, width=4000).fill()
    name = next(name for name in made.files if "pit" in name and name.endswith("png"))
    mask = np.zeros((40, 4000), np.uint8)
    mask[0, 0] = 255
    made.files[name] = encoded(mask, "png")
    dataset = RealIADD3(made.write(tmp_path))
    (ref,) = (ref for ref in dataset.refs("knob_cap", "test") if ref.defect == "pit")
    assert np.argwhere(dataset.decode(ref).mask).tolist() == [[0, 0]]


@pytest.mark.parametrize("value", [None, ""])
def test_an_anomalous_sample_without_a_mask_is_one(made: Made, tmp_path: Path, value: str | None) -> None:
    made.lists["test"][3]["mask_path"] = value
    dataset = RealIADD3(made.write(tmp_path))
    (ref,) = (ref for ref in dataset.refs("knob_cap", "test") if ref.defect == "pit")
    sample = dataset.decode(ref)
    assert (sample.mask, sample.anomalous) == (None, True)
    assert any("1 of 2 anomalous samples have no mask" in note for note in dataset.notes("knob_cap"))


@pytest.mark.parametrize("fault", ["size", "empty"])
def test_a_mask_of_another_size_or_without_a_pixel_is_refused(made: Made, tmp_path: Path, fault: str) -> None:
    name = next(name for name in made.files if "pit" in name and name.endswith("png"))
    made.files[name] = encoded(
        np.full((SIDE, SIDE // 2), 255, np.uint8) if fault == "size" else np.zeros((SIDE, SIDE), np.uint8), "png"
    )
    assert name in refusal(made.write(tmp_path))


def test_grids_that_differ_are_refused_until_they_are_declared_to_be_one_view(tmp_path: Path) -> None:
    made = Made(cloud_scale=2).fill()
    text = refusal(made.write(tmp_path))
    assert all(part in text for part in ("64x64", "32x32", "registered = true"))
    dataset = RealIADD3(made.write(tmp_path, MM + "[rgb]\nregistered = true\n"))
    sample = dataset.decode(dataset.refs("knob_cap", "test")[0])
    assert sample.rgb.shape == sample.xyz.shape == (32, 32, 3)
    name = next(name for name in made.files if name.endswith("tiff") and "OK/S0001" in name)
    made.files[name] = encoded(np.ones((32, 20, 3), np.float32), "tiff")
    assert "same view" in refusal(made.write(tmp_path, MM + "[rgb]\nregistered = true\n"), "train")


def test_what_is_not_finite_is_missing_and_a_coordinate_of_zero_is_not(made: Made, tmp_path: Path) -> None:
    xyz = np.stack([*np.mgrid[1 : SIDE + 1, 1 : SIDE + 1], np.full((SIDE, SIDE), 500)], -1).astype(np.float32)
    xyz[0, 0, 1], xyz[0, 1, 2], xyz[0, 2], xyz[0, 3, 0] = np.nan, np.inf, 0, 0
    for name in made.files:
        if name.endswith("tiff"):
            made.files[name] = encoded(xyz, "tiff")
    dataset = RealIADD3(made.write(tmp_path))
    valid = valid_points(dataset.decode(dataset.refs("knob_cap", "train")[0]).xyz)
    assert valid[0, :5].tolist() == [False, False, False, True, True]
    for name in made.files:
        if name.endswith("tiff"):
            made.files[name] = encoded(xyz * np.float32(np.nan), "tiff")
    assert "no valid point" in refusal(made.write(tmp_path))


def test_litter_of_macos_is_no_sample_and_no_category(made: Made, tmp_path: Path) -> None:
    made.files |= {"__MACOSX/knob-cap/._x.jpg": b"\0", "knob-cap/.DS_Store": b"\0", "knob-cap/OK/._a.jpg": b"\0"}
    root = made.write(tmp_path)
    for name in ("realiad_d3_raw/._knob-cap.zip", "realiad_d3_jsons/._knob-cap.json"):
        (root / name).write_bytes(b"\0\5\26\7")
    (root / "realiad_d3_raw/__MACOSX").mkdir()
    dataset = RealIADD3(root)
    assert (dataset.categories, dataset.unofficial) == (("knob_cap",), ())
    assert verify_dataset(root).problems == ()


@pytest.mark.parametrize(("archive", "lists"), [("knob-cap", "knob_cap"), ("knob_cap", "knob-cap")])
def test_hyphens_and_underscores_are_one_name(made: Made, tmp_path: Path, archive: str, lists: str) -> None:
    root = made.write(tmp_path)
    (root / "realiad_d3_raw/knob-cap.zip").rename(root / f"realiad_d3_raw/{archive}.zip")
    (root / "realiad_d3_jsons/knob-cap.json").rename(root / f"realiad_d3_jsons/{lists}.json")
    dataset = RealIADD3(root)
    assert len(dataset.refs("knob_cap", "train")) == 4
    with pytest.raises(UsageError, match="knob_cap"):
        dataset.refs("knob-cap", "train")


@pytest.mark.parametrize("prefix", ["", "knob-cap", "./knob-cap/", "data\\knob-cap\\"])
def test_members_are_found_below_the_prefix_however_it_is_written(tmp_path: Path, prefix: str) -> None:
    made = Made(prefix=prefix).fill()
    if prefix == "knob-cap":
        made.files = {name.replace("knob-cap", "knob-cap/", 1): content for name, content in made.files.items()}
    assert verify_dataset(made.write(tmp_path)).problems == ()
