"""Smoothing of anomaly maps."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Smoothing", "gaussian_filtered", "smooth"]

Smoothing = Literal["box", "box5", "gaussian", "none"]
"""Parameter ``smoothing`` of :class:`methods.cfm.CFM`, and ``box5``, a single one of the 5 x 5 filters of ``box``."""

_BOXES = {"box": ((5, 5), (7, 3)), "box5": ((5, 1),)}
"""Widths of mean filters, and how often each is applied."""

_SIGMA = 4.0
"""Of the Gaussian, pixels."""


def smooth(image: Tensor, how: Smoothing) -> Tensor:
    """Return the smoothed (H, W) map in the same dtype."""
    with torch.autocast(image.device.type, enabled=False):
        return _filtered(image[None, None], how)[0, 0]


def _filtered(plane: Tensor, how: Smoothing) -> Tensor:
    for width, times in _BOXES.get(how, ()):
        for _ in range(times):
            plane = functional.avg_pool2d(plane, width, stride=1, padding=width // 2)
    return gaussian_filtered(plane, _SIGMA, math.ceil(4 * _SIGMA)) if how == "gaussian" else plane


def gaussian_filtered(plane: Tensor, sigma: float, radius: int) -> Tensor:
    """Filter a plane (1, 1, H, W) with a normalised Gaussian of 2 radius + 1 pixels; zeros stand outside."""
    offsets = torch.arange(-radius, radius + 1, dtype=plane.dtype, device=plane.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    plane = functional.conv2d(plane, kernel[None, None, :, None], padding=(radius, 0))
    return functional.conv2d(plane, kernel[None, None, None, :], padding=(0, radius))
