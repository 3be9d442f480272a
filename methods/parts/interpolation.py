"""Interpolation from tokens to pixels as sparse matrices: CFM section 3.1, as in the authors' code.

Everything between tokens and pixel features is linear and the same for every channel, so it is one sparse matrix per
sample: bilinear upsampling for the image, and inverse-distance weighting, scatter and pooling for the cloud.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.contract import Implementation
from methods.parts.optional import import_optional
from methods.parts.sampling import nearest
from methods.parts.sparse_rows import SparseRows

__all__ = [
    "BILINEAR_ENTRIES",
    "POOLED_ENTRIES",
    "WEIGHT_FLOOR",
    "Interpolator",
    "axis_windows",
    "bilinear_rows",
    "bilinear_tables",
    "cloud_rows",
    "interpolator_for",
    "inverse_distance_weights",
    "pooling_window",
    "reached_pixels",
]

_NEIGHBOURS = 3

BILINEAR_ENTRIES, POOLED_ENTRIES = 4, 16 * _NEIGHBOURS
"""Entries of a row of :func:`bilinear_rows`, and of :func:`cloud_rows` where it is not merged."""

WEIGHT_FLOOR = 1e-8
"""Added to squared distances in square metres."""


@dataclass(frozen=True, slots=True)
class Interpolator:
    """The interpolation of a cloud's tokens as a device computes it.

    Parameters
    ----------
    implementation
        What computes it, and why nothing faster does; None where there is no choice.
    mix
        :func:`inverse_distance_weights` for at least three centres.
    entries
        From the pixels of points, the pixels of rows, and the result of ``mix`` to columns and weights of the rows of
        :func:`cloud_rows`, 48 in each, for an image of a given side.
    """

    implementation: Implementation | None
    mix: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    entries: Callable[[Tensor, Tensor, Tensor, Tensor, int], tuple[Tensor, Tensor]]


def interpolator_for(device: torch.device) -> Interpolator:
    """Return how the interpolation of a float32 cloud is computed on a device."""
    if device.type != "cuda":
        return Interpolator(None, _mix, _entries)
    return _cuda_interpolator(device)


@lru_cache(maxsize=16)
def _cuda_interpolator(device: torch.device) -> Interpolator:
    kernels, why = import_optional("methods.parts.interpolation_cuda", "Triton", "The interpolation to pixels")
    why = why if kernels is None else kernels.reason_not_to_work(device)
    if kernels is None or why:
        return Interpolator(Implementation("operations of torch", why), _mix, _entries)
    return Interpolator(Implementation("Triton kernels"), kernels.nearest_three, kernels.pooled_entries)


def bilinear_rows(pixels: Tensor, size: int, grid: int, dtype: torch.dtype = torch.float32) -> SparseRows:
    """Return the rows of bilinear upsampling (``align_corners=False``) from a token grid to pixels.

    Parameters
    ----------
    pixels : (n,) int64
        Flat pixel indices in a ``size`` x ``size`` image.
    size, grid
        Sides of the image and of the token grid.
    dtype
        Dtype of the weights.
    """
    y, x = pixels // size, pixels % size
    rows, columns, row_weights, column_weights = bilinear_tables(size, grid, dtype, pixels.device)
    return SparseRows.uniform(rows[y] + columns[x], row_weights[y] * column_weights[x])


@lru_cache(maxsize=4)
def bilinear_tables(
    size: int, grid: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the parts of :func:`bilinear_rows` that depend on a pixel's row alone, and on its column alone.

    Columns of the matrix are sums of both parts, weights are products.

    Returns
    -------
    Four tensors (size, 4) on the device, a few kB: int64 of rows and of columns, then weights of rows and of columns.
    """
    centre = ((torch.arange(size, dtype=dtype) + 0.5) * (grid / size) - 0.5).clamp_min(0)
    low = centre.floor().long().clamp_max(grid - 1)
    high, part = (low + 1).clamp_max(grid - 1), centre - low
    tables = (
        grid * torch.stack([low, low, high, high], 1),
        torch.stack([low, high, low, high], 1),
        torch.stack([1 - part, 1 - part, part, part], 1),
        torch.stack([1 - part, part, 1 - part, part], 1),
    )
    rows, columns, row_weights, column_weights = (table.to(device) for table in tables)
    return rows, columns, row_weights, column_weights


