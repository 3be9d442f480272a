"""The three losses of MAFR, each about the features of one modality on a square grid of cells."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["census_loss", "reconstruction_loss", "smoothness_loss", "standardised_loss"]

_VARIANCE_FLOOR = 1e-8
_FLOW = 2
_WINDOW = 7


def reconstruction_loss(predicted: Tensor, real: Tensor, places: Tensor, side: int) -> Tensor:
    """Return the sum of the three losses with equal weights, ().

    Parameters
    ----------
    predicted, real : (n, C) float
        Features of cells; gradients flow to ``predicted`` alone.
    places : (n,) int64
        Flat cells of the rows in a ``side`` x ``side`` grid, ascending: all of them, or those that count; then the
        others are as if outside the grid.
    side
        Of the grid.
    """
    return (
        standardised_loss(predicted, real)
        + smoothness_loss(predicted, real, places, side)
        + census_loss(predicted, real, places, side)
    )


def standardised_loss(predicted: Tensor, real: Tensor) -> Tensor:
    """Return the mean squared difference of rows that have mean 0 and variance 1 over channels each."""
    return functional.mse_loss(_standardised(predicted), _standardised(real))


def smoothness_loss(predicted: Tensor, real: Tensor, places: Tensor, side: int) -> Tensor:
    """Return how much the first two channels of the difference change from cell to cell, less at edges of ``real``.

    The code takes the difference for an optical flow, which has two channels; the others have no effect. The change to
    the right is weighted by exp(-|g|), where g is that of the channel mean of ``real``; that downwards likewise. Their
    sum is averaged over the cells that have both neighbours.
    """
    flow = _as_image((predicted - real)[:, :_FLOW], places, side)
    mean = _as_image(real.mean(1, keepdim=True), places, side)
    steps = zip(_forward_differences(flow), _forward_differences(mean), strict=True)
    to_right, downwards = ((change.abs() * torch.exp(-edge.abs())).sum(0) for change, edge in steps)
    present = _as_image(real.new_ones(len(real), 1), places, side)[0]
    counted = present[:-1, :-1] * present[:-1, 1:] * present[1:, :-1]
    return ((to_right + downwards) * counted).sum() / counted.sum().clamp_min(1)


def census_loss(predicted: Tensor, real: Tensor, places: Tensor, side: int) -> Tensor:
    """Return the mean absolute difference of the means over windows of 7 x 7 cells, padded with zeros."""
    image = _as_image(predicted - real, places, side).permute(1, 2, 0)
    window = _window_means(side, image)
    along_columns = (window @ image.flatten(1)).view_as(image)
    rows = (window @ along_columns).flatten(0, 1)
    return (rows[places] if len(places) < len(rows) else rows).abs().mean()


def _window_means(side: int, like: Tensor) -> Tensor:
    """Return the matrix (side, side) that takes means over windows along an axis; faster than pooling by PyTorch."""
    cells = torch.arange(side, device=like.device)
    return ((cells[:, None] - cells).abs() <= _WINDOW // 2).to(like.dtype) / _WINDOW


def _standardised(rows: Tensor) -> Tensor:
    variance, mean = torch.var_mean(rows, 1, correction=0, keepdim=True)
    return (rows - mean) * torch.rsqrt(variance + _VARIANCE_FLOOR)


def _forward_differences(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return the changes of an image (C, S, S) to the right and downwards, (C, S - 1, S - 1) each."""
    corner = image[:, :-1, :-1]
    return image[:, :-1, 1:] - corner, image[:, 1:, :-1] - corner


def _as_image(rows: Tensor, places: Tensor, side: int) -> Tensor:
    """Return rows (n, C) at their places in a (C, side, side) image in which channels are adjacent; 0 elsewhere."""
    if len(rows) < side * side:
        rows = rows.new_zeros(side * side, rows.shape[1]).index_copy(0, places, rows)
    return rows.view(side, side, -1).permute(2, 0, 1)
