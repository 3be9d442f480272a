"""The sorted normal pixels of each image of a test set, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics.threads import in_threads

__all__ = ["NormalPixels"]

_KEPT_BYTES = 32 * 10**6
"""Pixels that are kept: those of 160 maps of 224 x 224 in single precision."""

_AHEAD = 16
"""Images beyond these that are sorted at a time."""


class NormalPixels:
    """Scores of the normal pixels of each image, ascending.

    Those of the first images are kept, as many as fit into a fixed amount of memory. Those of all others are sorted
    anew each time that one iterates, so that any number of images can be counted.

    Parameters
    ----------
    pairs : n pairs of (H, W) real and (H, W) bool
        Anomaly map of each image, and which of its pixels are not normal.
    dtype
        In which scores are compared; holds those of all maps unchanged.

    Attributes
    ----------
    dtype
        Of all scores.
    sizes : n int
        Number of normal pixels of each image.
    total
        Of all images.
    """

    def __init__(self, pairs: Sequence[tuple[NDArray[Any], NDArray[np.bool_]]], dtype: np.dtype[Any]) -> None:
        self._pairs, self.dtype = pairs, dtype
        self.sizes = [image.size - int(np.count_nonzero(other)) for image, other in pairs]
        self.total = sum(self.sizes)
        kept = np.searchsorted(np.cumsum(self.sizes) * dtype.itemsize, _KEPT_BYTES, side="right")
        self._kept = list(in_threads(self._sorted, range(int(kept))))

    def __iter__(self) -> Iterator[NDArray[Any]]:
        yield from self._kept
        for first in range(len(self._kept), len(self._pairs), _AHEAD):
            yield from in_threads(self._sorted, range(first, min(first + _AHEAD, len(self._pairs))))

    def of(self, indices: Iterable[int]) -> Iterator[NDArray[Any]]:
        """Yield those of some images."""
        for index in indices:
            yield self._kept[index] if index < len(self._kept) else self._sorted(index)

    def _sorted(self, index: int) -> NDArray[Any]:
        image, other = self._pairs[index]
        scores: NDArray[Any] = image[~other].astype(self.dtype, copy=False)
        scores.sort()
        return scores
