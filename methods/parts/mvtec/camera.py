"""The camera of a category, by least squares from pixels and their points: pinhole or telecentric.

Hartley and Zisserman, "Multiple View Geometry in Computer Vision", 2003: the direct linear transform (section 7.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.contract import MethodError, UnsupportedError
from harness.geometry import valid_points

__all__ = ["CAMERA_POINTS", "Camera", "Correspondences", "common_camera", "fit_camera", "own_camera"]

CAMERA_POINTS = 20_000
"""Pixels that a camera is fitted to."""
LARGEST_RESIDUAL = 1.0
"""Median distance between pixels and projected points beyond which an image is no projection, pixels."""
_AFFINE = 1e-3
_FLAT = 1e-5
_LEAST = 12

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Correspondences:
    """Points (N, 3) and the pixels (N, 2), column then row, that see them; all float64."""

    points: Floats
    pixels: Floats

    @classmethod
    def draw(cls, xyz: NDArray[np.float32], count: int, rng: np.random.Generator) -> Correspondences:
        """Draw ``count`` different valid pixels of a cloud (H, W, 3), or all where it has fewer."""
        rows, columns = np.nonzero(valid_points(xyz))
        if len(rows) > count:
            chosen = rng.choice(len(rows), count, replace=False)
            rows, columns = rows[chosen], columns[chosen]
        return cls(xyz[rows, columns].astype(np.float64), np.stack([columns, rows], axis=1).astype(np.float64))

    @classmethod
    def join(cls, parts: Iterable[Correspondences]) -> Correspondences:
        """Return all of them as one."""
        parts = tuple(parts)
        return cls(np.concatenate([part.points for part in parts]), np.concatenate([part.pixels for part in parts]))


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A projection to pixels, whose centres have whole coordinates.

    Parameters
    ----------
    matrix : (3, 4) float64
        Of homogeneous points; its last row is (0, 0, 0, 1) of a telecentric camera.
    """

    matrix: Floats

    @staticmethod
    def to_array(camera: Camera | None) -> Floats:
        """Return the matrix, (0, 4) for no camera."""
        return np.empty((0, 4)) if camera is None else camera.matrix

    @classmethod
    def from_array(cls, array: NDArray[np.float64]) -> Camera | None:
        """Undo :meth:`to_array`."""
        return cls(np.array(array)) if len(array) else None

    @property
    def telecentric(self) -> bool:
        """Whether all rays are parallel."""
        return not self.matrix[2, :3].any()

    def project(self, points: NDArray[np.floating]) -> Floats:
        """Return the pixels (N, 2), column then row, of points (N, 3); not finite in the plane of a pinhole."""
        seen = points @ self.matrix[:, :3].T + self.matrix[:, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels: Floats = seen[:, :2] / seen[:, 2:]
        return pixels

    def residual(self, pairs: Correspondences) -> float:
        """Return the median distance between pixels and projected points, pixels."""
        return float(np.median(np.linalg.norm(self.project(pairs.points) - pairs.pixels, axis=1)))

    def rays(self, pixels: Floats) -> tuple[Floats, Floats]:
        """Return a point (N, 3) and the unit direction (N, 3), away from the camera, of the rays of pixels (N, 2).

        The point of a pinhole is its centre. A telecentric camera looks along growing third coordinates.
        """
        left, right = self.matrix[:, :3], self.matrix[:, 3]
        if self.telecentric:
            along = np.linalg.svd(left[:2])[2][2]
            direction = along if along[2] >= 0 else -along
            origins = (pixels - right[:2]) @ np.linalg.pinv(left[:2]).T
            return origins, np.broadcast_to(direction, origins.shape)
        inverse = np.linalg.inv(left)
        directions = np.column_stack([pixels, np.ones(len(pixels))]) @ inverse.T
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        return np.broadcast_to(-inverse @ right, directions.shape), directions

    def distance(self, points: NDArray[np.floating]) -> Floats:
        """Return the distance (N,) of points (N, 3) to the centre; telecentric: their coordinate along the rays."""
        origin, direction = (part[0] for part in self.rays(np.zeros((1, 2))))
        if self.telecentric:
            return np.asarray(points @ direction)
        return np.asarray(np.linalg.norm(points - origin, axis=1))

    def resized(self, size: tuple[int, int], to: tuple[int, int]) -> Camera:
        """Return the camera of the image resized from (H, W) to (h, w), edge on edge."""
        down, across = to[0] / size[0], to[1] / size[1]
        scale = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
        return Camera(scale @ self.matrix)


def fit_camera(pairs: Correspondences) -> Camera:
    """Fit a projection matrix: telecentric where that reaches 1e-3 px or is no worse than a pinhole (5%).

    Raises
    ------
    MethodError
        For fewer than 12 points, or one point for all pixels.
    UnsupportedError
        Where the median residual exceeds 1 px: the image is no projection of its points through one camera.
    """
    if len(pairs.points) < _LEAST:
        raise MethodError(f"A camera needs {_LEAST} valid points, but there are {len(pairs.points)}.")
    if not np.ptp(pairs.points, axis=0).any():
        raise MethodError("All valid points of a cloud are the same one, so that no camera can be fitted to them.")
    camera, pinhole = _affine(pairs), _pinhole(pairs)
    residual, other = camera.residual(pairs), pinhole.residual(pairs)
    if residual > max(_AFFINE, 1.05 * other):
        camera, residual = pinhole, other
    if not residual <= LARGEST_RESIDUAL:
        raise UnsupportedError(
            f"No camera projects the points of these images to their pixels: the median residual is {residual:.3g} px, "
            f"more than {LARGEST_RESIDUAL:g}."
        )
    return camera


def common_camera(images: Sequence[Correspondences]) -> Camera | None:
    """Return the one camera of some images, None where each has another, as where their crops differ.

    Raises
    ------
    MethodError, UnsupportedError
        As :func:`fit_camera`, for an image without a camera.
    """
    try:
        return fit_camera(Correspondences.join(images))
    except UnsupportedError:
        for image in images:
            fit_camera(image)
        return None


def own_camera(xyz: NDArray[np.float32]) -> Camera:
    """Return the camera of one cloud (H, W, 3); which pixels it is fitted to depends on the cloud alone."""
    return fit_camera(Correspondences.draw(xyz, CAMERA_POINTS, np.random.default_rng(0)))


def _affine(pairs: Correspondences) -> Camera:
    """Return the telecentric camera of least squares; of points on a plane the one that looks along its normal."""
    centre, middle = pairs.points.mean(axis=0), pairs.pixels.mean(axis=0)
    left = np.linalg.lstsq(pairs.points - centre, pairs.pixels - middle, rcond=_FLAT)[0].T
    matrix = np.zeros((3, 4))
    matrix[:2, :3], matrix[:2, 3], matrix[2, 3] = left, middle - left @ centre, 1
    return Camera(matrix)


def _pinhole(pairs: Correspondences) -> Camera:
    """Return the camera of the direct linear transform, with positive depths."""
    from_points, from_pixels = _normaliser(pairs.points), _normaliser(pairs.pixels)
    points = _homogeneous(pairs.points) @ from_points.T
    columns, rows, _ = (_homogeneous(pairs.pixels) @ from_pixels.T).T
    none = np.zeros_like(points)
    equations = np.concatenate(
        [
            np.hstack([points, none, -columns[:, None] * points]),
            np.hstack([none, points, -rows[:, None] * points]),
        ]
    )
    smallest = np.linalg.svd(equations, full_matrices=False)[2][-1].reshape(3, 4)
    matrix = np.linalg.inv(from_pixels) @ smallest @ from_points
    matrix /= np.linalg.norm(matrix[2, :3])
    return Camera(matrix if np.median(_homogeneous(pairs.points) @ matrix[2]) > 0 else -matrix)


def _homogeneous(vectors: Floats) -> Floats:
    return np.column_stack([vectors, np.ones(len(vectors))])


def _normaliser(vectors: Floats) -> Floats:
    """Return the similarity that moves vectors to mean 0 and root mean square length sqrt(d)."""
    centre = vectors.mean(axis=0)
    spread = np.sqrt(np.square(vectors - centre).mean()) or 1.0
    matrix = np.eye(vectors.shape[1] + 1) / spread
    matrix[:-1, -1], matrix[-1, -1] = -centre / spread, 1
    return matrix
