"""Connected regions of an anomaly map above a level, as boxes in the pixels of the image that was given."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ImageFrame", "Region", "peak_of", "regions_above"]

_WITH_CORNERS = np.ones((3, 3))


@dataclass(frozen=True, slots=True)
class Region:
    """Pixels of a map above a level that touch at a side or a corner.

    Parameters
    ----------
    box
        Left, top, right, bottom in pixels of the image; right and bottom are one past the last.
    area
        Pixels of the image that the region covers, rounded.
    peak
        Largest value of the map in it.
    """

    box: tuple[int, int, int, int]
    area: int
    peak: float


@dataclass(frozen=True, slots=True)
class ImageFrame:
    """Where the pixels of a map in the evaluation geometry lie in the image of which it was made.

    Parameters
    ----------
    used
        Height and width of the sample that the method got: the map is that of it, padded to a square.
    given
        Height and width of the same part of the image in the image's own pixels.
    top
        Rows of the image above this part.
    """

    used: tuple[int, int]
    given: tuple[int, int]
    top: int = 0

    @classmethod
    def of(cls, height: int, width: int) -> ImageFrame:
        """Return that of an image which the method gets as it is."""
        return cls((height, width), (height, width))

    def inside(self, size: int) -> NDArray[np.bool_]:
        """Return the pixels (size, size) of a map whose centre lies in the image, not in what makes it a square."""
        side = max(self.used)
        rows, columns = (
            np.abs((np.arange(size) + 0.5) * side / size - (side - length) // 2 - length / 2) < length / 2
            for length in self.used
        )
        return np.asarray(rows[:, np.newaxis] & columns, np.bool_)

    def box(self, rows: slice, columns: slice, size: int) -> tuple[int, int, int, int]:
        """Return left, top, right, bottom of a part of a map (size, size), in whole pixels of the image."""
        (above, below), (left, right) = (self._edges(part, axis, size) for axis, part in enumerate((rows, columns)))
        return left, above + self.top, right, below + self.top

    def area(self, pixels: int, size: int) -> int:
        """Return how many pixels of the image so many of a map (size, size) are."""
        in_used = pixels * (max(self.used) / size) ** 2
        return round(in_used * math.prod(self.given) / math.prod(self.used))

    def _edges(self, part: slice, axis: int, size: int) -> tuple[int, int]:
        """Return the first and one past the last pixel of the image, along an axis, that a part of a map touches."""
        side, used, given = max(self.used), self.used[axis], self.given[axis]
        ends = (edge * side / size - (side - used) // 2 for edge in (part.start, part.stop))
        first, last = (min(max(end, 0), used) * given / used for end in ends)
        return math.floor(first), math.ceil(last)


def peak_of(anomaly_map: NDArray[np.float32], frame: ImageFrame) -> float:
    """Return the largest value of a map (S, S) inside the image."""
    return float(anomaly_map[frame.inside(len(anomaly_map))].max())


def regions_above(anomaly_map: NDArray[np.float32], level: float, frame: ImageFrame) -> tuple[Region, ...]:
    """Return the connected regions of a map (S, S) above a level and inside the image, the highest peak first."""
    from scipy import ndimage

    size = len(anomaly_map)
    labels, _ = ndimage.label((anomaly_map > level) & frame.inside(size), _WITH_CORNERS)
    found = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        values = anomaly_map[rows, columns][labels[rows, columns] == number]
        area, peak = frame.area(len(values), size), float(values.max())
        found.append(Region(frame.box(rows, columns, size), area, peak))
    return tuple(sorted(found, key=lambda region: -region.peak))
