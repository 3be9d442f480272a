from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cloud_files import columns_of, pcd, ply
from hypothesis import given
from hypothesis import strategies as st
from own_files import CLOUDS, describe, write
from own_files import SUFFIXES as ENDS
from PIL import Image
from report_records import make_cell

from harness.data.clouds.cloud import SUFFIXES, read_cloud
from harness.data.own.description import Camera, CloudDescription, Grid
from harness.data.own.reader import OwnDataset
from harness.data.pinhole import Pinhole
from harness.data.verify import verify_dataset
from harness.errors import DataError
from harness.running.new_samples import SampleReader
from harness.store.fitted import Origin

SIZE = (24, 32)
RNG = np.random.default_rng(0)
CAMERA = {"fx": 90.0, "fy": 95.0, "cx": 15.5, "cy": 11.25}
DEPTH = RNG.integers(300, 900, SIZE).astype(np.uint16)
DEPTH[3, 4:9] = 0
POINTS = Pinhole(**CAMERA).points(DEPTH)
GONE = DEPTH == 0
METRES = np.where(GONE[..., None], 0, POINTS / 1000).astype(np.float32)
WITH_NAN = np.where(GONE[..., None], np.nan, POINTS)


def written(folder: Path, kind: str) -> Path:
    """The same cloud as a camera writes it in each format, in millimetres."""
    path = folder / f"a.{kind}"
    match kind:
        case "pcd":
            path.write_bytes(pcd(columns_of(WITH_NAN.astype(np.float32)), "binary_compressed"))
        case "ply":
            path.write_bytes(ply(columns_of(WITH_NAN.astype(np.float32)), "binary_big_endian"))
        case "tiff":
            tifffile.imwrite(path, WITH_NAN.astype(np.float32), photometric="rgb")
        case "npy":
            np.save(path, np.where(GONE[..., None], 0, POINTS).transpose(2, 0, 1))
        case "npz":
            np.savez(path, np.where(GONE[..., None], np.inf, POINTS))
        case "png":
            Image.fromarray(DEPTH).save(path)
    return path


