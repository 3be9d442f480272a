from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from cloud_files import PCD_FORMATS, columns_of, pcd
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.data.clouds.pcd import read_pcd
from harness.errors import DataError

RNG = np.random.default_rng(0)
POINTS = RNG.normal(0.4, 0.1, (5, 7, 3)).astype(np.float32)
POINTS[1, 2] = np.nan
COLOUR = RNG.integers(0, 2**32, (5, 7), np.uint32)


def read(path: Path, content: bytes) -> np.ndarray:
    path.write_bytes(content)
    return read_pcd(path, "mend it")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.pcd"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pcd") / "a.pcd"


@given(
    points=arrays.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(2, 6), st.integers(1, 6), st.just(3)),
        elements=st.floats(width=32) | st.just(0.0),
    ),
    data=st.sampled_from(PCD_FORMATS),
    order=st.permutations(["x", "y", "z", "rgba", "normal", "_"]),
)
def test_points_are_those_that_were_written(scratch, points: np.ndarray, data: str, order: list[str]) -> None:
    size = points.shape[:2]
    others = {
        "rgba": RNG.integers(0, 2**32, size, np.uint32),
        "normal": RNG.normal(size=(*size, 3)).astype(np.float32),
        "_": np.zeros((*size, 5), np.uint8),
    }
    columns = columns_of(points) | others
    found = read(scratch, pcd({name: columns[name] for name in order}, data))
    assert found.dtype == points.dtype or data == "ascii"
    assert np.array_equal(found, points, equal_nan=True)


@pytest.mark.parametrize("data", PCD_FORMATS)
def test_whole_numbers_and_missing_lines_of_the_header(path: Path, data: str) -> None:
    steps = RNG.integers(-3000, 3000, (5, 7, 3)).astype(np.int16)
    found = read(path, pcd(columns_of(steps), data, COUNT=None, VIEWPOINT=None, POINTS=None))
    assert found.dtype == np.float64
    assert np.array_equal(found, steps)


def test_colours_packed_in_a_float_are_left_out(path: Path) -> None:
    for packed in (COLOUR, COLOUR.view(np.float32)):
        assert np.array_equal(read(path, pcd(columns_of(POINTS) | {"rgb": packed})), POINTS, equal_nan=True)


@pytest.mark.parametrize("data", PCD_FORMATS)
def test_a_cloud_of_one_row_is_not_organised(path: Path, data: str) -> None:
    with pytest.raises(DataError, match=r"a\.pcd has HEIGHT 1: its 35 points are not organised"):
        read(path, pcd(columns_of(POINTS.reshape(1, 35, 3)), data))


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ({"FIELDS": "x y q"}, "0 fields 'z'"),
        ({"FIELDS": "x y z z", "SIZE": "4 4 4 4", "TYPE": "F F F F", "COUNT": "1 1 1 1"}, "2 fields 'z'"),
        ({"COUNT": "1 1 2"}, "several values"),
        ({"COUNT": "1 0 1"}, "no numbers"),
        ({"COUNT": "1 1 99999"}, "too many"),
        ({"TYPE": "F F"}, "types F F"),
        ({"TYPE": "F F Q"}, "F F Q"),
        ({"SIZE": "4 4 3"}, "f3"),
        ({"POINTS": "36"}, "POINTS 36"),
        ({"WIDTH": None}, "no WIDTH"),
        ({"WIDTH": "x"}, "x"),
        ({"HEIGHT": "-5", "WIDTH": "-7"}, "-7x-5 pixels"),
        ({"DATA": "zip"}, "DATA zip"),
        ({"DATA": None}, "no line 'DATA'"),
    ],
)
def test_a_header_that_fits_no_cloud_is_refused(path: Path, header: dict[str, str], told: str) -> None:
    content = pcd(columns_of(POINTS))
    with pytest.raises(DataError, match=rf"a\.pcd .*{told}.*: mend it\.") as caught:
        read(
            path,
            pcd(columns_of(POINTS), **header)
            if header != {"DATA": "zip"}
            else content.replace(b"DATA binary", b"DATA zip"),
        )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", PCD_FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.98])
def test_a_file_that_ends_early_is_refused(path: Path, data: str, share: float) -> None:
    content = pcd(columns_of(POINTS), data)
    with pytest.raises(DataError, match=r"a\.pcd can't be read as a PCD file"):
        read(path, content[: int(len(content) * share)])


@pytest.mark.parametrize("data", PCD_FORMATS)
def test_a_header_that_asks_for_too_much_memory_is_refused_before_any_is_taken(path: Path, data: str) -> None:
    size = {"WIDTH": "8000", "HEIGHT": "8000", "POINTS": str(8000**2)}
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"a\.pcd"):
            read(path, pcd(columns_of(POINTS), data, **size))
        with pytest.raises(DataError, match=r"a\.pcd has 80000x80000 pixels"):
            read(path, pcd(columns_of(POINTS), data, WIDTH="80000", HEIGHT="80000", POINTS=None))
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packed", [b"\xe0\xff\x00", b"\x20\x00", b"\x1f" + b"a" * 9, b""])
def test_damaged_compression_is_refused(path: Path, packed: bytes) -> None:
    header, _, _ = pcd(columns_of(POINTS), "binary_compressed").partition(b"compressed\n")
    content = struct.pack("<II", len(packed), POINTS.nbytes) + packed
    with pytest.raises(DataError, match=r"a\.pcd can't be read as a PCD file"):
        read(path, header + b"compressed\n" + content)
