"""Where labels of points go: next to their markers, over no other label and no marker.

A box is a row of four numbers, its left, bottom, right and top edge; a marker is its centre and radius.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["distances", "place_labels"]

_Array = NDArray[np.float64]

_ASIDE = 0.35
"""Part of its width that a label above or below its marker may be off the middle."""

_DIRECTIONS = (0.0, 0.5, 1.5, 1.0, 0.25, 1.75, 0.75, 1.25, 0.125, 1.875, 0.375, 1.625, 0.625, 1.375, 0.875, 1.125)
"""Tried in this order, in half turns: right, above, below, left, then between."""

_SIDES = np.array(
    [
        (round(cos(turn * pi), 12), round(sin(turn * pi), 12), aside)
        for turn in _DIRECTIONS
        for aside in ((0, -_ASIDE, _ASIDE) if turn in (0.5, 1.5) else (0,))
    ]
)

_LATER = 0.02
"""Cost of each candidate that was tried before."""

_TALL = 6.0
"""Height of a line in gaps: distances are counted in lines, also for labels of several."""

_STEPS = 14
_SWEEPS = 6
_FORBIDDEN = 1e6
_LEAST_LEADER = 1.5
"""Distance from marker to label, in label heights, from which a line connects them."""


def distances(boxes: _Array, points: _Array) -> _Array:
    """Return how far points, (..., 2), are from boxes, (..., 4); 0 inside."""
    away: _Array = np.maximum(0, np.maximum(boxes[..., :2] - points, points - boxes[..., 2:]))
    return np.hypot(away[..., 0], away[..., 1])


def place_labels(
    discs: ArrayLike, sizes: ArrayLike, bounds: ArrayLike, *, gap: float, avoid: ArrayLike = ()
) -> tuple[_Array, NDArray[np.bool_]]:
    """Return a place for the label of each marker.

    Each label takes the cheapest of its candidates while the others stay, until nothing changes. Overlaps, and places
    out of bounds, cost more than anything else; then distance, the direction, lines that are crossed, and being nearer
    to another marker than to its own. All lengths are in the same unit.

    Parameters
    ----------
    discs : (m, 3)
        Centre and radius of all markers; the first ``n`` are labelled.
    sizes : (n, 2)
        Width and height of each label.
    bounds : (4,)
        Where labels may go, as a box.
    gap
        Space to keep around labels.
    avoid : (k, 2)
        Points of lines that labels should not cover.

    Returns
    -------
    boxes : (n, 4) float64
        Where the labels go.
    far : (n,) bool
        Whether a label is so far from its marker that a line must connect them.
    """
    discs, sizes, bounds = (np.asarray(value, dtype=np.float64) for value in (discs, sizes, bounds))
    avoid = np.asarray(avoid, dtype=np.float64).reshape(-1, 2)
    options = [_around(disc, size, gap) for disc, size in zip(discs, sizes, strict=False)]
    boxes, cost = _solve(options, discs, bounds, gap, avoid)
    if cost >= _FORBIDDEN:
        options = [np.vstack([ring, _all_over(size, bounds)]) for ring, size in zip(options, sizes, strict=True)]
        boxes, _ = _solve(options, discs, bounds, gap, avoid)
    labelled = discs[: len(boxes)]
    return boxes, distances(boxes, labelled[:, :2]) - labelled[:, 2] > _LEAST_LEADER * sizes[:, 1]


def _solve(options: Sequence[_Array], discs: _Array, bounds: _Array, gap: float, avoid: _Array) -> tuple[_Array, float]:
    """Return one of the candidates of each label, and what all of them cost."""
    alone = [_alone(index, boxes, discs, bounds, gap, avoid) for index, boxes in enumerate(options)]
    apart = np.hypot(*(discs[:, None, :2] - discs[None, :, :2]).transpose(2, 0, 1))
    most_crowded_first = np.argsort(-np.sum(1 / (1 + apart), axis=1)[: len(options)], kind="stable")
    chosen: dict[int, int] = {}
    costs = np.zeros(len(options))
    for _ in range(_SWEEPS):
        before = dict(chosen)
        for index in map(int, most_crowded_first):
            others = np.array([options[other][best] for other, best in chosen.items() if other != index]).reshape(-1, 4)
            grown = options[index][:, None] + gap * np.array([-1, -0.5, 1, 0.5])
            wide_and_tall = np.minimum(grown[..., 2:], others[:, 2:]) - np.maximum(grown[..., :2], others[:, :2])
            total = alone[index] + _FORBIDDEN * np.sum((wide_and_tall > 0).all(axis=-1), axis=1)
            chosen[index] = int(np.argmin(total))
            costs[index] = total[chosen[index]]
        if chosen == before:
            break
    return np.array([boxes[chosen[index]] for index, boxes in enumerate(options)]), float(np.sum(costs))


def _around(disc: _Array, size: _Array, gap: float) -> _Array:
    """Return boxes around a marker, at growing distances."""
    reach = disc[2] + gap + np.arange(_STEPS)[:, None, None] * size[1] / 2
    corners = disc[:2] + _SIDES[:, :2] * reach + (np.sign(_SIDES[:, :2]) - 1) * size / 2
    corners[..., 0] += _SIDES[:, 2] * size[0]
    return _boxes(corners.reshape(-1, 2), size)


def _all_over(size: _Array, bounds: _Array) -> _Array:
    """Return a grid of boxes."""
    steps = [np.arange(bounds[axis], bounds[axis + 2] - size[axis] + 1e-6, size[axis] / 2) for axis in (0, 1)]
    return _boxes(np.stack(np.meshgrid(*steps), axis=-1).reshape(-1, 2), size)


def _boxes(corners: _Array, size: _Array) -> _Array:
    return np.hstack([corners, corners + size])


def _alone(index: int, boxes: _Array, discs: _Array, bounds: _Array, gap: float, avoid: _Array) -> _Array:
    """Return what each of a label's places costs by itself."""
    tall = np.minimum(boxes[:, 3] - boxes[:, 1], _TALL * gap)
    near = distances(boxes[:, None], discs[:, :2]) - discs[:, 2]
    away = np.maximum(near[:, index], gap)
    covered, nearer = near < gap / 2, near < away[:, None]
    nearer[:, index] = False
    outside = (boxes[:, :2] < bounds[:2]).any(axis=1) | (boxes[:, 2:] > bounds[2:]).any(axis=1)
    crossed = np.sum(distances(boxes[:, None], avoid) < gap / 2, axis=1)
    lifted = np.abs((boxes[:, 1] + boxes[:, 3]) / 2 - discs[index, 1])
    cost: _Array = away / tall + 0.15 * lifted / tall + 1.5 * np.sum(nearer & ~covered, axis=1) + 0.4 * crossed
    cost += _LATER * np.arange(len(boxes)) + _FORBIDDEN * (outside + np.sum(covered, axis=1))
    return cost
