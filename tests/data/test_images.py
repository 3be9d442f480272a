from __future__ import annotations

import os
import struct
import tracemalloc
import zlib
from contextlib import nullcontext, suppress
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
from harness.metrics import evaluate

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


@pytest.mark.parametrize("suffix", [".bmp", ".tif", ".tiff", ".JPG"])
def test_images_of_other_formats_are_read(tmp_path: Path, suffix: str) -> None:
    path, smooth = tmp_path / f"a{suffix}", np.linspace(0, 200, 12 * 17 * 3).reshape(12, 17, 3).astype(np.uint8)
    Image.fromarray(smooth).save(path)
    rgb = read_rgb(path)
    assert rgb.dtype == np.uint8
    assert np.abs(rgb.astype(int) - smooth).max() <= (12 if suffix == ".JPG" else 0)
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(DataError, match=rf"a\{suffix} can't be read as a PNG, JPEG, BMP or TIFF image"):
        read_rgb(path)


def test_several_images_in_one_file_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tiff", np.stack([PIXELS, PIXELS]), photometric="rgb")
    with pytest.raises(DataError, match=r"a\.tiff holds 2 images"):
        read_rgb(tmp_path / "a.tiff")


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
    assert np.array_equal(read_mask(path).pixels, mask)
    assert not read_mask(path).doubts


@pytest.mark.parametrize("suffix", [".bmp", ".tiff", ".jpg"])
@pytest.mark.parametrize("quality", [95, 60])
def test_masks_of_other_formats_have_the_same_region(tmp_path: Path, suffix: str, quality: int) -> None:
    path, mask = tmp_path / f"a{suffix}", np.zeros((40, 56), bool)
    mask[8:24, 16:40] = True
    Image.fromarray(mask.astype(np.uint8) * 255).save(path, quality=quality)
    read = read_mask(path)
    assert np.array_equal(read.pixels, mask)
    assert any("JPEG" in doubt for doubt in read.doubts) == (suffix == ".jpg")


