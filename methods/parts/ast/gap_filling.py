"""Gap filling of depth images as in AST's code, without its loop over pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["fill_gaps"]


def fill_gaps(
    depth: NDArray[np.float64], *, passes: int = 3, closed: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Replace each zero pixel by the mean of the positive values around it, several times.

    A pass reads the values of the previous pass in windows of 3 x 3 pixels, cut at the image's border. A zero pixel
    without a positive value around it stays zero, as do the whole first row and first column: the windows in the
    authors' code are slices, and a slice that starts at -1 is empty.

    Parameters
    ----------
    depth : (H, W)
        Zero where nothing was measured; at least 3 x 3. It is not changed.
    passes
        Number of passes.
    closed : (H, W) bool, optional
        True where a zero is not a gap: the pixel is never filled.

    Returns
    -------
    (H, W).
    """
    filled = depth.copy()
    for _ in range(passes):
        positive = filled > 0
        counts = _window_sums(positive.astype(np.float64))
        gaps = (filled == 0) & (counts > 0)
        gaps[0], gaps[:, 0] = False, False
        if closed is not None:
            gaps &= ~closed
        if not gaps.any():
            break
        sums = _window_sums(np.where(positive, filled, 0))
        filled[gaps] = sums[gaps] / counts[gaps]
    return filled


def _window_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums over 3 x 3 windows, zeros beyond the border."""
    padded = np.pad(values, 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    sums: NDArray[np.float64] = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return sums
