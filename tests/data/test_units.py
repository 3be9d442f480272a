from __future__ import annotations

import math
import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from harness.contract import Sample
from harness.data.eyecandies import Eyecandies
from harness.data.fields import with_fields
from harness.data.mvtec3d import MVTec3D
from harness.data.open import open_dataset
from harness.data.units import cluster_doubts, decode_in_metres, require_metres, scale_of
from harness.data.verify import verify_dataset
from harness.errors import DataError
from harness.geometry import valid_points


def sheet(step: float = 1e-3, shape: tuple[int, int] = (40, 60), distance: float = 0.4) -> np.ndarray:
    """A wavy sheet at some distance, its pixels a step apart, with missing points."""
    rows, columns = np.indices(shape, dtype=np.float64)
    z = distance + step * 0.1 * np.sin(columns)
    xyz = np.stack([(columns + 0.5) * step, (rows + 0.5) * step, z], axis=-1)
    xyz[5:8, 10:20] = 0
    return xyz.astype(np.float32)


def sample(xyz: np.ndarray) -> Sample:
    shape = xyz.shape[:2]
    return Sample("a", "c", "good", np.zeros((*shape, 3), np.uint8), xyz, np.zeros(shape, bool))


@given(step=st.floats(2e-6, 5e-3), height=st.integers(2, 400), width=st.integers(2, 400))
def test_step_and_diagonal_are_those_of_the_scene(step: float, height: int, width: int) -> None:
    scale = scale_of(sheet(step, (height, width)))
    assert scale.step == pytest.approx(step, rel=0.05)
    assert 0.9 * step * (math.hypot(height, width) - 4) <= scale.diagonal <= 1.01 * step * math.hypot(height, width)


def test_the_step_of_an_enlarged_cloud_is_that_of_its_points() -> None:
    enlarged = np.repeat(np.repeat(sheet(1e-3), 3, axis=0), 3, axis=1)
    assert scale_of(enlarged).step == pytest.approx(1e-3, rel=0.05)


def test_stray_points_decide_nothing() -> None:
    xyz = sheet()
    plain = scale_of(xyz)
    xyz[20, ::10] = 900
    assert scale_of(xyz).step == pytest.approx(plain.step, rel=0.01)
    assert scale_of(xyz).diagonal == pytest.approx(plain.diagonal, rel=0.1)


def test_a_mask_says_where_points_are() -> None:
    xyz = sheet()
    for nothing in (77, np.inf, np.nan):
        xyz[5:8, 10:20] = nothing
        with np.errstate(all="raise"):
            assert scale_of(xyz, np.abs(xyz[..., 2]) < 1).plausible


@pytest.mark.parametrize("xyz", [np.zeros((5, 6, 3), np.float32), np.pad(np.ones((1, 1, 3)), [(2, 2), (3, 3), (0, 0)])])
def test_a_cloud_of_too_few_points_tells_nothing(xyz: np.ndarray) -> None:
    assert math.isnan(scale_of(xyz).step)
    require_metres(sample(xyz.astype(np.float32)), "a", "mend it")


@given(missing=st.sampled_from(["checkerboard", "columns", "few rows"]), factor=st.sampled_from([1.0, 1000.0]))
def test_points_without_neighbours_have_a_size(missing: str, factor: float) -> None:
    rows, columns = np.indices((400, 300))
    gone = {
        "checkerboard": (rows + columns) % 2 == 0,
        "columns": (columns % 2 == 0) | (rows % 2 == 0),
        "few rows": (rows % 12 != 1) | (columns % 2 == 0),  # where rows are left out, these are
    }[missing]
    xyz = sheet(5e-5, gone.shape, distance=1e-3) * np.float32(factor)
    xyz[gone] = 0
    scale = scale_of(xyz)
    assert math.isnan(scale.step)
    assert scale.diagonal == pytest.approx(5e-5 * factor * math.hypot(*gone.shape), rel=0.05)
    told = pytest.raises(DataError, match="an unknown length apart, all points span 2")
    with nullcontext() if factor == 1 else told:
        require_metres(sample(xyz), "a", "mend it")


