"""Gap filling of depth images as in AST's code, without its loop over pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["fill_gaps"]


def fill_gaps(depth: Tensor, *, passes: int = 3, closed: Tensor | None = None) -> Tensor:
    """Replace each zero pixel by the mean of the positive values around it, several times.

    A pass reads the values of the previous pass in windows of 3 x 3 pixels, cut at the image's border. A zero pixel
    without a positive value around it stays zero, as do the whole first row and first column: the windows in the
    authors' code are slices, and a slice that starts at -1 is empty.

    Windows are summed by adding shifted images, rows first, which gives equal bits on every device.

    Parameters
    ----------
    depth : (H, W) float64
        Zero where nothing was measured; at least 3 x 3; on any device. It is not changed.
    passes
        Number of passes.
    closed : (H, W) bool, optional
        True where a zero is not a gap: the pixel is never filled.

    Returns
    -------
    (H, W).
    """
    filled = depth.clone()
    inner = torch.ones_like(filled, dtype=torch.bool) if closed is None else ~closed
    inner[0], inner[:, 0] = False, False
    for _ in range(passes):
        positive = filled > 0
        counts = _window_sums(positive.to(filled))
        gaps = (filled == 0) & (counts > 0) & inner
        if gaps.device.type == "cpu" and not gaps.any():  # another device would have to be waited for
            break
        sums = _window_sums(torch.where(positive, filled, 0))
        filled = torch.where(gaps, sums / counts.clamp_min(1), filled)
    return filled


def _window_sums(values: Tensor) -> Tensor:
    """Return the sums over 3 x 3 windows, zeros beyond the border."""
    padded = functional.pad(values, (1, 1, 1, 1))
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
