from __future__ import annotations

import io
import os
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from harness.data.clouds.arrays import read_grid, read_xyz
from harness.errors import DataError

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(12, 17, 3)).astype(np.float32)
PLANES = np.ascontiguousarray(np.moveaxis(POINTS, -1, 0))
SUFFIXES = [".tiff", ".TIF", ".npy", ".npz"]


def save(path: Path, array: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez_compressed(path, cloud=array)
    else:
        tifffile.imwrite(path, array, photometric="minisblack")
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("array", [POINTS, PLANES, np.asfortranarray(POINTS)], ids=["HxWx3", "3xHxW", "columns first"])
def test_every_order_of_planes_gives_the_same_points(tmp_path: Path, suffix: str, array: np.ndarray) -> None:
    assert np.array_equal(read_xyz(save(tmp_path / f"a{suffix}", array)), POINTS)


@pytest.mark.parametrize(
    "options", [{"planarconfig": "separate", "photometric": "rgb"}, {"photometric": "minisblack"}], ids=str
)
def test_planes_of_a_tiff_file(tmp_path: Path, options: dict[str, str]) -> None:
    tifffile.imwrite(tmp_path / "a.tiff", PLANES, **options)
    assert np.array_equal(read_xyz(tmp_path / "a.tiff"), POINTS)


def test_three_pages_are_planes(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tiff") as writer:
        for plane in PLANES:
            writer.write(plane, contiguous=False, metadata=None)
    assert np.array_equal(read_xyz(tmp_path / "a.tiff"), POINTS)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", [np.float16, ">f8", np.int16, np.int32, np.uint16])
def test_values_are_kept_as_they_are(tmp_path: Path, suffix: str, dtype: str) -> None:
    steps = RNG.integers(0, 2000, (12, 17, 3)).astype(dtype)
    found = read_xyz(save(tmp_path / f"a{suffix}", steps))
    assert found.dtype.kind == np.dtype(dtype).kind
    assert np.array_equal(found, steps)


def test_missing_points_are_kept(tmp_path: Path) -> None:
    points = POINTS.copy()
    points[2, 3] = np.nan
    points[4, 5, 0] = np.inf
    path = save(tmp_path / "a.tiff", points)
    assert np.array_equal(read_xyz(path), points, equal_nan=True)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("shape", [(12, 17), (12, 17, 1), (1, 12, 17)])
def test_one_value_a_pixel_is_told_and_read_as_a_grid(tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    depth = RNG.integers(0, 2000, shape).astype(np.uint16)
    path = save(tmp_path / f"a{suffix}", depth)
    with pytest.raises(DataError, match=r"holds uint16 of shape .*one value a pixel.*`kind`.*mend it\."):
        read_xyz(path, "mend it")
    assert np.array_equal(read_grid(path), depth.reshape(12, 17))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_depth_that_is_repeated_is_told_and_read_as_a_grid(tmp_path: Path, suffix: str) -> None:
    depth = RNG.normal(size=(40, 17)).astype(np.float32)
    depth[3, 4] = np.nan
    path = save(tmp_path / f"a{suffix}", np.repeat(depth[..., None], 3, axis=2))
    with pytest.raises(DataError, match="one value three times"):
        read_xyz(path)
    assert np.array_equal(read_grid(path), depth, equal_nan=True)
    nearly = np.repeat(depth[..., None], 3, axis=2)
    nearly[17, 16, 1] += 1
    assert np.array_equal(read_xyz(save(path, nearly)), nearly, equal_nan=True)
    with pytest.raises(DataError, match="instead of one value a pixel"):
        read_grid(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "array",
    [
        POINTS[..., :2],
        np.zeros((12, 17, 6), np.float32),
        np.zeros((2, 12, 17, 3), np.float32),
        np.zeros((12, 17, 3), np.uint8),
        np.zeros((12, 17, 3), np.complex64),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
def test_another_shape_or_type_is_refused(tmp_path: Path, suffix: str, array: np.ndarray) -> None:
    path = save(tmp_path / f"a{suffix}", array)
    with pytest.raises(DataError, match=rf"a\{suffix} holds {array.dtype} of shape .*: mend it\."):
        read_xyz(path, "mend it")


@pytest.mark.parametrize("reader", [read_xyz, read_grid])
def test_pickles_are_never_loaded(tmp_path: Path, reader: Callable[[Path], np.ndarray]) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "made"),)

    objects = np.array([[Harmful()] * 3] * 3, dtype=object)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Harmful()))
    for path in (save(tmp_path / "a.npy", objects), save(tmp_path / "a.npz", objects), tmp_path / "b.npy"):
        with pytest.raises(DataError, match=path.name):
            reader(path)
    assert not (tmp_path / "made").exists()


def test_an_archive_holds_one_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", cloud=POINTS, colour=POINTS)
    with pytest.raises(DataError, match=r"a\.npz holds 2 arrays \(cloud\.npy, colour\.npy\) instead of one"):
        read_xyz(tmp_path / "a.npz")


def test_a_header_that_asks_for_too_much_memory_is_refused_before_any_is_taken(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (8000, 8000, 3)})
    (tmp_path / "a.npy").write_bytes(stream.getvalue() + b"\0" * 100)
    (tmp_path / "b.npy").write_bytes(stream.getvalue().replace(b"8000, 8000", b"9000, 9000"))
    with zipfile.ZipFile(tmp_path / "c.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cloud.npy", stream.getvalue() + b"\0" * 100)
    tracemalloc.start()
    try:
        for name, told in (("a.npy", "ends after"), ("b.npy", "9000x9000 pixels"), ("c.npz", "ends after")):
            with pytest.raises(DataError, match=told):
                read_xyz(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


def test_depth_of_a_png_file_has_sixteen_bits(tmp_path: Path) -> None:
    depth = RNG.integers(0, 2**16, (12, 17)).astype(np.uint16)
    Image.fromarray(depth).save(tmp_path / "a.png")
    assert np.array_equal(read_grid(tmp_path / "a.png"), depth)
    Image.fromarray((depth >> 8).astype(np.uint8)).save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"b\.png .*mode L"):
        read_grid(tmp_path / "b.png")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_files_folders_and_pipes_are_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with pytest.raises(DataError, match=rf"a\{suffix} .*does not exist"):
        read_xyz(path)
    os.mkfifo(path)
    with pytest.raises(DataError, match=rf"a\{suffix} .*not an? (ordinary|regular) file"):
        read_xyz(path)