def test_noise_of_compression_is_no_defect(tmp_path: Path) -> None:
    noise = RNG.integers(0, 9, (40, 56)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    Image.fromarray(noise).save(tmp_path / "a.tiff", compression="jpeg")
    for name in ("a.jpg", "a.tiff"):
        assert not read_mask(tmp_path / name).pixels.any(), name


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
        read = read_mask(tmp_path / f"{name}.png")
        assert np.array_equal(read.pixels, mask), name
        assert not read.doubts, name


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
    with pytest.raises(DataError, match="can't be read as a PNG, JPEG, BMP or TIFF image"):
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
    with pytest.raises(DataError, match=r"a\.tiff holds NaN or infinite coordinates at 2 pixels"):
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


def blurred(mask: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(mask).resize((29, 31), Image.Resampling.BICUBIC))


def as_jpeg(mask: np.ndarray) -> np.ndarray:
    stream = BytesIO()
    Image.fromarray(mask).save(stream, "JPEG", quality=75)
    return np.asarray(Image.open(stream))


REGION = np.pad(np.full((6, 8), 255, np.uint8), [(3, 11), (5, 4)])
CLASSES = np.where(REGION > 0, 253 + np.arange(17, dtype=np.uint8) % 3, 0)


@pytest.mark.parametrize(
    ("mask", "soft"),
    [
        (REGION, False),
        (REGION // 255, False),
        (CLASSES, False),
        (REGION.astype(np.uint16) * 257, False),
        (as_jpeg(REGION), True),
        (blurred(REGION), True),
        (np.where(REGION > 0, REGION, 3), True),
    ],
    ids=["255", "1", "class ids", "16 bits", "jpeg", "smoothed", "faint background"],
)
def test_a_soft_mask_is_told_by_the_reader_and_refused_by_the_metrics(tmp_path: Path, mask, soft: bool) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(mask))
    read = read_mask(path)
    assert np.array_equal(read.pixels, mask > 0)
    assert any("other values than 0 and one more" in doubt for doubt in read.doubts) == soft
    maps = np.zeros((2, *mask.shape))
    with pytest.raises(ValueError, match="is soft") if soft else nullcontext():
        evaluate(maps, [np.zeros_like(mask), mask], [0, 1], [0.0, 1.0])


def test_a_region_that_lies_in_alpha_or_in_the_order_of_a_palette_is_told(tmp_path: Path) -> None:
    inverted = Image.fromarray(REGION // 255, mode="P")
    inverted.putpalette([255, 255, 255, 255, 0, 0])
    transparent = Image.fromarray(REGION // 255, mode="P")
    transparent.putpalette([255, 0, 0, 255, 0, 0])
    variants = {
        "rgba": Image.fromarray(np.dstack([np.full((20, 17, 3), 255, np.uint8), REGION])),
        "la": Image.merge("LA", [Image.new("L", (17, 20), 255), Image.fromarray(REGION)]),
        "inverted": inverted,
        "transparent": transparent,
        "whole": Image.new("L", (17, 20), 255),
    }
    for name, image in variants.items():
        options = {"transparency": b"\0\xff"} if name == "transparent" else {}
        image.save(tmp_path / f"{name}.png", **options)
        read = read_mask(tmp_path / f"{name}.png")
        assert read.pixels.all(), name
        told = " ".join(read.doubts)
        assert "mark the whole image" in told, name
        assert ("transparent in places" in told) == (name in ("rgba", "la", "transparent")), name


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
def test_fewer_bits_in_a_file_of_sixteen_are_refused(tmp_path: Path, bits: int, colour: bool) -> None:
    path = tmp_path / "a.png"
    values = (PIXELS if colour else PIXELS[..., 0]).astype(np.uint16) << (bits - 8)
    path.write_bytes(png16(values))
    with pytest.raises(DataError, match=r"a\.png has 16 bits a channel"):
        read_rgb(path)
    path.write_bytes(png16(values << (16 - bits)))
    assert np.array_equal(read_rgb(path)[..., 0], PIXELS[..., 0])


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
def test_fewer_bits_in_a_tiff_of_sixteen_are_refused(tmp_path: Path, bits: int, colour: bool) -> None:
    path = tmp_path / "a.tiff"
    values = (PIXELS if colour else PIXELS[..., 0]).astype(np.uint16) << (bits - 8)
    path.write_bytes(tiff(values))
    with pytest.raises(DataError, match=r"a\.tiff has 16 bits a channel"):
        read_rgb(path)
    path.write_bytes(tiff(values << (16 - bits)))
    assert np.array_equal(read_rgb(path)[..., 0], PIXELS[..., 0])


def png16(values: np.ndarray) -> bytes:
    """A PNG file of 16 bits a channel, (H, W) grey or (H, W, 3) colour, which Pillow can't write."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2 * (values.ndim - 2), 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def test_a_header_that_asks_for_too_much_memory_is_refused_before_any_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    content = png16(PIXELS[..., 0])
    header = struct.pack(">II", 50_000, 50_000) + content[24:29]
    path.write_bytes(content[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + content[33:])
    with pytest.raises(DataError, match=r"50000x50000|decompression bomb"):
        read_rgb(path)
    content = tiff(POINTS)
    for tag in (256, 257, 278):  # width, height and rows of a strip: 12 bytes an entry, the value in the last four
        place = content.index(struct.pack("<H", tag))
        content = content[: place + 8] + struct.pack("<I", 100_000) + content[place + 12 :]
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"a\.png .*100000"):
            read_xyz(path)
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


def test_what_is_no_ordinary_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    for reader in (read_rgb, read_mask, read_depth, read_xyz):
        with pytest.raises(DataError, match=r"a\.png is not an ordinary file"):
            reader(tmp_path / "a.png")
