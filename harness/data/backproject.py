"""From an Eyecandies depth image to a cloud without its background.

World coordinates are in the dataset's unit: x to the right, y down to the table, z away from the camera. A sample
holds (x, -z, y) / 10, so that its third coordinate grows with depth, as in MVTec 3D-AD.

Notes
-----
Bonfiglioli et al., "The Eyecandies dataset for unsupervised multimodal anomaly detection and localization", ACCV 2022;
the thresholds are those of the script that M3DM and CFM share.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.data.pinhole import Pinhole
from harness.geometry import valid_points

__all__ = [
    "BACKGROUND_RULE",
    "FOCAL_LENGTH",
    "back_project",
    "find_background",
    "from_sample_axes",
    "scale_depth",
    "to_sample_axes",
]

FOCAL_LENGTH = 711.11
"""Of every camera of the dataset, pixels."""

BACKGROUND_RULE: dict[str, str | float] = {"version": "eyecandies-1", "table": -0.02, "far": 1.8, "side": 1.0}
"""A point is background where its levelled y exceeds ``table``, its levelled z ``far``, or abs(x) ``side``."""

_SCALE = np.array([0.1, -0.1, 0.1])
_ORDER = [0, 2, 1]
_TINY = np.float32(1e-9)


def scale_depth(raw: NDArray[np.uint16], low: float, high: float) -> NDArray[np.float64]:
    """Return depths (H, W): 0 stands for ``low`` and 65535 for ``high``."""
    return raw / 65535.0 * (high - low) + low


def back_project(depth: NDArray[np.float64], pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the world points (H, W, 3) seen by a pinhole camera.

    Parameters
    ----------
    depth : (H, W)
        Distance from the camera's plane.
    pose : (4, 4)
        From world to camera coordinates, as the dataset's page reads it; its package reads it the other way round,
        which gives other names and signs of the axes. The principal point is the image's centre.

    Raises
    ------
    numpy.linalg.LinAlgError
        Where the pose can't be inverted.
    """
    height, width = depth.shape
    camera = np.ones((height, width, 4))
    camera[..., :3] = Pinhole(FOCAL_LENGTH, FOCAL_LENGTH, width / 2, height / 2).points(depth)
    world: NDArray[np.float64] = camera @ np.linalg.inv(pose).T
    return world[..., :3]


def to_sample_axes(world: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return world points (..., 3) in a sample's axes and scale.

    A coordinate that is exactly zero, as x is in the middle column, becomes 1e-9: zero marks a missing point.
    """
    xyz = np.empty(world.shape, np.float32)
    for axis, (source, scale) in enumerate(zip(_ORDER, _SCALE, strict=True)):
        xyz[..., axis] = world[..., source] * scale
    xyz[xyz == 0] = _TINY
    return xyz


def from_sample_axes(xyz: NDArray[np.float32]) -> NDArray[np.float64]:
    """Undo :func:`to_sample_axes`, up to rounding."""
    world = np.empty((3, *xyz.shape[:-1]))
    for axis, source in enumerate(_ORDER):
        world[axis] = xyz[..., source].astype(np.float64) / _SCALE[source]
    return np.moveaxis(world, 0, -1)


def find_background(xyz: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where (H, W) a point of a sample's cloud is background.

    The cloud is levelled: turned about x so that the middle pixels of the first and the last row, which see the table
    at its far and near end, get the same height.

    Parameters
    ----------
    xyz : (H, W, 3) float32
        In a sample's axes.

    Returns
    -------
    (H, W) bool, all False where the background was removed before (one of the two pixels has no point).
    """
    middle = xyz.shape[1] // 2
    far, near = xyz[0, middle], xyz[-1, -middle]
    if not valid_points(np.stack([far, near])).all():
        return np.zeros(xyz.shape[:2], dtype=np.bool_)
    origin = from_sample_axes(near)
    _, rise, run = from_sample_axes(far) - origin
    sine, cosine = np.array([rise, run]) / np.hypot(rise, run)
    x, y, z = np.moveaxis(from_sample_axes(xyz) - origin * [0, 1, 1], -1, 0)
    height, distance = cosine * y - sine * z, sine * y + cosine * z
    rule = BACKGROUND_RULE
    background: NDArray[np.bool_] = (height > rule["table"]) | (distance > rule["far"]) | (np.abs(x) > rule["side"])
    return background
