"""Smoothing of anomaly maps."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Smoothing", "smooth"]

Smoothing = Literal["box", "gaussian", "none"]
"""``box``: five 5x5 then three 7x7 mean filters, zero-padded: what the code of CFM does, sigma about 4.69 pixels.
``gaussian``: sigma 4, zero-padded: what its paper says. ``none``: the raw map."""


def smooth(image: Tensor, how: Smoothing) -> Tensor:
    """Return a smoothed (H, W) map of the same dtype."""
    with torch.autocast(image.device.type, enabled=False):
        return _filtered(image[None, None], how)[0, 0]


def _filtered(plane: Tensor, how: Smoothing) -> Tensor:
    if how == "box":
        for width, times in ((5, 5), (7, 3)):
            for _ in range(times):
                plane = functional.avg_pool2d(plane, width, stride=1, padding=width // 2)
    if how == "gaussian":
        kernel = _gaussian(4.0, plane)
        plane = functional.conv2d(plane, kernel[None, None, :, None], padding=(len(kernel) // 2, 0))
        plane = functional.conv2d(plane, kernel[None, None, None, :], padding=(0, len(kernel) // 2))
    return plane


def _gaussian(sigma: float, like: Tensor) -> Tensor:
    radius = math.ceil(4 * sigma)
    offsets = torch.arange(-radius, radius + 1, dtype=like.dtype, device=like.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    return kernel / kernel.sum()
