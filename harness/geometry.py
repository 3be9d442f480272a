"""The evaluation geometry: every image is zero-padded to a centred square and evaluated at 224 x 224.

Methods may import this module, so that their inputs and the ground truth agree.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["resize_nearest", "square_pad", "valid_points"]


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


def resize_nearest(image: NDArray[Any], size: int) -> NDArray[Any]:
    """Resize the first two axes of an (H, W, ...) array to ``size`` x ``size``.

    Pixel i comes from floor(i * source / size), as in torch's ``nearest``: what the references do to point clouds.
    """
    rows, columns = (np.arange(size) * source // size for source in image.shape[:2])
    return image[np.ix_(rows, columns)]


def valid_points(xyz: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return where (...) a point (..., 3) was measured: all three of its coordinates differ from zero."""
    valid: NDArray[np.bool_] = (xyz != 0).all(axis=-1)
    return valid
