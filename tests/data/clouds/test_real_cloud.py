"""A Kinect's capture of parts on a table, written in three ways."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from harness.data.clouds.cloud import read_cloud
from harness.data.images import read_rgb
from harness.data.own.description import Camera, CloudDescription

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("HARNESS_TEST_DATA" not in os.environ, reason="needs HARNESS_TEST_DATA"),
]
FOLDER = Path(os.environ.get("HARNESS_TEST_DATA", "")) / "clouds" / "pcl_mOSD"
CAMERA = FOLDER / "learn42_intrinsics.json"


def test_organised_pcd_xyz_tiff_and_depth_with_a_camera_give_the_same_points() -> None:
    size = read_rgb(FOLDER / "learn42_rgb.png").shape[:2]
    camera = CloudDescription(unit="mm", kind="depth", camera=Camera(file=CAMERA.name))
    pcd = read_cloud(FOLDER / "learn42.pcd", size, CloudDescription(unit="m", kind="pcd"))
    xyz = read_cloud(FOLDER / "learn42_xyz.tiff", size, CloudDescription(unit="m"))
    depth = read_cloud(FOLDER / "learn42_depth_mm.png", size, camera, CAMERA)
    assert pcd.shape == (480, 640, 3)
    assert np.count_nonzero(pcd.any(axis=2)) == 172_189
    assert np.array_equal(pcd, xyz)
    assert np.array_equal(depth.any(axis=2), xyz.any(axis=2))
    assert np.abs(depth - xyz).max() < 0.0005
