"""Where labels of points go: next to their markers, over no other label and no marker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, hypot, pi, sin

__all__ = ["Box", "Disc", "Placed", "place_labels"]

_DIRECTIONS = (0.0, 0.5, 1.5, 1.0, 0.25, 1.75, 0.75, 1.25, 0.125, 1.875, 0.375, 1.625, 0.625, 1.375, 0.875, 1.125)
"""Tried in this order, in half turns: right, above, below, left, then between."""

_LATER = 0.02
"""Cost of each candidate that was tried before."""

_ASIDE = 0.35
"""Part of its width that a label above or below its marker may be off the middle."""

_TALL = 6.0
"""Height of a line in gaps: distances are counted in lines, also for labels of several."""

_STEPS = 14
_SWEEPS = 6
_FORBIDDEN = 1e6
_LEAST_LEADER = 1.5
"""Distance from marker to label, in label heights, from which a line connects them."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its edges."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """Return the shared area."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        tall = min(self.top, other.top) - max(self.bottom, other.bottom)
        return wide * tall if wide > 0 and tall > 0 else 0.0

    def distance(self, x: float, y: float) -> float:
        """Return how far a point is from the rectangle; 0 inside."""
        return hypot(max(self.left - x, 0, x - self.right), max(self.bottom - y, 0, y - self.top))

    def inside(self, other: Box) -> bool:
        """Return whether no part of it is outside another."""
        across = other.left <= self.left and self.right <= other.right
        return across and other.bottom <= self.bottom and self.top <= other.top

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """Return the point of the rectangle next to a point."""
        return min(max(x, self.left), self.right), min(max(y, self.bottom), self.top)


@dataclass(frozen=True, slots=True)
class Disc:
    """A marker: its centre and radius."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a label goes.

    Parameters
    ----------
    box
        The label's rectangle.
    leader
        Whether it is so far from its marker that a line must connect them.
    """

    box: Box
    leader: bool


def place_labels(
    discs: Sequence[Disc],
    sizes: Sequence[tuple[float, float]],
    bounds: Box,
    *,
    gap: float,
    avoid: Sequence[tuple[float, float]] = (),
) -> tuple[Placed, ...]:
    """Return a place for the label of each marker.

    Each label takes the cheapest of its candidates while the others stay, until nothing changes. Overlaps, and places
    out of bounds, cost more than anything else; then distance, the direction, lines that are crossed, and being nearer
    to another marker than to its own. All lengths are in the same unit.

    Parameters
    ----------
    discs
        All markers; the first ``len(sizes)`` are labelled.
    sizes
        Width and height of each label.
    bounds
        Where labels may go.
    gap
        Space to keep around labels.
    avoid
        Points of lines that labels should not cover.
    """
    rings = [list(_around(disc, size, gap)) for disc, size in zip(discs, sizes, strict=False)]
    places, cost = _solve(rings, discs, bounds, gap, avoid)
    if cost >= _FORBIDDEN:
        everywhere = [[*ring, *_all_over(size, bounds)] for ring, size in zip(rings, sizes, strict=True)]
        places, _ = _solve(everywhere, discs, bounds, gap, avoid)
    return tuple(_placed(disc, box) for disc, box in zip(discs, places, strict=False))


def _solve(
    options: Sequence[Sequence[Box]],
    discs: Sequence[Disc],
    bounds: Box,
    gap: float,
    avoid: Sequence[tuple[float, float]],
) -> tuple[list[Box], float]:
    """Return one of the candidates of each label, and what all of them cost."""
    alone = [
        [_alone(index, box, discs, bounds, gap, avoid) + _LATER * turn for turn, box in enumerate(boxes)]
        for index, boxes in enumerate(options)
    ]
    order = sorted(range(len(options)), key=lambda index: (-_crowd(discs[index], discs), index))
    chosen: dict[int, int] = {}
    costs: dict[int, float] = {}
    for _ in range(_SWEEPS):
        before = dict(chosen)
        for index in order:
            others = [options[other][best] for other, best in chosen.items() if other != index]
            found = [cost + _between(box, others, gap) for cost, box in zip(alone[index], options[index], strict=True)]
            chosen[index] = found.index(min(found))
            costs[index] = min(found)
        if chosen == before:
            break
    return [options[index][chosen[index]] for index in range(len(options))], sum(costs.values())


def _around(disc: Disc, size: tuple[float, float], gap: float) -> Iterator[Box]:
    """Yield rectangles around a marker, at growing distances."""
    wide, tall = size
    for step in range(_STEPS):
        reach = disc.radius + gap + step * tall / 2
        for turn in _DIRECTIONS:
            across, up = cos(turn * pi), sin(turn * pi)
            x = disc.x + across * reach + (_sign(across) - 1) * wide / 2
            y = disc.y + up * reach + (_sign(up) - 1) * tall / 2
            yield Box(x, y, x + wide, y + tall)
            if not _sign(across):
                for aside in (x - _ASIDE * wide, x + _ASIDE * wide):
                    yield Box(aside, y, aside + wide, y + tall)


def _all_over(size: tuple[float, float], bounds: Box) -> Iterator[Box]:
    """Yield a grid of rectangles."""
    wide, tall = size
    y = bounds.bottom
    while y + tall <= bounds.top:
        x = bounds.left
        while x + wide <= bounds.right:
            yield Box(x, y, x + wide, y + tall)
            x += wide / 2
        y += tall / 2


def _sign(value: float) -> int:
    return 0 if abs(value) < 1e-9 else 1 if value > 0 else -1


def _alone(
    index: int, box: Box, discs: Sequence[Disc], bounds: Box, gap: float, avoid: Sequence[tuple[float, float]]
) -> float:
    """Return what a place costs by itself."""
    own, tall = discs[index], min(box.top - box.bottom, _TALL * gap)
    away = max(box.distance(own.x, own.y) - own.radius, gap)
    cost = away / tall + 0.15 * abs((box.bottom + box.top) / 2 - own.y) / tall
    cost += 0 if box.inside(bounds) else _FORBIDDEN
    for other, disc in enumerate(discs):
        near = box.distance(disc.x, disc.y) - disc.radius
        if near < gap / 2:
            cost += _FORBIDDEN
        elif other != index and near < away:
            cost += 1.5
    return cost + 0.4 * sum(box.distance(x, y) < gap / 2 for x, y in avoid)


def _between(box: Box, others: Sequence[Box], gap: float) -> float:
    grown = Box(box.left - gap, box.bottom - gap / 2, box.right + gap, box.top + gap / 2)
    return _FORBIDDEN * sum(grown.overlap(other) > 0 for other in others)


def _crowd(disc: Disc, discs: Sequence[Disc]) -> float:
    return sum(1 / (1 + hypot(disc.x - other.x, disc.y - other.y)) for other in discs)


def _placed(disc: Disc, box: Box) -> Placed:
    away = box.distance(disc.x, disc.y) - disc.radius
    return Placed(box, away > _LEAST_LEADER * (box.top - box.bottom))
