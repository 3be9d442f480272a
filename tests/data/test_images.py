from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.data.images import read_depth, read_mask, read_rgb, read_xyz
from harness.errors import DataError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (12, 17, 3), dtype=np.uint8)
POINTS = RNG.normal(size=(12, 17, 3)).astype(np.float32)


def png(array: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def tiff(array: np.ndarray, **options: object) -> bytes:
    stream = BytesIO()
    tifffile.imwrite(stream, array, photometric="rgb" if array.ndim == 3 and array.shape[2] == 3 else None, **options)
    return stream.getvalue()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images") / "file"


def test_colours_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(PIXELS))
    rgb = read_rgb(path)
    assert rgb.dtype == np.uint8
    assert np.array_equal(rgb, PIXELS)
    rgb[0, 0] = 0


def test_alpha_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(np.dstack([PIXELS, np.full(PIXELS.shape[:2], 7, np.uint8)])))
    assert np.array_equal(read_rgb(path), PIXELS)


def test_palette_is_resolved(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    few = (PIXELS > 127).astype(np.uint8) * 255
    Image.fromarray(few).convert("P", palette=Image.Palette.ADAPTIVE).save(path)
    assert np.array_equal(read_rgb(path), few)


@pytest.mark.parametrize("factor", [1, 257], ids=["8 bits", "16 bits"])
def test_grey_is_repeated(tmp_path: Path, factor: int) -> None:
    path = tmp_path / "a.png"
    grey = PIXELS[:, :, 0]
    path.write_bytes(png(grey if factor == 1 else grey.astype(np.uint16) * np.uint16(factor)))
    assert np.array_equal(read_rgb(path), np.repeat(grey[:, :, None], 3, axis=2))


@pytest.mark.parametrize("value", [1, 127, 255])
def test_every_mask_value_above_zero_is_anomalous(tmp_path: Path, value: int) -> None:
    path = tmp_path / "a.png"
    mask = PIXELS[:, :, 0] > 100
    path.write_bytes(png(mask.astype(np.uint8) * np.uint8(value)))
    assert np.array_equal(read_mask(path), mask)


def test_masks_of_other_modes_agree(tmp_path: Path) -> None:
    mask = PIXELS[:, :, 0] > 100
    grey = mask.astype(np.uint8) * np.uint8(3)
    variants = {
        "bits": Image.fromarray(mask),
        "deep": Image.fromarray(mask.astype(np.uint16)),
        "colour": Image.fromarray(np.dstack([0 * grey, grey, 0 * grey])),
        "opaque": Image.fromarray(np.dstack([grey, grey, grey, np.full_like(grey, 255)])),
    }
    for name, image in variants.items():
        image.save(tmp_path / f"{name}.png")
        assert np.array_equal(read_mask(tmp_path / f"{name}.png"), mask), name


def test_depth_keeps_all_sixteen_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    raw = np.array([[0, 1, 257], [40000, 65534, 65535]], dtype=np.uint16)
    path.write_bytes(png(raw))
    depth = read_depth(path)
    assert depth.dtype == np.uint16
    assert np.array_equal(depth, raw)


def test_depth_of_eight_bits_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(PIXELS[:, :, 0]))
    with pytest.raises(DataError, match=r"a\.png .*mode L.*: mend it\."):
        read_depth(path, "mend it")


@given(st.integers(0, len(png(PIXELS)) - 13))
def test_png_cut_anywhere_before_its_last_chunk_is_refused(scratch: Path, length: int) -> None:
    scratch.write_bytes(png(PIXELS)[:length])
    with pytest.raises(DataError, match="can't be read as a PNG image"):
        read_rgb(scratch)


@given(st.integers(0, len(png(PIXELS)) - 13), st.integers(1, 255))
def test_png_with_any_changed_byte_is_refused_or_unchanged(scratch: Path, position: int, change: int) -> None:
    content = bytearray(png(PIXELS))
    content[position] ^= change
    scratch.write_bytes(content)
    with suppress(DataError):
        assert np.array_equal(read_rgb(scratch), PIXELS)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"rowsperstrip": 2}], ids=str)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_points_of_every_float_type_become_float32(tmp_path: Path, dtype: str, options: dict[str, object]) -> None:
    path = tmp_path / "a.tiff"
    points = POINTS.astype(dtype)
    path.write_bytes(tiff(points, **options))
    xyz = read_xyz(path)
    assert xyz.dtype == np.float32
    assert np.array_equal(xyz, points.astype(np.float32))


@given(st.sampled_from([{}, {"compression": "zlib"}, {"rowsperstrip": 2}]), st.floats(0, 1, exclude_max=True))
def test_tiff_cut_anywhere_is_refused(scratch: Path, options: dict[str, object], share: float) -> None:
    content = tiff(POINTS, **options)
    scratch.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match="file"):
        read_xyz(scratch)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_points_that_are_not_finite_are_counted(tmp_path: Path, value: float) -> None:
    path = tmp_path / "a.tiff"
    points = POINTS.copy()
    points[1, 2] = points[3, 4, 0] = value
    path.write_bytes(tiff(points))
    with pytest.raises(DataError, match=r"a\.tiff holds NaN or infinite coordinates at 2 pixels.*: mend it\."):
        read_xyz(path, "mend it")


def test_points_too_large_for_float32_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    path.write_bytes(tiff(np.full((3, 4, 3), 1e300)))
    with pytest.raises(DataError, match="infinite coordinates at 12 pixels"):
        read_xyz(path)


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (POINTS[:, :, 0], "float32 of shape 12x17"),
        (POINTS[:, :, :2], "float32 of shape 12x17x2"),
        (PIXELS, "uint8 of shape 12x17x3"),
    ],
)
def test_points_of_another_shape_or_type_are_refused(tmp_path: Path, array: np.ndarray, found: str) -> None:
    path = tmp_path / "a.tiff"
    path.write_bytes(tiff(array))
    with pytest.raises(DataError, match=f"holds {found} "):
        read_xyz(path)


@pytest.mark.parametrize("reader", [read_rgb, read_mask, read_depth, read_xyz])
def test_missing_file_and_folder_are_named(tmp_path: Path, reader: object) -> None:
    with pytest.raises(DataError, match=r"none\.png can't be read .*\(it does not exist\)"):
        reader(tmp_path / "none.png")
    with pytest.raises(DataError, match=r"Is a directory"):
        reader(tmp_path)
