"""Image and cloud of a sample as network inputs, in a square of 224 pixels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from harness.geometry import resize_nearest, square_pad

__all__ = ["MEAN", "SIZE", "STD", "cloud_input", "image_input"]

SIZE = 224
"""Side of network inputs and anomaly maps, pixels."""

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
"""Of the three colours of ImageNet, in [0, 1]."""


def image_input(rgb: NDArray[np.uint8], size: int) -> Tensor:
    """Return a (3, size, size) float32 tensor: edge-replicated to a square, bicubic, ImageNet mean and deviation.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
    size
        Side of the result, pixels.
    """
    square = Image.fromarray(square_pad(rgb, "edge"))
    resized = np.asarray(square.resize((size, size), Image.Resampling.BICUBIC), np.float32) / 255
    return torch.from_numpy(((resized - MEAN) / STD).transpose(2, 0, 1).copy())


def cloud_input(xyz: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Zero-pad to a square, resize by nearest pixel and return the valid points in raster order.

    A pixel is valid only if x, y and z are all non-zero.

    Parameters
    ----------
    xyz : (H, W, 3) float32

    Returns
    -------
    points (N, 3) float32 and flat pixel indices (N,) int64.
    """
    flat = resize_nearest(square_pad(xyz), SIZE).reshape(-1, 3)
    pixels = np.flatnonzero((flat != 0).all(1))
    return np.ascontiguousarray(flat[pixels]), pixels.astype(np.int64)
