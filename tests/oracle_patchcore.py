"""A slow, direct PatchCore (Roth et al., CVPR 2022): the oracle of the product's tests.

Written from the facts of the paper, without a look at the product: loops and float64. Choices that the paper leaves
open are those of the method's page: windows padded with zeros, the coarse layer enlarged bilinearly after the mean.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from oracle_btf import scores
from oracle_cfm import Array
from PIL import Image

__all__ = ["blurred", "enlarged", "image_input", "patches", "predict", "window_means"]


def image_input(rgb: NDArray[np.uint8], size: int = 224) -> Array:
    """``(3, size, size)``: pad to a square by repeating the edges, resize bicubically, ImageNet mean and deviation."""
    height, width = rgb.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.zeros((side, side, 3), np.uint8)
    for i in range(side):
        for j in range(side):
            square[i, j] = rgb[min(max(i - top, 0), height - 1), min(max(j - left, 0), width - 1)]
    resized = np.asarray(Image.fromarray(square).resize((size, size), Image.Resampling.BICUBIC), np.float64)
    return ((resized / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)).transpose(2, 0, 1)


def window_means(layer: Array) -> Array:
    """``(C, H, W)``: a ninth of the sum of the 3 x 3 values around each, where 0 stands outside."""
    channels, height, width = layer.shape
    means = np.zeros_like(layer)
    for i in range(height):
        for j in range(width):
            total = np.zeros(channels)
            for y in (i - 1, i, i + 1):
                for x in (j - 1, j, j + 1):
                    if 0 <= y < height and 0 <= x < width:
                        total += layer[:, y, x]
            means[:, i, j] = total / 9
    return means


def enlarged(layer: Array, side: int) -> Array:
    """``(C, h, h)`` -> ``(C, side, side)``, bilinear between the centres of pixels, clamped at the edges."""
    small = layer.shape[1]
    at = np.clip((np.arange(side) + 0.5) * small / side - 0.5, 0, small - 1)
    low = np.floor(at).astype(int)
    high, part = np.minimum(low + 1, small - 1), at - low
    rows = layer[:, low] * (1 - part)[:, None] + layer[:, high] * part[:, None]
    return rows[:, :, low] * (1 - part) + rows[:, :, high] * part


def patches(network: torch.nn.Module, image: Array) -> Array:
    """``(3, S, S)`` -> ``(g * g, c + C)`` from a network that returns two layers."""
    with torch.inference_mode():
        fine, coarse = (found[0].numpy() for found in network.double()(torch.from_numpy(image)[None]))
    both = np.concatenate([window_means(fine), enlarged(window_means(coarse), fine.shape[1])])
    return both.reshape(len(both), -1).T


def blurred(image: Array, sigma: float = 4.0) -> Array:
    """``(H, W)``: normalised Gaussian cut at four deviations; 0 stands outside."""
    reach = int(np.ceil(4 * sigma))
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    for _ in range(2):
        padded = np.pad(image, ((reach, reach), (0, 0)))
        image = sum(weight * padded[k : k + len(image)] for k, weight in enumerate(kernel)).T
    return image


def predict(bank: Array, described: Array, size: int = 224) -> tuple[Array, float]:
    """Map and score of an image, from the bank's vectors and the image's patches."""
    nearest, score = scores(np.asarray(bank, float), np.asarray(described, float))
    grid = round(len(nearest) ** 0.5)
    return blurred(enlarged(nearest.reshape(1, grid, grid), size)[0]), score
