"""The one evaluation geometry: every image is zero-padded to a centred square and judged at 224 x 224.

Methods may import this module too, so that their inputs and the ground truth agree.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["nearest_indices", "resize_nearest", "square_pad"]


def square_pad(image: NDArray[Any], mode: Literal["constant", "edge"] = "constant") -> NDArray[Any]:
    """Pad the first two axes to a centred square; an odd remainder goes to the bottom and the right.

    Parameters
    ----------
    image : (H, W, ...)
        Any dtype.
    mode
        ``constant`` fills with zeros, ``edge`` repeats the border.

    Returns
    -------
    (S, S, ...) with S = max(H, W); the input itself where it is square already.
    """
    height, width = image.shape[:2]
    side = max(height, width)
    if height == width:
        return image
    top, left = (side - height) // 2, (side - width) // 2
    widths = [(top, side - height - top), (left, side - width - left)] + [(0, 0)] * (image.ndim - 2)
    return np.pad(image, widths, mode=mode)


def nearest_indices(source: int, target: int, *, centred: bool = False) -> NDArray[np.intp]:
    """Return the source index of each target index.

    Parameters
    ----------
    source, target
        Lengths in pixels.
    centred
        False picks floor(i * source / target), as torch's ``nearest`` does (the reference's point clouds); True
        picks floor((i + 1/2) * source / target), as Pillow's ``NEAREST`` does (the reference's ground truth).
    """
    steps = 2 * np.arange(target) + 1 if centred else 2 * np.arange(target)
    return np.minimum(steps * source // (2 * target), source - 1).astype(np.intp)


def resize_nearest(image: NDArray[Any], size: int, *, centred: bool = False) -> NDArray[Any]:
    """Resize the first two axes of an (H, W, ...) array to ``size`` x ``size`` by picking nearest pixels."""
    rows = nearest_indices(image.shape[0], size, centred=centred)
    columns = nearest_indices(image.shape[1], size, centred=centred)
    return image[np.ix_(rows, columns)]
