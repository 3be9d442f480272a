"""Perlin noise, and the masks of synthetic anomalies that it makes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from methods.parts.g2sf.warping import Warp, warped

__all__ = ["SIDE", "anomaly_mask", "perlin_noise"]

SIDE = 512
"""Side of the noise, pixels."""

_LARGEST_EXPONENT = 4
"""Cells on a side of the noise are a power of two with an exponent of 0 up to this."""

_LEAST_PART, _LARGEST_PART, _LEAST_TOTAL = 100, 1600, 300
"""Pixels of a component that is kept, and of all of them together."""

_TRIES, _LOWERED_EVERY, _LOWERED_BY, _LOWEST = 100, 10, 0.9, 0.2


def perlin_noise(draw: np.random.Generator, side: int, rows: int, columns: int) -> NDArray[np.float64]:
    """Return Perlin noise (side, side), about 0 and within -1 and 1, of ``rows`` times ``columns`` cells."""
    angles = draw.uniform(0, 2 * np.pi, (rows + 1, columns + 1))
    gradients = np.stack([np.sin(angles), np.cos(angles)])
    row, down = _cells(side, rows)
    column, right = _cells(side, columns)
    corners = [
        [
            gradients[0][np.ix_(row + i, column + j)] * (down - i)[:, None]
            + gradients[1][np.ix_(row + i, column + j)] * (right - j)
            for j in (0, 1)
        ]
        for i in (0, 1)
    ]
    to_right, to_down = _fade(right), _fade(down)[:, None]
    upper, lower = (left + to_right * (other - left) for left, other in corners)
    return np.asarray(np.sqrt(2) * (upper + to_down * (lower - upper)))


def _cells(side: int, count: int) -> tuple[NDArray[np.intp], NDArray[np.floating]]:
    """Return the cell of each pixel along an axis, and where in the cell it lies, from 0 to 1."""
    place = np.arange(side) * (count / side)
    cell = place.astype(np.intp)
    return cell, place - cell


def _fade(part: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(part**3 * (part * (6 * part - 15) + 10))


def anomaly_mask(draw: np.random.Generator, allowed: NDArray[np.bool_], threshold: float) -> NDArray[np.bool_]:
    """Return where turned noise exceeds a threshold, without components that are small or large.

    It is drawn again until it has 300 pixels; every ten draws the threshold falls by a tenth, down to 0.2. After a
    hundred draws it is the largest of them, which may be empty.

    Parameters
    ----------
    draw
        Of the noise.
    allowed : (512, 512) bool
        Where the mask may lie.
    threshold
        Of the first ten draws.

    Returns
    -------
    (512, 512) bool
    """
    best = np.zeros_like(allowed)
    if allowed.sum() < _LEAST_PART:
        return best
    for attempt in range(_TRIES):
        limit = max(threshold * _LOWERED_BY ** (attempt // _LOWERED_EVERY), _LOWEST)
        rows, columns = 2 ** draw.integers(0, _LARGEST_EXPONENT, 2, endpoint=True)
        noise = warped(perlin_noise(draw, SIDE, rows, columns), Warp(angle=draw.uniform(-90, 90)))
        mask = _middling_parts((noise > limit) & allowed)
        if mask.sum() > best.sum():
            best = mask
        if best.sum() >= _LEAST_TOTAL:
            break
    return best


def _middling_parts(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    kept = (sizes >= _LEAST_PART) & (sizes <= _LARGEST_PART)
    kept[0] = False
    return np.asarray(kept[labels])
