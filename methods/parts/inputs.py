"""Image and cloud of a sample as network inputs, in a square of 224 pixels."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from harness.contract import MethodError, Sample
from harness.geometry import resize_nearest, square_pad

__all__ = [
    "MEAN",
    "SIZE",
    "STD",
    "ImageBackground",
    "blackened_image",
    "cloud_input",
    "image_input",
    "measured_cloud",
    "normalised",
]

ImageBackground = Literal["dataset", "black", "keep"]
"""The image's background: as the dataset's preprocessing leaves it, black where cleaning removed points, or kept."""

SIZE = 224
"""Side of network inputs and anomaly maps, pixels."""

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
"""Of the three colours of ImageNet, in [0, 1]."""


def blackened_image(sample: Sample, background: ImageBackground) -> NDArray[np.uint8]:
    """Return the image (H, W, 3) uint8 with the background that is asked for."""
    if background == "keep" or (background == "dataset" and sample.blackened is None):
        return sample.rgb
    removed = sample.blackened if sample.blackened is not None else sample.plane
    if background == "black":
        removed = removed | sample.plane
    return np.where(removed[..., None], np.uint8(0), sample.rgb)


def image_input(rgb: NDArray[np.uint8], size: int) -> Tensor:
    """Return a (3, size, size) float32 tensor: edge-replicated to a square, bicubic, ImageNet mean and deviation.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
    size
        Side of the result, pixels.
    """
    square = Image.fromarray(square_pad(rgb, "edge"))
    return normalised(np.asarray(square.resize((size, size), Image.Resampling.BICUBIC)))


def normalised(pixels: NDArray[np.uint8]) -> Tensor:
    """Return (H, W, 3) uint8 pixels as (3, H, W) float32, by ImageNet's mean and deviation."""
    return torch.from_numpy(((pixels.astype(np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1).copy())


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


def measured_cloud(sample: Sample) -> NDArray[np.float32]:
    """Return the cloud (H, W, 3) as it was measured; raise MethodError where none is given or no point is valid."""
    if sample.measured is None:
        raise MethodError("The sample comes without its measured cloud, which this method needs.")
    if not (sample.measured != 0).all(-1).any():
        raise MethodError("The measured cloud has no valid point.")
    return sample.measured
