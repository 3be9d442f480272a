"""Surface normals of a depth image by Sobel filters."""

from __future__ import annotations

from math import comb

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["sobel_derivatives", "surface_normals"]


def sobel_derivatives(image: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the derivatives along the columns and along the rows by Sobel filters, not divided by their gain.

    A filter is the outer product of a binomial row and the central difference of a binomial row that is shorter by two.
    Its answer to a ramp of slope 1 a pixel is 8 for size 3, 128 for size 5 and 2048 for size 7. The image is mirrored
    at its border, whose pixels are not repeated.

    Parameters
    ----------
    image : (H, W) float
        Both sides longer than ``size // 2``.
    size
        Side of the filter, odd, at least 3.

    Returns
    -------
    x to the right and y down, (H, W) each.
    """
    smooth = image.new_tensor([comb(size - 1, i) for i in range(size)])
    shorter = [0, 0, *(comb(size - 3, i) for i in range(size - 2)), 0, 0]
    slope = image.new_tensor([shorter[i] - shorter[i + 2] for i in range(size)])
    reach = size // 2
    padded = functional.pad(image[None, None], (reach, reach, reach, reach), mode="reflect")
    return _filtered(padded, slope, smooth), _filtered(padded, smooth, slope)


def _filtered(plane: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Correlate a plane (1, 1, h, w) with the outer product of two filters."""
    return functional.conv2d(functional.conv2d(plane, across[None, None, None]), down[None, None, :, None])[0, 0]


def surface_normals(depth: Tensor, size: int) -> Tensor:
    """Return the unit vectors (-dz/dx, -dz/dy, 1) / norm of each pixel, (3, H, W).

    The derivatives are those of :func:`sobel_derivatives`, so the larger the filter the steeper a surface seems.

    Parameters
    ----------
    depth : (H, W) float
        In any unit.
    size
        Side of the filter.
    """
    across, down = sobel_derivatives(depth, size)
    return functional.normalize(torch.stack([-across, -down, torch.ones_like(depth)]), dim=0)
