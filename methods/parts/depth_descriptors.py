"""Hand-crafted descriptors of a depth image, one for each patch of a grid: raw values, HoG and dense SIFT.

Zeros, where nothing was measured, count as depths, as in the authors' code of BTF.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from harness.contract import UnsupportedError
from harness.distribution import install_command
from methods.parts.patch_maps import pool_to_grid

__all__ = ["RawLayout", "dense_sift", "hog_patches", "raw_patches", "require_skimage", "sift_patches"]

RawLayout = Literal["code", "patches"]
"""Parameter ``raw_layout`` of :class:`methods.btf.BTF`."""

_ANGLES, _SPATIAL, _BIN = 8, 4, 4
_CLIP = 0.2
_TINY = 1e-10


def raw_patches(depth: NDArray[np.float32], grid: int, layout: RawLayout) -> Tensor:
    """Return the depth values: (S, S) to (grid * grid, (S / grid)^2) float32, S a multiple of ``grid``."""
    image = torch.from_numpy(depth)
    side = len(depth) // grid
    if layout == "patches":
        image = image.reshape(grid, side, grid, side).transpose(1, 2)
    return image.reshape(grid * grid, side * side)


def hog_patches(depth: NDArray[np.float32], grid: int) -> Tensor:
    """Return histograms of oriented gradients by scikit-image: (S, S) to (grid * grid, 8).

    Eight orientations, one cell per patch, each a block of its own (normalised by L2-Hys).

    Raises
    ------
    UnsupportedError
        If scikit-image can't be imported.
    """
    require_skimage()
    side = len(depth) // grid
    cells = import_module("skimage.feature").hog(
        depth, orientations=8, pixels_per_cell=(side, side), cells_per_block=(1, 1), feature_vector=False
    )
    return torch.from_numpy(cells.reshape(grid * grid, 8))


def require_skimage() -> None:
    """Raise :class:`UnsupportedError` if scikit-image can't be imported."""
    try:
        import_module("skimage.feature")
    except ImportError as error:
        raise UnsupportedError(
            f"HoG is computed by scikit-image, which can't be imported ({error}): "
            f"install it with {install_command('btf')}."
        ) from error


def sift_patches(depth: NDArray[np.float32], grid: int) -> Tensor:
    """Return dense SIFT pooled to a grid: (S, S) to (grid * grid, 128) float32."""
    return pool_to_grid(dense_sift(torch.from_numpy(depth)), grid)


def dense_sift(image: Tensor) -> Tensor:
    """Return a RootSIFT descriptor for every pixel: eight angles times 4 x 4 positions, one pixel apart.

    Gradients are central differences with repeated borders. Their magnitudes are divided linearly between the two
    nearest of eight angles and summed with a 4 x 4 triangular window. A descriptor consists of 4 x 4 neighbouring
    windows; it is scaled to unit length, clipped at 0.2, scaled to unit length and then to unit sum, and replaced by
    its square root.

    Parameters
    ----------
    image : (H, W) float

    Returns
    -------
    (128, H, W), the angle varying slowest, then the row and the column of the position.
    """
    gathered = _gathered(_angle_shares(image))
    height, width = image.shape
    places = functional.unfold(gathered[:, None], _SPATIAL, padding=1)
    descriptor = places.reshape(_ANGLES * _SPATIAL**2, height, width)
    clipped = functional.normalize(descriptor, dim=0).clamp(0, _CLIP)
    shares = functional.normalize(functional.normalize(clipped, dim=0), p=1, dim=0)
    return (shares + _TINY).sqrt()


def _angle_shares(image: Tensor) -> Tensor:
    """Return the gradient's magnitude, divided between the two nearest of eight angles: (8, H, W)."""
    padded = functional.pad(image[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    across = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2
    down = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    magnitude = (across.square() + down.square() + _TINY).sqrt()
    angle = (torch.atan2(down, across + _TINY) + 2 * math.pi) * (_ANGLES / (2 * math.pi))
    lower = angle.floor()
    upper_part = angle - lower
    first = lower.long() % _ANGLES
    shares = torch.zeros(_ANGLES, *image.shape, dtype=image.dtype, device=image.device)
    shares.scatter_add_(0, first[None], ((1 - upper_part) * magnitude)[None])
    return shares.scatter_add_(0, ((first + 1) % _ANGLES)[None], (upper_part * magnitude)[None])


def _gathered(shares: Tensor) -> Tensor:
    """Sum with the triangular window: (8, H, W) to (8, H + 1, W + 1)."""
    half = _BIN / 2
    steps = torch.arange(_BIN, dtype=shares.dtype, device=shares.device) + 0.5
    triangle = (half - (steps - half).abs()) / half
    window = torch.outer(triangle, triangle)[None, None]
    return functional.conv2d(shares[:, None], window, padding=_BIN // 2)[:, 0]
