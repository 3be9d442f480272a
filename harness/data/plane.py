"""A plane through noisy points by RANSAC, seeded: the same points and the same seed give the same plane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Plane", "fit_plane", "least_squares_plane"]

_CHUNK = 80_000
"""Distances at a time. NumPy's OpenBLAS takes products of up to 2**18 multiplications, three for each distance, in the
calling thread. Larger ones it splits between threads that spin, which on a busy machine took ten times as long."""

_COLLINEAR = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """All points p with ``normal @ p + offset == 0``.

    Parameters
    ----------
    normal : (3,) float64
        Of unit length.
    offset
        Metres.
    """

    normal: NDArray[np.float64]
    offset: float

    def distance(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the unsigned distances (...) of points (..., 3), metres."""
        return np.abs(points.astype(np.float64) @ self.normal + self.offset)


def least_squares_plane(points: NDArray[np.floating]) -> Plane | None:
    """Return the plane with the least squared distances to points (N, 3), or None where they lie on a line."""
    normals, offsets, proper = _fit_many(points.astype(np.float64)[None])
    return Plane(normals[0], float(offsets[0])) if proper[0] else None


def fit_plane(
    points: NDArray[np.floating], *, seed: int, inlier_distance: float, sample_size: int, iterations: int
) -> Plane | None:
    """Find the plane that the most points lie on.

    Each hypothesis is the least-squares plane of ``sample_size`` different random points. The one with the most
    inliers wins, then the one with the lower root mean square distance of its inliers, then the earlier one; the
    result is the least-squares plane of its inliers.

    Parameters
    ----------
    points : (N, 3)
        Metres.
    seed
        Seed of the random choices.
    inlier_distance
        Points nearer than this are inliers, metres.
    sample_size
        Points of a hypothesis, at least 3.
    iterations
        Number of hypotheses.

    Returns
    -------
    The plane, or None where there are fewer than ``sample_size`` points, no hypothesis has an inlier, or all lie on a
    line.

    Notes
    -----
    Fischler and Bolles, "Random sample consensus", Communications of the ACM 24(6), 1981.
    """
    if len(points) < sample_size:
        return None
    cloud = points.astype(np.float64)
    chosen = _draw_subsets(np.random.default_rng(seed), len(cloud), sample_size, iterations)
    normals, offsets, proper = _fit_many(cloud[chosen])
    inliers = _best_inliers(cloud, normals[proper], offsets[proper], inlier_distance)
    return None if inliers is None else least_squares_plane(cloud[inliers])


def _draw_subsets(rng: np.random.Generator, population: int, size: int, count: int) -> NDArray[np.intp]:
    """Return (count, size) indices, different within a row: Floyd's algorithm on all rows at once."""
    chosen = np.empty((count, size), dtype=np.intp)
    for column, last in enumerate(range(population - size, population)):
        drawn = rng.integers(0, last + 1, size=count)
        taken = (chosen[:, :column] == drawn[:, None]).any(axis=1)
        chosen[:, column] = np.where(taken, last, drawn)
    return chosen


def _fit_many(groups: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return unit normals (G, 3), offsets (G,) and whether each of the groups (G, N, 3) spans a plane."""
    centres = groups.mean(axis=1)
    centred = groups - centres[:, None]
    values, vectors = np.linalg.eigh(np.swapaxes(centred, 1, 2) @ centred)
    normals = vectors[:, :, 0]
    proper = values[:, 1] > _COLLINEAR * values[:, 2]
    return normals, -(normals * centres).sum(axis=1), proper


def _best_inliers(
    cloud: NDArray[np.float64], normals: NDArray[np.float64], offsets: NDArray[np.float64], limit: float
) -> NDArray[np.bool_] | None:
    """Return the inliers (N,) of the best hypothesis, or None where no hypothesis has any."""
    if len(normals) == 0:
        return None
    counts = np.concatenate([np.count_nonzero(d < limit, axis=1) for d in _distances(cloud, normals, offsets)])
    if counts.max() == 0:
        return None
    tied = np.flatnonzero(counts == counts.max())
    errors = np.concatenate([_squared_error(d, limit) for d in _distances(cloud, normals[tied], offsets[tied])])
    best = tied[int(np.argmin(errors))]
    return Plane(normals[best], float(offsets[best])).distance(cloud) < limit


def _distances(
    cloud: NDArray[np.float64], normals: NDArray[np.float64], offsets: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """Yield the unsigned distances (g, N) of the points to a few planes at a time."""
    step = max(1, _CHUNK // len(cloud))
    for start in range(0, len(normals), step):
        part = slice(start, start + step)
        signed = normals[part] @ cloud.T
        signed += offsets[part, None]
        yield np.abs(signed, out=signed)


def _squared_error(distances: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """Return the summed squares (g,) of the distances of inliers."""
    distances[distances >= limit] = 0
    errors: NDArray[np.float64] = np.square(distances).sum(axis=1)
    return errors
