"""From what a camera wrote to the cloud of a sample: metres, to the right, down and forward, zero where nothing is."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import DataError

__all__ = ["AXES", "HeightGrid", "in_metres", "turned"]

AXES = "right down forward"
"""Where x, y and z of a sample point, seen from the sensor."""

_WAYS = {"right": (0, 1), "left": (0, -1), "down": (1, 1), "up": (1, -1), "forward": (2, 1), "backward": (2, -1)}
_TINY = np.float32(1e-9)


@dataclass(frozen=True, slots=True)
class HeightGrid:
    """How the pixels of a height map become points; all lengths in one unit.

    Parameters
    ----------
    dx, dy
        Distances of neighbouring columns and rows.
    z_scale, z_offset
        A height is ``value * z_scale + z_offset``.
    """

    dx: float
    dy: float
    z_scale: float = 1.0
    z_offset: float = 0.0

    def points(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the points (H, W, 3) of stored values (H, W): right, down, and up to the sensor."""
        height, width = values.shape
        points = np.empty((height, width, 3))
        points[..., 0] = np.arange(width) * self.dx
        points[..., 1] = np.arange(height)[:, np.newaxis] * self.dy
        points[..., 2] = values * self.z_scale + self.z_offset
        return points


def turned(axes: str) -> tuple[tuple[int, int], ...]:
    """Return for x, y and z of a sample the coordinate of the file and its sign.

    Parameters
    ----------
    axes
        Where the file's x, y and z point, three words: ``right down forward``, ``right up backward``.

    Raises
    ------
    ValueError
        Where these are not three words of three directions.
    """
    ways = [_WAYS.get(word, (-1, 0)) for word in axes.split()]
    if sorted(axis for axis, _ in ways) != [0, 1, 2]:
        raise ValueError(
            f"'{axes}' are no axes: say where x, y and z of the file point, each as right or left, down or up, forward "
            "or backward"
        )
    return tuple((place, sign) for _, place, sign in sorted((axis, place, sign) for place, (axis, sign) in enumerate(ways)))


def in_metres(
    points: NDArray[Any],
    stored: NDArray[Any],
    path: Path,
    *,
    unit: float,
    missing: Collection[float],
    axes: str = AXES,
    hint: str,
) -> NDArray[np.float32]:
    """Return the cloud of a sample.

    Parameters
    ----------
    points : (H, W, 3)
        In the file's unit and axes.
    stored : (H, W)
        The file's z, depth or height, as it stands there.
    path
        Of the file, for errors.
    unit
        Metres per unit.
    missing
        Values of ``stored`` that mean "nothing measured". NaN and inf among them: in any coordinate.
    axes
        As for :func:`turned`.
    hint
        What the user can do about a bad file: the end of the error's sentence.

    Returns
    -------
    (H, W, 3) float32, exactly (0, 0, 0) where nothing was measured; a measured coordinate that is exactly zero is 1e-9

    Raises
    ------
    DataError
        Where coordinates are NaN or infinite and ``missing`` doesn't say so, or no point is left.
    """
    numbers = [value for value in missing if math.isfinite(value)]
    gone = np.zeros(stored.shape, np.bool_)
    for value in numbers:
        gone |= stored == value
    if any(map(math.isnan, missing)):
        gone |= np.isnan(points).any(axis=-1)
    if any(map(math.isinf, missing)):
        gone |= np.isinf(points).any(axis=-1)
    xyz = np.empty(points.shape, np.float32)
    with np.errstate(all="ignore"):
        for axis, (place, sign) in enumerate(turned(axes)):
            xyz[..., axis] = points[..., place].astype(np.float64) * (sign * unit)
    xyz[xyz == 0] = _TINY
    xyz[gone] = 0
    bad = int((~np.isfinite(xyz)).any(axis=-1).sum())
    if bad:
        raise DataError(
            f"{path} holds NaN or infinite coordinates at {bad} pixels: name them in `missing` of dataset.toml, or {hint}."
        )
    if gone.all():
        raise DataError(f"{path} has no valid point, every one is a value that means 'nothing measured': {hint}.")
    return xyz
