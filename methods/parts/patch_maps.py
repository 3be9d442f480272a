"""Pooling of features to a grid of patches, and anomaly maps from distances of patches."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional

from harness.geometry import square_pad
from methods.parts.sparse_rows import SparseRows

__all__ = ["enlarge", "grid_rows", "patch_map", "pil_blur", "pool_to_grid"]

_BLUR_RADIUS = 4
_LEVELS = 255


def pool_to_grid(features: Tensor, grid: int) -> Tensor:
    """Smooth with an unpadded 3x3 mean, then average adaptively, as the authors' code of BTF and M3DM does.

    Parameters
    ----------
    features : (C, H, W) float
        Feature image, H and W at least 3.
    grid
        Side of the grid of patches.

    Returns
    -------
    (grid * grid, C), patches in raster order.
    """
    smoothed = functional.avg_pool2d(features[None], 3, stride=1)
    return functional.adaptive_avg_pool2d(smoothed, grid)[0].flatten(1).T


def grid_rows(pixels: Tensor, size: int, grid: int, dtype: torch.dtype = torch.float32) -> SparseRows:
    """Return the matrix of :func:`pool_to_grid` for an image that is zero except at some pixels.

    ``grid_rows(pixels, size, grid) @ values`` equals writing ``values`` (N, C) to their pixels and pooling the image.

    Parameters
    ----------
    pixels : (N,) int64
        Flat pixel indices in a ``size`` x ``size`` image, distinct.
    size, grid
        Sides of the image and of the grid.
    dtype
        Dtype of the weights.

    Returns
    -------
    A matrix of grid * grid rows and N columns.
    """
    cells, weights = (table.to(pixels.device) for table in _axis_table(size, grid, dtype))
    rows, columns = pixels // size, pixels % size
    cell = (cells[rows][:, :, None] * grid + cells[columns][:, None, :]).flatten(1)
    weight = (weights[rows][:, :, None] * weights[columns][:, None, :]).flatten(1)
    point, place = weight.nonzero(as_tuple=True)
    cell, weight = cell[point, place], weight[point, place]
    order = cell.argsort(stable=True)
    counts = torch.bincount(cell, minlength=grid * grid)
    return SparseRows(torch.cat([counts.new_zeros(1), counts.cumsum(0)]), point[order], weight[order])


@lru_cache(maxsize=8)
def _axis_table(size: int, grid: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return, for one axis, the cells that average each pixel, and its weights; unused entries have weight 0."""
    unit = torch.eye(size, dtype=torch.float64)[:, None]
    pooled = functional.adaptive_avg_pool1d(functional.avg_pool1d(unit, 3, stride=1), grid)[:, 0]
    weights, cells = pooled.sort(dim=1, descending=True, stable=True)
    most = int((weights > 0).sum(1).max())
    return cells[:, :most].contiguous(), weights[:, :most].to(dtype).contiguous()


def patch_map(distances: Tensor, size: int) -> Tensor:
    """Return the (size, size) map of a square grid of patches, bilinear (``align_corners=False``).

    Parameters
    ----------
    distances : (grid * grid,) float
        In raster order.
    size
        Side of the map, pixels.
    """
    grid = round(len(distances) ** 0.5)
    plane = distances.reshape(1, 1, grid, grid)
    return functional.interpolate(plane, size=(size, size), mode="bilinear", align_corners=False)[0, 0]


def pil_blur(image: Tensor) -> Tensor:
    """Blur as the authors' code does: quantise to 8 bits of the maximum, blur with PIL (radius 4), scale back.

    The quantisation truncates, so it creates ties; a map without a positive value becomes zeros.

    Parameters
    ----------
    image : (H, W) float
        Not negative, on any device.

    Returns
    -------
    (H, W) float32 on the CPU.
    """
    plane = image.detach().cpu()
    most = plane.max()
    if not most > 0:
        return torch.zeros(plane.shape)
    levels = (plane / most * _LEVELS).to(torch.uint8).numpy()
    blurred = Image.fromarray(levels).filter(ImageFilter.GaussianBlur(_BLUR_RADIUS))
    return torch.from_numpy(np.asarray(blurred, np.float32) / _LEVELS) * most.float()


def enlarge(image: Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize a map (h, w) bilinearly to the image's (H, W) and zero-pad it to a square, float32 in host memory."""
    resized = functional.interpolate(image[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
    return square_pad(resized.to("cpu", torch.float32).numpy())
