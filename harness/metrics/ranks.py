"""Ranks of the anomalous pixels among the normal ones, from which every pixel metric is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics.inputs import Images, check_same_images, foregrounds, score_maps

__all__ = [
    "NO_ANOMALOUS_PIXEL",
    "PixelRanks",
    "Regions",
    "count_above",
    "find_regions",
    "group_scores",
    "label_components",
    "rank_pixels",
    "shares_of",
]

NO_ANOMALOUS_PIXEL = "no image has an anomalous pixel"

_EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)
_CHUNK_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """The defects in a set of masks.

    Parameters
    ----------
    masks : n arrays of (H, W) bool
        True on anomalous pixels.
    shares : (m,) float64
        For every anomalous pixel, images in order and pixels row by row: 1 / |C|, C its 8-connected component.
    components
        Number of components over all images.
    """

    masks: list[NDArray[np.bool_]]
    shares: NDArray[np.float64]
    components: int


@dataclass(frozen=True, slots=True, eq=False)
class PixelRanks:
    """How many normal pixels score above and equal to anomalous ones.

    The arrays have one entry for each distinct score of an anomalous pixel, scores ascending.

    Parameters
    ----------
    share : (d,) float64
        Sum of 1 / |C| over the anomalous pixels with this score.
    anomalous : (d,) int64
        Number of anomalous pixels with this score.
    above : (d,) int64
        Number of normal pixels with a higher score.
    equal : (d,) int64
        Number of normal pixels with this score.
    normal
        Number of normal pixels.
    components
        Number of 8-connected components.
    unknown
        Why the ground truth of some image is not known, so that no pixel metric is defined; empty where it is.
    """

    share: NDArray[np.float64]
    anomalous: NDArray[np.int64]
    above: NDArray[np.int64]
    equal: NDArray[np.int64]
    normal: int
    components: int
    unknown: str = ""

    @property
    def undefined(self) -> str | None:
        """Why no pixel metric is defined, None where they are."""
        if self.unknown:
            return self.unknown
        if not self.components:
            return NO_ANOMALOUS_PIXEL
        return None if self.normal else "no image has a normal pixel"


def find_regions(masks: Images) -> Regions:
    """Label the 8-connected components of every mask.

    Bool masks are not copied; others become bool, one byte a pixel.

    Parameters
    ----------
    masks : (n, H, W) bool or real, or n arrays of (H, W)
        Ground truth of 0 and one other whole number, or of 0 and class ids.

    Raises
    ------
    ValueError
        Where a mask is soft or not (H, W).
    """
    images = foregrounds(masks)
    components = [label_components(mask) for mask in images]
    shares = np.concatenate([shares_of(of_pixel) for of_pixel, _ in components])
    return Regions(images, shares, sum(count for _, count in components))


def label_components(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Return the 8-connected component of each anomalous pixel, row by row, counted from 1, and their number."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return np.empty(0, dtype=np.int32), 0
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    from scipy import ndimage  # slow to import, and what reads records needs it not

    labels, count = ndimage.label(box, _EIGHT_CONNECTED)
    return labels[box], int(count)


def shares_of(of_pixel: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return 1 / |C| of each anomalous pixel of an image, C its component as :func:`label_components` counts it."""
    return 1.0 / np.bincount(of_pixel, minlength=1)[of_pixel]


def rank_pixels(maps: Images, regions: Regions, name: str = "maps") -> PixelRanks:
    """Rank the anomalous pixels of all maps among the normal ones.

    Normal pixels go through a buffer of a few megabytes, so that the additional memory grows with the number of
    anomalous pixels only.

    Parameters
    ----------
    maps : (n, H, W) real, or n arrays of (H, W)
        Anomaly maps, higher is more anomalous; compared in their own precision and never modified.
    regions
        Defects of the same images.
    name
        Name of the maps in error messages.

    Raises
    ------
    ValueError
        Where a map is not finite, not real, or not of the size of its mask.
    """
    images, dtype = score_maps(maps, name)
    check_same_images(images, regions.masks, name)
    pairs = list(zip(images, regions.masks, strict=True))
    pixels = np.concatenate([image[mask] for image, mask in pairs], dtype=dtype)
    normal = sum(image.size for image in images) - pixels.size
    scores, share, anomalous = group_scores(pixels, regions.shares)
    above, equal = _count_normal(pairs, scores)
    return PixelRanks(share, anomalous, above, equal, normal, regions.components)


def group_scores(
    pixels: NDArray[Any], shares: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.int64]]:
    """Return the distinct scores of pixels ascending, the sum of the shares at each, and how many pixels have it."""
    order = np.argsort(pixels)
    ranked = pixels[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])[: ranked.size])
    share = np.add.reduceat(shares[order], starts) if starts.size else np.empty(0)
    return ranked[starts], share, np.diff(starts, append=ranked.size)


def _count_normal(pairs: list[tuple[NDArray[Any], NDArray[np.bool_]]], scores: NDArray[Any]) -> NDArray[np.int64]:
    """Count the normal pixels above and equal to each of some distinct ascending scores, (2, d).

    The lowest score is counted aside: it is often the exact zero of the background, and nothing below it matters.
    """
    counts = np.zeros((2, scores.size), dtype=np.int64)

    def higher() -> Iterator[NDArray[Any]]:
        for image, mask in pairs:
            counts[1, 0] += np.count_nonzero((image == scores[0]) & ~mask)
            yield image[(image > scores[0]) & ~mask]

    if scores.size:
        _add_higher(higher(), scores, counts)
    return counts


def count_above(normal: Iterable[NDArray[Any]], scores: NDArray[Any]) -> NDArray[np.int64]:
    """Count normal pixels above and equal to each of some scores.

    Parameters
    ----------
    normal : n arrays of (p,)
        Scores of the normal pixels of each image, ascending; may be empty.
    scores : (d,)
        Distinct, ascending, of the same dtype.

    Returns
    -------
    (2, d) int64
        Numbers above, and numbers equal.
    """
    counts = np.zeros((2, scores.size), dtype=np.int64)

    def higher() -> Iterator[NDArray[Any]]:
        for pixels in normal:
            begin, end = (pixels.searchsorted(scores[0], side=side) for side in ("left", "right"))
            counts[1, 0] += end - begin
            yield pixels[end:]

    if scores.size:
        _add_higher(higher(), scores, counts)
    return counts


def _add_higher(arrays: Iterable[NDArray[Any]], scores: NDArray[Any], counts: NDArray[np.int64]) -> None:
    """Add how many pixels are above and at each score, given those above the lowest score."""
    above, equal = counts
    for chunk in _chunks(arrays, scores.dtype):
        chunk.sort()
        first = np.searchsorted(chunk, scores, side="left")
        tied = np.flatnonzero(chunk.take(first, mode="clip") == scores)
        after = np.searchsorted(chunk, scores[tied], side="right")
        equal[tied] += after - first[tied]
        first[tied] = after
        above += chunk.size
        above -= first


def _chunks(arrays: Iterable[NDArray[Any]], dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Pack arrays of any length into one reused buffer and yield it whenever it is full, and once more at the end."""
    buffer = np.empty(_CHUNK_BYTES // dtype.itemsize, dtype=dtype)
    filled = 0
    for array in arrays:
        rest = array
        while rest.size:
            taken = min(rest.size, buffer.size - filled)
            buffer[filled : filled + taken] = rest[:taken]
            filled, rest = filled + taken, rest[taken:]
            if filled == buffer.size:
                yield buffer
                filled = 0
    if filled:
        yield buffer[:filled]