def pooling_window(size: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Return, for one axis, the pixels that each pooled pixel averages.

    The authors' code smooths with an unpadded 3-pixel mean (size to size - 2), then an adaptive mean back to ``size``,
    whose windows are 1 or 2 long: together at most 4 pixels.

    Returns
    -------
    indices (size, 4) int64 and weights (size, 4); unused entries have weight 0.
    """
    inner = size - 2
    indices = torch.zeros(size, 4, dtype=torch.long)
    weights = torch.zeros(size, 4, dtype=dtype)
    for pixel in range(size):
        start, stop = pixel * inner // size, -((-(pixel + 1) * inner) // size)
        for place, source in enumerate(range(start, stop + 2)):
            windows = sum(start <= w < stop for w in (source - 2, source - 1, source))
            indices[pixel, place] = source
            weights[pixel, place] = windows / (3 * (stop - start))
    return indices, weights


@lru_cache(maxsize=4)
def axis_windows(size: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return :func:`pooling_window` on a device: a few kB, where a table of all pixels would be 10 MB."""
    indices, weights = pooling_window(size, dtype)
    return indices.to(device), weights.to(device)


def _pooling_windows(pixels: Tensor, size: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the flat pixels that each pooled pixel averages, (n, 16) int64, and their weights (n, 16)."""
    indices, weights = axis_windows(size, dtype, pixels.device)
    y, x = pixels // size, pixels % size
    flat = indices[y][:, :, None] * size + indices[x][:, None, :]
    product = weights[y][:, :, None] * weights[x][:, None, :]
    return flat.flatten(1), product.flatten(1)


@lru_cache(maxsize=4)
def _pooling_reach(size: int) -> NDArray[np.float32]:
    """Return, for one axis, (size, size) float32: 1 where the pooled pixel of a row averages the pixel of a column."""
    indices, weights = pooling_window(size)
    reach = np.zeros((size, size), np.float32)
    np.maximum.at(reach, (np.arange(size)[:, None], indices.numpy()), (weights.numpy() > 0).astype(np.float32))
    return reach


def reached_pixels(pixels: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the pixels of the pooled image that a cloud reaches.

    Computed on the host, since their number is a size of everything that follows.

    Parameters
    ----------
    pixels : (N,) int64
        Flat pixels of the valid points of a ``size`` x ``size`` image.

    Returns
    -------
    (n,) int64, ascending.
    """
    valid = np.zeros((size, size), np.float32)
    valid.reshape(-1)[pixels] = 1
    reach = _pooling_reach(size)
    return np.flatnonzero(reach @ valid @ reach.T)


def inverse_distance_weights(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Return how each point mixes the tokens of its three nearest centres: weights proportional to 1 / (d^2 + 1e-8).

    Parameters
    ----------
    points : (N, 3) float
        Metres.
    centres : (M, 3) float

    Returns
    -------
    weights (N, k), which add up to 1 in each row, and int64 indices of centres (N, k), nearest first; k is 3, or M
    where M is smaller. Of centres at one distance, Triton's kernel on CUDA takes those of lowest index; the order of
    the other ways is not fixed.
    """
    if points.dtype == torch.float32 and len(points) and len(centres) >= _NEIGHBOURS:
        return interpolator_for(points.device).mix(points, centres)
    return _mix(points, centres)


def _mix(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    squared, index = nearest(points, centres, min(_NEIGHBOURS, len(centres)))
    weights = 1 / (squared + WEIGHT_FLOOR)
    return weights / weights.sum(1, keepdim=True), index


def cloud_rows(
    points: Tensor, pixels: Tensor, reached: Tensor, centres: Tensor, size: int, *, merged: bool = True
) -> SparseRows:
    """Return the matrix from the tokens of centres to the pooled features of pixels.

    Each valid point mixes the tokens of its nearest centres (:func:`inverse_distance_weights`) and is written to its
    pixel of an otherwise zero image, which is pooled (:func:`pooling_window`). The mean includes zeros of the
    background, so weights of a row may add up to less than 1.

    Parameters
    ----------
    points : (N, 3) float
        Valid points, metres.
    pixels : (N,) int64
        Flat pixel index of each point.
    reached : (n,) int64
        Pixels of the result (:func:`reached_pixels`).
    centres : (M, 3) float
    size
        Side of the image, pixels.
    merged
        Whether entries with the same row and column are summed: this makes products many times cheaper, but waits for
        the device. Otherwise each row has 48 entries.

    Returns
    -------
    A matrix of n rows and M columns.
    """
    share, index = inverse_distance_weights(points, centres)
    by_kernels = share.dtype == torch.float32 and share.shape[1] == _NEIGHBOURS and len(reached) > 0
    entries = interpolator_for(points.device).entries if by_kernels else _entries
    columns, weights = entries(pixels, reached, share, index, size)
    return SparseRows.from_padded(columns, weights, len(centres)) if merged else SparseRows.uniform(columns, weights)


def _entries(pixels: Tensor, reached: Tensor, share: Tensor, index: Tensor, size: int) -> tuple[Tensor, Tensor]:
    point_at = torch.full((size * size,), -1, dtype=torch.long, device=pixels.device)
    point_at[pixels] = torch.arange(len(pixels), device=pixels.device)
    window, weight = _pooling_windows(reached, size, share.dtype)
    source = point_at[window]
    weight = weight * (source >= 0)
    source = source.clamp_min(0)
    return index[source].flatten(1), (share[source] * weight[..., None]).flatten(1)