KINDS = {"pcd": "pcd", "ply": "ply", "tiff": "xyz", "npy": "xyz", "npz": "xyz", "png": "depth"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inline", [True, False])
def test_every_format_gives_the_same_cloud(tmp_path: Path, kind: str, inline: bool) -> None:
    (tmp_path / "camera.json").write_text(json.dumps(CAMERA | {"width": 32, "height": 24}))
    camera = Camera(**CAMERA) if inline else Camera(file="camera.json")
    described = CloudDescription(unit="mm", kind=KINDS[kind], camera=camera)
    xyz = read_cloud(written(tmp_path, kind), SIZE, described, None if inline else tmp_path / "camera.json")
    assert xyz.dtype == np.float32
    assert np.array_equal((xyz == 0).all(axis=2), GONE)
    np.testing.assert_allclose(xyz, METRES, rtol=2e-7, atol=1e-9)


@given(
    values=st.lists(st.sampled_from([-99999.0, 0.0, 5.0, -32768.0, np.nan, np.inf, 0.25]), min_size=4, max_size=4),
    missing=st.lists(st.sampled_from(["nan", "inf", 0, -99999, -32768, 5.0]), unique=True),
)
def test_exactly_the_declared_values_are_missing(tmp_path_factory, values: list[float], missing: list) -> None:
    path = tmp_path_factory.getbasetemp() / "missing.npy"
    points = np.full((3, 4, 3), 0.5, np.float32)
    points[1, :, 2] = values
    np.save(path, points)
    meant = [float(value) for value in missing]
    gone = [any(value == other or (np.isnan(value) and np.isnan(other)) for other in meant) for value in values]
    described = CloudDescription(unit=1.0, missing=tuple(missing))
    if any(not np.isfinite(value) and not lost for value, lost in zip(values, gone, strict=True)):
        with pytest.raises(DataError, match=r"missing\.npy holds NaN or infinite"):
            read_cloud(path, (3, 4), described)
        return
    xyz = read_cloud(path, (3, 4), described)
    assert list((xyz[1] == 0).all(axis=1)) == gone
    assert (xyz[1][~np.array(gone)] != 0).all(), "a measured zero is no missing point"
    assert (xyz[[0, 2]] == 0.5).all()


def test_nan_in_any_coordinate_is_missing_and_a_measured_zero_is_not(tmp_path: Path) -> None:
    points = np.full((3, 4, 3), 7.0)
    points[0, 0, 0] = points[0, 1, 1] = np.nan
    points[0, 2, 1] = -np.inf
    points[1, 1] = (0, -0.0, 3)
    np.save(tmp_path / "a.npy", points)
    xyz = read_cloud(tmp_path / "a.npy", (3, 4), CloudDescription(unit="mm"))
    assert (xyz[0, :3] == 0).all()
    assert xyz[1, 1] == pytest.approx([1e-9, 1e-9, 0.003])
    assert (xyz[1, 1] != 0).all()


WAYS = [("right", "left"), ("down", "up"), ("forward", "backward")]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", list(itertools.product((0, 1), repeat=3)))
def test_axes_are_turned_to_the_harness_s(tmp_path: Path, order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    right_down_forward = RNG.uniform(0.1, 1, (3, 4, 3))
    words = [WAYS[axis][signs[axis]] for axis in order]
    stored = np.stack([right_down_forward[..., axis] * (-1 if signs[axis] else 1) for axis in order], axis=-1)
    np.save(tmp_path / "a.npy", stored)
    xyz = read_cloud(tmp_path / "a.npy", (3, 4), CloudDescription(unit="m", axes=" ".join(words)))
    assert np.array_equal(xyz, right_down_forward.astype(np.float32))


@pytest.mark.parametrize(("unit", "metres"), [("m", 1), ("cm", 0.01), ("mm", 0.001), ("um", 1e-6), (0.0254, 0.0254)])
def test_units_become_metres(tmp_path: Path, unit: str | float, metres: float) -> None:
    np.save(tmp_path / "a.npy", WITH_NAN)
    xyz = read_cloud(tmp_path / "a.npy", SIZE, CloudDescription(unit=unit))
    np.testing.assert_allclose(xyz[~GONE], POINTS[~GONE] * metres, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("dtype", "nothing"), [(np.uint16, 0), (np.int16, -32768), (np.float32, -99999)])
def test_a_height_map_with_more_rows_than_heights(tmp_path: Path, dtype: type, nothing: int) -> None:
    heights = RNG.integers(20_000, 30_000, (40, 32)).astype(dtype)
    heights[2, 3] = nothing
    tifffile.imwrite(tmp_path / "a.tiff", heights)
    grid = Grid(dx=0.05, dy=0.1, z_scale=0.001, z_offset=-32.768)
    described = CloudDescription(unit="mm", kind="height", grid=grid, missing=("nan", nothing), rows=(0, 24))
    xyz = read_cloud(tmp_path / "a.tiff", SIZE, described)
    assert np.argwhere((xyz == 0).all(axis=2)).tolist() == [[2, 3]]
    rows, columns = np.indices(SIZE)
    kept = np.ones(SIZE, bool)
    kept[2, 3] = False
    np.testing.assert_allclose(xyz[..., 0][kept], (columns * 5e-5)[kept], atol=2e-9)
    np.testing.assert_allclose(xyz[..., 1][kept], (rows * 1e-4)[kept], atol=2e-9)
    np.testing.assert_allclose(xyz[..., 2][kept], (-(heights[:24] * 1e-6 - 0.032768))[kept], atol=2e-9)
    with pytest.raises(DataError, match=r"a\.tiff has 40 rows.*ends at 41: mend it\."):
        read_cloud(
            tmp_path / "a.tiff",
            SIZE,
            CloudDescription(unit="mm", kind="height", grid=grid, rows=(1, 41)),
            hint="mend it",
        )


@pytest.mark.parametrize("kind", SUFFIXES)
@pytest.mark.parametrize(
    ("suffix", "told"),
    [
        (".zdf", "Zivid.*ordered PLY"),
        (".praw", "Photoneo"),
        (".exr", "TIFF"),
        (".csv", "without their pixels"),
        ("", "kind"),
    ],
)
def test_formats_that_are_not_read_have_a_way_out(tmp_path: Path, kind: str, suffix: str, told: str) -> None:
    with pytest.raises(DataError, match=rf"a{suffix} .*{told}"):
        read_cloud(tmp_path / f"a{suffix}", SIZE, CloudDescription(unit="mm", kind=kind))


def test_a_cloud_without_any_point_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 3)))
    with pytest.raises(DataError, match=r"a\.npy has no valid point.*: mend it\."):
        read_cloud(tmp_path / "a.npy", (3, 4), CloudDescription(unit="m"), hint="mend it")