def test_reading_that_is_timed_looks_at_no_unit(bagel, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = MVTec3D(bagel.root)
    measured = []
    monkeypatch.setattr("harness.data.units.scale_of", lambda *a: measured.append(a) or scale_of(*a))
    refs = dataset.refs("bagel", "test")
    for ref in refs:
        dataset.decode(ref)
    assert not measured
    decode_in_metres(dataset, refs[0], "mend it")
    assert len(measured) == 1


@pytest.mark.parametrize("step", [0.02e-3, 0.1e-3, 0.3e-3, 1e-3, 5e-3])
@pytest.mark.parametrize("shape", [(200, 300), (1000, 1200)])
def test_millimetres_and_micrometres_never_pass_as_metres(step: float, shape: tuple[int, int]) -> None:
    xyz = sheet(step, shape)
    require_metres(sample(xyz), "a.tiff", "mend it")
    for factor in (1e3, 1e6):
        with pytest.raises(DataError, match=r"a\.tiff can't be in metres: .* apart, .*Is `unit` right\?.*mend it\."):
            require_metres(sample((xyz * np.float32(factor)).astype(np.float32)), "a.tiff", "mend it")
    with pytest.raises(DataError, match="can't be in metres"):
        require_metres(sample((xyz * np.float32(1e-6)).astype(np.float32)), "a.tiff", "mend it")


def test_the_figures_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pixels are 1 m apart, all points span 7\d(\.\d)? m, .* at 400 m"):
        require_metres(sample((sheet() * 1000).astype(np.float32)), "a", "mend it")


def test_a_reader_names_the_file_and_verify_every_one_of_them(bagel) -> None:
    for path in (bagel.root / "bagel").glob("*/good/xyz/000.tiff"):
        tifffile.imwrite(path, tifffile.imread(path) * np.float32(1000), photometric="rgb")
    dataset = MVTec3D(bagel.root)
    wrong, right = dataset.refs("bagel", "train")[:2]
    for opened in (dataset, with_fields(dataset, ["measured"])):
        with pytest.raises(DataError, match=r"train/good/xyz/000\.tiff can't be in metres.*harness data verify"):
            decode_in_metres(opened, wrong, "mend it")
        assert valid_points(decode_in_metres(opened, right, "mend it").xyz).any()
    found = sorted(problem.message for problem in verify_dataset(bagel.root).problems)
    assert len(found) == 3
    for folder, sentence in zip(("test", "train", "validation"), found, strict=True):
        assert f"{folder}/good/xyz/000.tiff can't be in metres" in sentence


def test_samples_of_any_reader_are_looked_at(bagel) -> None:
    class Millimetres:
        offered = ("rgb", "depth", "xyz")

        def decode(self, ref: object) -> Sample:
            return sample((sheet() * 1000).astype(np.float32))

        def modalities(self, category: str) -> tuple[str, ...]:
            return self.offered

    class DepthAlone(Millimetres):
        offered = ("rgb", "depth")

    ref = MVTec3D(bagel.root).refs("bagel", "train")[0]
    with pytest.raises(DataError, match="Sample bagel/train/good/000 can't be in metres"):
        decode_in_metres(Millimetres(), ref, "mend it")
    assert decode_in_metres(DepthAlone(), ref, "mend it").xyz.max() > 100


def test_the_distance_of_clusters_is_compared_with_pixels_and_object() -> None:
    fine = sheet(0.5e-3, (80, 80))
    assert cluster_doubts(fine, 0.006) == {}
    (few,) = cluster_doubts(sheet(1.5e-3, (80, 80)), 0.006).items()
    assert "under 5 pixels" in few[0]
    assert "6 mm, with 1.5" in few[1]
    (large,) = cluster_doubts(sheet(0.1e-3, (80, 80)), 0.006).items()
    assert "over a fifth of the object" in large[0]
    assert "an object of 1" in large[1]
    assert cluster_doubts(np.zeros_like(fine), 0.006) == {}


def test_the_toy_dataset_passes() -> None:
    dataset = open_dataset("toy", None)
    for category in dataset.categories:
        for ref in dataset.refs(category, "test"):
            assert scale_of(dataset.decode(ref).xyz).plausible


@pytest.mark.data
@pytest.mark.skipif("HARNESS_TEST_DATA" not in os.environ, reason="needs HARNESS_TEST_DATA")
def test_real_eyecandies_passes_and_its_thousandfold_does_not() -> None:
    dataset = Eyecandies(Path(os.environ["HARNESS_TEST_DATA"]) / "eyecandies")
    for ref in dataset.refs("CandyCane", "test")[:4]:
        read = dataset.decode(ref)
        assert cluster_doubts(dataset.clean(read).xyz, 0.006) == {}
        with pytest.raises(DataError, match="can't be in metres"):
            require_metres(replace(read, xyz=read.xyz * np.float32(1000)), "a", "mend it")
