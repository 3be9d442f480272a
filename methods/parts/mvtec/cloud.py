"""The plane that the object of a cloud lies on, and rotation about the normal of that plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.geometry import valid_points

__all__ = ["Pivot", "find_pivot", "pivot_of_plane"]

BORDER = 10
"""Width of the ring of pixels that the background plane is sought in."""
INLIER = 0.005
"""Points nearer than this to a plane lie on it, metres."""
_HYPOTHESES, _MOST_POINTS = 256, 5000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Pivot:
    """A line to rotate about.

    Parameters
    ----------
    axis : (3,) float64
        Of unit length.
    centre : (3,) float64
        A point of the line, metres.
    """

    axis: Floats
    centre: Floats

    def turn(self, points: NDArray[np.floating], angle: float) -> Floats:
        """Return points (N, 3) rotated by ``angle`` degrees, right-handed about the axis."""
        x, y, z = self.axis
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        radians = np.deg2rad(angle)
        rotation = np.eye(3) + np.sin(radians) * cross + (1 - np.cos(radians)) * cross @ cross
        turned: Floats = (points - self.centre) @ rotation.T + self.centre
        return turned


def find_pivot(xyz: NDArray[np.float32], seed: int) -> Pivot:
    """Return the normal of the background plane through the plane's point nearest to the centroid of the cloud.

    The plane is sought by RANSAC among the points of the image's border, and is the least-squares plane of its
    inliers; where the border has fewer than three valid points, it is the least-squares plane of the cloud.

    Parameters
    ----------
    xyz : (H, W, 3) float32
        With at least one valid point; metres.
    seed
        Of the random choices.
    """
    ring = np.ones(xyz.shape[:2], np.bool_)
    ring[BORDER:-BORDER, BORDER:-BORDER] = False
    valid = valid_points(xyz)
    cloud = xyz[valid].astype(np.float64)
    border = xyz[valid & ring].astype(np.float64)
    on_plane = _largest_plane(border, np.random.default_rng(seed)) if len(border) >= 3 else cloud
    return pivot_of_plane(on_plane, cloud.mean(axis=0))


def pivot_of_plane(points: Floats, near: Floats) -> Pivot:
    """Return the normal of the least-squares plane of points (N, 3) through its point nearest to ``near`` (3,)."""
    centre = points.mean(axis=0)
    _, vectors = np.linalg.eigh((points - centre).T @ (points - centre))
    normal = vectors[:, 0] * (1 if vectors[2, 0] >= 0 else -1)
    return Pivot(normal, near - normal * (normal @ (near - centre)))


def _largest_plane(points: Floats, rng: np.random.Generator) -> Floats:
    """Return the points (n, 3) on the plane, through three of them, that the most lie on; all where they are few."""
    if len(points) > _MOST_POINTS:
        points = points[rng.choice(len(points), _MOST_POINTS, replace=False)]
    first, second, third = points[rng.integers(0, len(points), (3, _HYPOTHESES))]
    normals = np.cross(second - first, third - first)
    lengths = np.linalg.norm(normals, axis=1)
    proper = lengths > 0
    if not proper.any():
        return points
    normals = normals[proper] / lengths[proper, None]
    inliers = np.abs(normals @ points.T - (normals * first[proper]).sum(axis=1)[:, None]) < INLIER
    largest: Floats = points[inliers[np.argmax(inliers.sum(axis=1))]]
    return largest
