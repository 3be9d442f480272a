from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.pinhole import Pinhole, read_camera
from harness.errors import DataError

CAMERA = {"fx": 525.0, "fy": 500, "cx": 319.5, "cy": 239.5}
SIZE = (480, 640)


def written(folder: Path, content: object) -> Path:
    path = folder / "camera.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_points_project_to_the_pixels_that_saw_them() -> None:
    camera = Pinhole(50, 40, 3.2, 2.1)
    depth = np.random.default_rng(0).uniform(0.3, 2, (6, 8))
    x, y, z = np.moveaxis(camera.points(depth), -1, 0)
    rows, columns = np.indices(depth.shape)
    assert np.array_equal(z, depth)
    np.testing.assert_allclose(x / z * camera.fx + camera.cx, columns, atol=1e-12)
    np.testing.assert_allclose(y / z * camera.fy + camera.cy, rows, atol=1e-12)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"width": 640, "height": 480, "depth_scale": 0.001},
        {"model": "brown", "coeffs": [0, 0, 0.0, 0, 0]},
        {"k1": 0, "p2": 0.0, "distortion": {"k1": 0}, "date": "2024"},
    ],
)
def test_a_camera_without_distortion_is_read(tmp_path: Path, more: dict[str, Any]) -> None:
    assert read_camera(written(tmp_path, CAMERA | more), SIZE, 0.001) == Pinhole(525, 500, 319.5, 239.5)


def test_the_principal_point_goes_by_two_names(tmp_path: Path) -> None:
    content = {{"cx": "ppx", "cy": "ppy"}.get(name, name): value for name, value in CAMERA.items()}
    assert read_camera(written(tmp_path, content), SIZE, 0.001) == Pinhole(525, 500, 319.5, 239.5)


@pytest.mark.parametrize(
    "bent",
    [
        {"k1": -0.1},
        {"K2": 1e-9},
        {"p1": 3},
        {"coeffs": [0, 0, 0.01, 0, 0]},
        {"distortion_coefficients": {"data": [[0, 0.1]]}},
        {"dist": [10**400]},
    ],
)
def test_a_lens_that_distorts_is_refused(tmp_path: Path, bent: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"camera\.json describes a lens that distorts .*undistort"):
        read_camera(written(tmp_path, CAMERA | bent), SIZE, 0.001)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"fx": 525, "fy": 525, "cx": 319.5}, "fx, fy .*, cx and cy"),
        (CAMERA | {"fx": 0}, "above zero"),
        (CAMERA | {"fy": -525}, "above zero"),
        (CAMERA | {"cx": "319.5"}, "no numbers"),
        (CAMERA | {"cx": True}, "no numbers"),
        (CAMERA | {"cx": 10**400}, "no numbers|JSON"),
        (CAMERA | {"width": 1280, "height": 960}, "says height 960 where the depth image has 480"),
        (CAMERA | {"depth_scale": 1}, "says depth_scale 1 where the depth image has 0.001"),
        (CAMERA | {"depth_scale": "mm"}, "depth_scale nan"),
        ([525, 525, 319.5, 239.5], "JSON"),
        ("{", "JSON"),
        ("[" * 100_000, "JSON"),
        ('{"fx": NaN, "fy": 1, "cx": 1, "cy": 1}', "JSON"),
        ("", "JSON"),
    ],
)
def test_what_is_no_camera_of_this_image_is_refused(tmp_path: Path, content: object, told: str) -> None:
    with pytest.raises(DataError, match=rf"camera\.json .*({told}).*: mend it\.") as caught:
        read_camera(written(tmp_path, content), SIZE, 0.001, "mend it")
    assert "\n" not in str(caught.value)
