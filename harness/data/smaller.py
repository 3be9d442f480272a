"""Images, clouds and masks on a coarser grid, when they are read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.contract import Sample

__all__ = ["average", "nearest", "nearest_mask", "sample_within", "size_within"]


def sample_within(sample: Sample, most: int) -> Sample:
    """Return a decoded sample with at most so many pixels on the longer side; 0 leaves it as it is."""
    height, width = sample.rgb.shape[:2]
    size = size_within(height, width, most or max(height, width))
    return replace(
        sample,
        rgb=average(sample.rgb, size),
        xyz=nearest(sample.xyz, size),
        plane=nearest(sample.plane, size),
        mask=None if sample.mask is None else nearest_mask(sample.mask, size),
    )


def size_within(height: int, width: int, most: int) -> tuple[int, int]:
    """Return height and width with at most so many pixels on the longer side; the same where they have no more."""
    longest = max(height, width)
    if longest <= most:
        return height, width
    return max(1, round(height * most / longest)), max(1, round(width * most / longest))


def nearest(array: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return the pixels (h, w, ...) of an array (H, W, ...) that are nearest to the centres of the coarser grid."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size, array.shape[:2], strict=True)
    )
    taken: NDArray[Any] = array[np.ix_(rows, columns)]
    return taken


def nearest_mask(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask (h, w) as :func:`nearest` does; where that loses all of it, every pixel that holds some of it."""
    taken: NDArray[np.bool_] = nearest(mask, size)
    if taken.any() or not mask.any():
        return taken
    held = np.zeros(size, np.bool_)
    rows, columns = (index * new // old for index, new, old in zip(mask.nonzero(), size, mask.shape, strict=True))
    held[rows, columns] = True
    return held


def average(rgb: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return an image (h, w, 3) of the means of the areas (H, W, 3) that its pixels cover."""
    if rgb.shape[:2] == size:
        return rgb
    return np.asarray(Image.fromarray(rgb).resize((size[1], size[0]), Image.Resampling.BOX))
