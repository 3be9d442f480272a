"""Smoothing of anomaly maps."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Smoothing", "smooth"]

Smoothing = Literal["box", "box5", "gaussian", "none"]
"""Parameter ``smoothing`` of :class:`methods.cfm.CFM`, and ``box5``, a single one of the 5 x 5 filters of ``box``."""

_BOXES = {"box": ((5, 5), (7, 3)), "box5": ((5, 1),)}
"""Widths of mean filters, and how often each is applied."""


def smooth(image: Tensor, how: Smoothing) -> Tensor:
    """Return the smoothed (H, W) map in the same dtype."""
    with torch.autocast(image.device.type, enabled=False):
        return _filtered(image[None, None], how)[0, 0]


def _filtered(plane: Tensor, how: Smoothing) -> Tensor:
    for width, times in _BOXES.get(how, ()):
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
