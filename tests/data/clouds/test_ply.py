from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from cloud_files import PLY_FORMATS, columns_of, ply
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.data.clouds.ply import read_ply
from harness.errors import DataError

RNG = np.random.default_rng(0)
SIZE = (5, 7)
POINTS = RNG.normal(0.4, 0.1, (*SIZE, 3)).astype(np.float32)
POINTS[1, 2] = np.nan
FACES = "element face 2\nproperty list uchar int vertex_indices"
CAMERAS = "element camera 2\nproperty float view\nproperty uchar kind"


def read(path: Path, content: bytes, size: tuple[int, int] = SIZE) -> np.ndarray:
    path.write_bytes(content)
    return read_ply(path, size, "mend it")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.ply"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ply") / "a.ply"


@given(
    points=arrays.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)),
        elements=st.floats(width=32) | st.just(0.0),
    ),
    form=st.sampled_from(PLY_FORMATS),
    order=st.permutations(["x", "y", "z", "red", "green", "blue", "nx"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_points_are_those_that_were_written(scratch, points: np.ndarray, form: str, order: list[str], end: str) -> None:
    size = points.shape[:2]
    others = {name: RNG.integers(0, 256, size).astype(np.uint8) for name in ("red", "green", "blue")}
    columns = columns_of(points) | others | {"nx": RNG.normal(size=size)}
    found = read(scratch, ply({name: columns[name] for name in order}, form, end=end), size)
    assert np.array_equal(found, points, equal_nan=True)


@pytest.mark.parametrize("form", PLY_FORMATS)
def test_tables_before_and_after_the_vertices_are_passed_over(path: Path, form: str) -> None:
    order = ">" if "big" in form else "<"
    text = form == "ascii"
    cameras = b"0.5 1\n0.5 2\n" if text else struct.pack(order + "fBfB", 0.5, 1, 0.5, 2)
    faces = b"3 0 1 2\n3 1 2 3\n" if text else struct.pack(order + "BiiiBiii", 3, 0, 1, 2, 3, 1, 2, 3)
    found = read(path, ply(columns_of(POINTS), form, before=(CAMERAS, cameras), after=(FACES, faces)))
    assert np.array_equal(found, POINTS, equal_nan=True)
    content = ply(columns_of(POINTS), form, before=(FACES, faces))
    if text:
        assert np.array_equal(read(path, content), POINTS, equal_nan=True)
    else:
        with pytest.raises(DataError, match=r"a\.ply .*lists of 'face' come before its vertices"):
            read(path, content)


@pytest.mark.parametrize("form", PLY_FORMATS)
@pytest.mark.parametrize("kept", [30, 34])
def test_fewer_points_than_pixels_are_not_organised(path: Path, form: str, kept: int) -> None:
    content = ply(columns_of(POINTS.reshape(-1, 1, 3)[:kept]), form)
    with pytest.raises(DataError, match=rf"a\.ply has {kept} points where its image has 7x5 = 35 pixels.*organised"):
        read(path, content)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"ply\n", b"plyy\n", "does not begin with 'ply'"),
        (b"property float z", b"property float w", "0 fields 'z'"),
        (b"property float y", b"property float x", "2 fields 'x'"),
        (b"property float z", b"property list uchar int z", "lists"),
        (b"property float z", b"property half z", "half"),
        (b"element vertex", b"element point", "no vertices"),
        (b"element vertex 35", b"element vertex many", "many"),
        (b"format binary_little_endian 1.0\n", b"", "no format"),
        (b"format binary_little_endian", b"format binary_middle_endian", "middle"),
        (b"comment", b"remark", "remark made by a camera"),
        (b"end_header", b"end", "no line 'end_header'"),
    ],
)
def test_a_header_that_fits_no_cloud_is_refused(path: Path, old: bytes, new: bytes, told: str) -> None:
    content = ply(columns_of(POINTS))
    assert content.count(old) == 1
    with pytest.raises(DataError, match=rf"a\.ply .*{told}.*: mend it\.") as caught:
        read(path, content.replace(old, new))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", PLY_FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.98])
def test_a_file_that_ends_early_is_refused(path: Path, form: str, share: float) -> None:
    content = ply(columns_of(POINTS), form)
    with pytest.raises(DataError, match=r"a\.ply can't be read as a PLY file"):
        read(path, content[: int(len(content) * share)])


def test_no_memory_is_taken_for_what_a_file_does_not_hold(path: Path) -> None:
    content = ply(columns_of(POINTS))
    tracemalloc.start()
    try:
        for size, count in (((8000, 8000), 8000**2), ((10**6, 10**6), 10**12)):
            with pytest.raises(DataError, match=r"a\.ply"):
                read(path, content.replace(b"vertex 35", b"vertex %d" % count), size)
        many = (CAMERAS.replace("camera 2", f"camera {10**15}"), b"")
        with pytest.raises(DataError, match=r"a\.ply .*ends early"):
            read(path, ply(columns_of(POINTS), before=many))
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()