@pytest.mark.parametrize("unit", ["m", 1e9])
def test_coordinates_beyond_float32_are_refused(tmp_path: Path, unit: str | float) -> None:
    points = np.full((3, 4, 3), 1.0)
    points[1, 1, 0] = 1e300
    np.save(tmp_path / "a.npy", points)
    with pytest.raises(DataError, match="infinite coordinates at 1 pixels"):
        read_cloud(tmp_path / "a.npy", (3, 4), CloudDescription(unit=unit))


@pytest.mark.parametrize("kind", CLOUDS)
def test_rows_are_those_of_cloud_image_and_masks(tmp_path: Path, kind: str) -> None:
    def read(rows: str) -> OwnDataset:
        table, files = f"{CLOUDS[kind]}\n{rows}", {"cloud": f"{{split}}/{{defect}}/cloud/{{id}}.{ENDS[kind]}"}
        describe(root, table, '[background]\nrule = "mask"\nmask = "{split}/{defect}/object/{id}.png"', **files)
        return OwnDataset(root)

    root = tmp_path / "brackets"
    write(root, kind)
    for path in [*root.glob("*/*/img/*.png")]:
        (path.parents[1] / "object").mkdir(exist_ok=True)
        Image.fromarray(np.pad(np.full((20, 14), 255, np.uint8), [(14, 14), (16, 34)])).save(
            path.parents[1] / "object" / path.name
        )
    refs = read("").refs("brackets", "test")
    whole = [read("").decode(ref) for ref in refs]
    for _ in ("of the images as they are", "of images of these rows alone"):
        data = read("rows = [8, 40]")
        reader = SampleReader(Path("fitted"), make_cell("cfm"), Origin.of(data, "brackets"), clean=False)
        assert verify_dataset(root).problems == ()
        for ref, expected in zip(refs, whole, strict=True):
            found = data.decode(ref)
            files = data.scan(ref.category, ref.split).samples[ref]
            alone = reader.read(files["rgb"], files["cloud"]).sample
            for name in ("rgb", "xyz", "plane", "mask"):
                assert np.array_equal(getattr(found, name), getattr(expected, name)[8:40]), name
                assert name in ("plane", "mask") or np.array_equal(getattr(alone, name), getattr(found, name))
        with pytest.raises(DataError, match=r"`rows` of dataset\.toml ends at 49"):
            read("rows = [8, 49]").decode(refs[0])
        for path in [*root.glob("*/*/img/*"), *root.glob("*/*/masks/*"), *root.glob("*/*/object/*")]:
            Image.fromarray(np.asarray(Image.open(path))[8:40]).save(path)


def test_a_defect_outside_of_the_rows_and_an_image_of_other_rows_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "brackets"
    write(root, "xyz")
    describe(root, CLOUDS["xyz"] + "\nrows = [30, 48]")
    data = OwnDataset(root)
    good, *_, scratched = data.refs("brackets", "test")
    data.decode(good)
    with pytest.raises(DataError, match="marks no pixel in rows 30 to 47"):
        data.decode(scratched)
    for path in root.glob("test/good/img/*"):
        Image.fromarray(np.asarray(Image.open(path))[:40]).save(path)
    with pytest.raises(DataError, match="64x40"):
        data.decode(good)


def test_points_that_fill_no_row_of_an_image_are_refused(tmp_path: Path) -> None:
    described = CloudDescription(unit="mm", kind="ply", rows=(0, 5))
    with pytest.raises(DataError, match=r"a\.ply has 768 points, no whole number of rows of its image's 31: mend it"):
        read_cloud(written(tmp_path, "ply"), (24, 31), described, hint="mend it")
