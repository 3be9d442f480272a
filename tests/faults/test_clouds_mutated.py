"""Damaged clouds of every format: an array of the image's size, or one sentence about one file."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cloud_files import PCD_FORMATS, PLY_FORMATS, columns_of, pcd, ply
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import mutated_bytes

from harness.data.clouds.cloud import read_cloud
from harness.data.own.description import Camera, CloudDescription, Grid
from harness.data.pinhole import Pinhole, read_camera
from harness.errors import DataError

MANY = settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SIZE = (9, 11)
POINTS = np.random.default_rng(0).normal(0.4, 0.1, (*SIZE, 3)).astype(np.float32)
POINTS[2, 3:6] = np.nan
COLUMNS = columns_of(POINTS) | {"rgb": np.arange(99, dtype=np.uint32).reshape(SIZE)}


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, cloud=array)
    return stream.getvalue()


def tiff(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, compression="zlib")
    return stream.getvalue()


FILES = {
    **{f"{form}.pcd": ("pcd", pcd(COLUMNS, form)) for form in PCD_FORMATS},
    **{f"{form}.ply": ("ply", ply(COLUMNS, form)) for form in PLY_FORMATS},
    "xyz.npy": ("xyz", npy(POINTS)),
    "xyz.npz": ("xyz", npz(POINTS)),
    "depth.npy": ("depth", npy(POINTS[..., 2])),
    "height.tiff": ("height", tiff(POINTS[..., 2])),
}


def told(path: Path, error: DataError) -> None:
    """Require one sentence about the file."""
    assert str(path) in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 1000


@pytest.mark.parametrize("name", FILES)
def test_damaged_clouds(tmp_path: Path, name: str) -> None:
    kind, whole = FILES[name]
    path = tmp_path / name
    described = CloudDescription(unit="m", kind=kind, camera=Camera(5, 5, 5, 4), grid=Grid(0.1, 0.1))
    path.write_bytes(whole)
    assert read_cloud(path, SIZE, described).shape == POINTS.shape

    @MANY
    @given(mutated_bytes(whole, places=st.integers(0, 200), spans=(1, 2, 8, 64)))
    def check(content: bytes) -> None:
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                xyz = read_cloud(path, SIZE, described)
        except DataError as error:
            told(path, error)
            return
        assert xyz.dtype == np.float32
        assert xyz.ndim == 3
        assert xyz.shape[2] == 3
        assert np.isfinite(xyz).all()
        assert np.array_equal((xyz == 0).all(axis=2), (xyz == 0).any(axis=2))
        assert kind != "ply" or xyz.shape == POINTS.shape

    check()


def test_damaged_cameras(tmp_path: Path) -> None:
    path = tmp_path / "camera.json"
    whole = {"width": 11, "height": 9, "fx": 525.5, "fy": 525, "cx": 5.5, "cy": 4, "coeffs": [0, 0.0], "depth_scale": 1}

    @MANY
    @given(mutated_bytes(json.dumps(whole).encode(), spans=(1, 2, 8)))
    def check(content: bytes) -> None:
        path.write_bytes(content)
        try:
            camera = read_camera(path, SIZE, 1.0)
        except DataError as error:
            told(path, error)
            return
        assert isinstance(camera, Pinhole)
        assert camera.fx > 0
        assert camera.fy > 0
        assert np.isfinite([camera.fx, camera.fy, camera.cx, camera.cy]).all()

    check()
