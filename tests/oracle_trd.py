"""A slow, direct float64 TRD (Liu et al., arXiv 2412.08949): the oracle of the product's tests.

Written from the facts of the paper and its released code, without a look at the product: sums over kernel offsets,
plain dictionaries of numpy arrays as weights. Images of features are channel-first, of one sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from oracle_ast import fill_gaps

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Weights = Mapping[str, ArrayLike]

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


# --- third image -----------------------------------------------------------------------------------------------------


def off_the_plane(cloud: Array, distance: float = 5e-3) -> Mask:
    """Three corners of 3 x 3 pixels give a plane; the object is farther from it and has a depth."""
    corners = []
    for rows, columns in ((slice(0, 3), slice(0, 3)), (slice(0, 3), slice(-3, None)), (slice(-3, None), slice(0, 3))):
        points = cloud[rows, columns].reshape(-1, 3)
        corners.append(points.sum(axis=0) / np.count_nonzero(points[:, 2]))
    _, _, directions = np.linalg.svd(np.stack([corners[1] - corners[0], corners[2] - corners[0]]))
    return (np.abs((cloud - corners[0]) @ directions[2]) > distance) & (cloud[..., 2] != 0)


def close_gaps(mask: Mask, passes: int = 3) -> Mask:
    """Three dilations, then three erosions, by 3 x 3; what lies beyond the border says neither yes nor no."""
    for beyond, decide in ((False, np.any), (True, np.all)):
        for _ in range(passes):
            padded = np.pad(mask, 1, constant_values=beyond)
            height, width = mask.shape
            windows = [padded[a : a + height, b : b + width] for a, b in product(range(3), repeat=2)]
            mask = decide(np.stack(windows), axis=0)
    return mask


def stretch(depth: Array, low: float, high: float) -> Array:
    """Minimum and maximum of the values that are not zero become ``low`` and ``high``."""
    values = depth[depth != 0]
    span = values.max() - values.min()
    return np.where(depth != 0, low + (high - low) * (depth - values.min()) / (span or 1), 0)


def sobel(image: Array, size: int) -> tuple[Array, Array]:
    """Correlate with the outer product of binomials, one of them differentiated, at a mirrored border."""
    row = np.array([1.0])
    for _ in range(size - 3):
        row = np.convolve(row, [1, 1])
    slope = np.convolve(row, [-1, 0, 1])
    smooth = np.convolve(np.convolve(row, [1, 1]), [1, 1])
    results = []
    for kernel in (np.outer(smooth, slope), np.outer(slope, smooth)):
        padded = np.pad(image, size // 2, mode="reflect")
        result = np.zeros_like(image)
        for a, b in product(range(size), repeat=2):
            result += kernel[a, b] * padded[a : a + image.shape[0], b : b + image.shape[1]]
        results.append(result)
    return results[0], results[1]


def normal_image(cloud: Array, inside: Mask, kernel: int, size: int) -> Array:
    """``(H, W, 3)`` and the object's pixels to ``(3, size, size)``, before ImageNet's mean is taken off."""
    inside = close_gaps(inside)
    depth = fill_gaps(stretch(np.where(inside, cloud[..., 2], 0), 0, 1), passes=2)
    across, down = sobel(depth, kernel)
    normals = np.stack([-across, -down, np.ones_like(depth)])
    normals /= np.sqrt((normals**2).sum(axis=0))
    return np.stack([resize(channel, size) for channel in (normals + 1) / 2 * inside])


def depth_image(cloud: Array, size: int) -> Array:
    """``(H, W, 3)`` to ``(3, size, size)``, before ImageNet's mean is taken off."""
    height, width = cloud.shape[:2]
    small = np.array([[cloud[i * height // size, j * width // size, 2] for j in range(size)] for i in range(size)])
    return np.repeat(fill_gaps(stretch(small, 0.1, 0.9), passes=2)[None], 3, axis=0)


def standardise(image: Array) -> Array:
    """Take off ImageNet's mean and divide by its deviation."""
    return np.stack([(image[c] - MEAN[c]) / DEVIATION[c] for c in range(3)])


def resize(image: Array, size: int) -> Array:
    """Bilinear to a square, pixel centres aligned, clamped at the border, no antialiasing."""
    return weights_of(image.shape[0], size) @ image @ weights_of(image.shape[1], size).T


def weights_of(source: int, target: int, corners: bool = False) -> Array:
    """Rows of linear interpolation; with ``corners`` the first and last positions fall on each other."""
    rows = np.zeros((target, source))
    for i in range(target):
        place = i * (source - 1) / (target - 1) if corners else max((i + 0.5) * source / target - 0.5, 0)
        first = min(int(place), source - 1)
        rows[i, first] += 1 - (place - first)
        rows[i, min(first + 1, source - 1)] += place - first
    return rows


# --- student ---------------------------------------------------------------------------------------------------------


def convolve(image: Array, weight: ArrayLike, stride: int = 1) -> Array:
    """``(C, h, w)`` with ``(D, C, k, k)``; padded by (k - 1) // 2 zeros."""
    kernel = np.asarray(weight, np.float64)
    reach = (kernel.shape[-1] - 1) // 2
    padded = np.pad(image, ((0, 0), (reach, reach), (reach, reach)))
    height, width = ((side + 2 * reach - kernel.shape[-1]) // stride + 1 for side in image.shape[1:])
    result = np.zeros((len(kernel), height, width))
    for a, b in product(range(kernel.shape[-1]), repeat=2):
        part = padded[:, a : a + stride * height : stride, b : b + stride * width : stride]
        result += np.einsum("dc,chw->dhw", kernel[:, :, a, b], part[:, :height, :width])
    return result


def double(image: Array, weight: ArrayLike) -> Array:
    """Transposed convolution, kernel 2, stride 2: ``(C, h, w)`` with ``(C, D, 2, 2)``."""
    kernel = np.asarray(weight, np.float64)
    result = np.zeros((kernel.shape[1], 2 * image.shape[1], 2 * image.shape[2]))
    for a, b in product(range(2), repeat=2):
        result[:, a::2, b::2] = np.einsum("cd,chw->dhw", kernel[:, :, a, b], image)
    return result


class Parts:
    """Weights by name, with the layers that take the next one of a sequence: a convolution, a norm and a ReLU."""

    def __init__(self, weights: Weights, prefix: str) -> None:
        self.weights, self.prefix, self.position = weights, prefix, 0

    def layer(self, image: Array, *, stride: int = 1, transposed: bool = False, rectify: bool = True) -> Array:
        convolution, norm = (f"{self.prefix}.{self.position + step}" for step in (0, 1))
        self.position += 3
        weight = self.weights[f"{convolution}.weight"]
        image = double(image, weight) if transposed else convolve(image, weight, stride)
        image = self.norm(image, norm)
        return np.maximum(image, 0) if rectify else image

    def norm(self, image: Array, name: str) -> Array:
        mean, variance, scale, shift = (
            np.asarray(self.weights[f"{name}.{part}"], np.float64)[:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (image - mean) / np.sqrt(variance + 1e-5) * scale + shift


def block(image: Array, weights: Weights, prefix: str, change: str) -> Array:
    """Bottleneck block whose middle convolution, and shortcut, halve or double the sides or leave them."""
    stride, transposed = (2 if change == "halve" else 1), change == "double"
    layers = Parts(weights, f"{prefix}.layers")
    inner = layers.layer(image)
    inner = layers.layer(inner, stride=stride, transposed=transposed)
    inner = layers.layer(inner, rectify=False)
    if change != "keep":
        image = Parts(weights, f"{prefix}.shortcut").layer(image, stride=stride, transposed=transposed, rectify=False)
    return np.maximum(inner + image, 0)


def student(own: Sequence[Array], other: Sequence[Array], weights: Weights) -> dict[str, list[Array]]:
    """Features of three levels, fine to coarse, to the four imitations of ``own``."""
    filtered, amplified = [], []
    for level, steps in enumerate((3, 2, 1)):
        image, layers = other[level], Parts(weights, f"filter.levels.{level}")
        for _ in range(steps):
            image = layers.layer(image, stride=2)
        for _ in range(steps):
            image = layers.layer(image, transposed=True)
        filtered.append(image)
        layers = Parts(weights, f"amplifier.levels.{level}")
        amplified.append(layers.layer(layers.layer(layers.layer(other[level]))))
    joined = [np.concatenate(pair) for pair in zip(own, filtered, strict=True)]
    fine = Parts(weights, "bottleneck.fine")
    sides = [
        fine.layer(fine.layer(joined[0], stride=2), stride=2),
        Parts(weights, "bottleneck.middle").layer(joined[1], stride=2),
        Parts(weights, "bottleneck.coarse").layer(joined[2]),
    ]
    image = np.concatenate(sides)
    for position, change in enumerate(("halve", "keep", "keep")):
        image = block(image, weights, f"bottleneck.blocks.{position}", change)
    pure, mixed = [], []
    for stage, blocks in enumerate((3, 4, 6)):
        for position in range(blocks):
            image = block(image, weights, f"decoder.stages.{stage}.{position}", "keep" if position else "double")
        pure.insert(0, image)
        powers = np.exp(np.asarray(weights["decoder.mixing"], np.float64)[stage])
        image = (powers[0] * image + powers[1] * amplified[2 - stage]) / powers.sum()
        mixed.insert(0, image)
    return {"filtered": filtered, "amplified": amplified, "pure": pure, "mixed": mixed}


# --- loss and score --------------------------------------------------------------------------------------------------


def cosine(first: Array, second: Array) -> float:
    return float(first.ravel() @ second.ravel() / (np.linalg.norm(first) * np.linalg.norm(second)))


def loss(imitations: Sequence[Mapping[str, Sequence[Array]]], taught: Sequence[Sequence[Array]]) -> float:
    """Of a batch: four imitations of three levels, each the mean over samples of 1 - cosine of all features at once."""
    total = 0.0
    for name, level in product(("pure", "filtered", "amplified", "mixed"), range(3)):
        pairs = zip(imitations, taught, strict=True)
        total += np.mean([1 - cosine(made[name][level], own[level]) for made, own in pairs])
    return float(total)


def train(
    own: Sequence[Array], other: Sequence[Array], epochs: Sequence[Sequence[Sequence[int]]], lr: float, decay: float
) -> list[float]:
    """Losses of a student that only weighs the other image's channels, ``(n, C, h, w)``, by Adam, written out.

    Betas are 0.5 and 0.999; ``epochs`` holds the samples of each batch, and the rate falls after each epoch.
    """
    weights = [torch.ones(level.shape[1], dtype=torch.float64, requires_grad=True) for level in own]
    means, squares = ([torch.zeros_like(weight) for weight in weights] for _ in range(2))
    losses = []
    for epoch, batches in enumerate(epochs):
        for batch in batches:
            cosines = []
            for weight, given, taught in zip(weights, other, own, strict=True):
                made = (weight[:, None, None] * torch.from_numpy(given[batch])).flatten(1)
                real = torch.from_numpy(taught[batch]).flatten(1)
                cosines.append(((made * real).sum(1) / (made.norm(dim=1) * real.norm(dim=1))).mean())
            loss = 4 * sum(1 - cosine for cosine in cosines)
            losses.append(float(loss.detach()))
            gradients = torch.autograd.grad(loss, weights)
            step = len(losses)
            for weight, gradient, mean, square in zip(weights, gradients, means, squares, strict=True):
                mean += 0.5 * (gradient - mean)
                square += 0.001 * (gradient**2 - square)
                slope = mean / (1 - 0.5**step) / (torch.sqrt(square / (1 - 0.999**step)) + 1e-8)
                weight.data -= lr * decay**epoch * slope
    return losses


def distance_map(mixed: Sequence[Array], own: Sequence[Array], size: int) -> Array:
    """Sum over levels of 1 - cosine at each position, corners enlarged to corners."""
    total = np.zeros((size, size))
    for made, taught in zip(mixed, own, strict=True):
        height, width = made.shape[1:]
        cells = np.array([[1 - cosine(made[:, i, j], taught[:, i, j]) for j in range(width)] for i in range(height)])
        total += weights_of(height, size, corners=True) @ cells @ weights_of(width, size, corners=True).T
    return total


def smooth(image: Array, sigma: float = 4.0) -> Array:
    """Gaussian cut at four deviations, at a border that is mirrored with its pixels repeated."""
    reach = int(4 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(image, reach, mode="symmetric")
    rows = sum(kernel[a] * padded[a : a + image.shape[0]] for a in range(2 * reach + 1))
    return sum(kernel[b] * rows[:, b : b + image.shape[1]] for b in range(2 * reach + 1))
