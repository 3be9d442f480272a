"""A slow, direct float64 AST (Rudolph et al., WACV 2023): the oracle of the product's tests.

Written from the facts of the paper and its released code, without a look at the product: loops over pixels, sums over
kernel offsets, plain dictionaries of numpy arrays as weights. Images of features are channel-first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Weights = Mapping[str, ArrayLike]


# --- depth -----------------------------------------------------------------------------------------------------------


def fill_gaps(depth: ArrayLike, passes: int = 3, closed: NDArray[np.bool_] | None = None) -> Array:
    """Visit every zero pixel; python's slices, whose start of -1 makes the first row's and column's windows empty."""
    after = np.array(depth, np.float64)
    for _ in range(passes):
        before = after.copy()
        for i in range(before.shape[0]):
            for j in range(before.shape[1]):
                if before[i, j] != 0 or (closed is not None and closed[i, j]):
                    continue
                window = before[i - 1 : i + 2, j - 1 : j + 2]
                positive = [value for value in window.ravel() if value > 0]
                if positive:
                    after[i, j] = sum(positive) / len(positive)
    return after


def corner_foreground(depth: Array, distance: float = 7e-3) -> NDArray[np.bool_]:
    """Blend the means of the positive values of the four 2 x 2 corners; the object is off that, and has a depth."""
    height, width = depth.shape
    corners = {}
    for name, rows, columns in (
        ("top left", (0, 1), (0, 1)),
        ("top right", (0, 1), (width - 2, width - 1)),
        ("bottom left", (height - 2, height - 1), (0, 1)),
        ("bottom right", (height - 2, height - 1), (width - 2, width - 1)),
    ):
        values = [depth[i, j] for i in rows for j in columns if depth[i, j] > 0]
        corners[name] = sum(values) / len(values)
    foreground = np.zeros((height, width), bool)
    for i in range(height):
        for j in range(width):
            down, right = i / (height - 1), j / (width - 1)
            top = (1 - right) * corners["top left"] + right * corners["top right"]
            bottom = (1 - right) * corners["bottom left"] + right * corners["bottom right"]
            background = (1 - down) * top + down * bottom
            foreground[i, j] = depth[i, j] != 0 and abs(background - depth[i, j]) > distance
    return foreground


def centimetres(depth: Array, foreground: NDArray[np.bool_]) -> Array:
    """Background gets the object's mean; then the mean is taken off, and metres become centimetres."""
    inside = [depth[i, j] for i, j in np.argwhere(foreground)]
    mean = sum(inside) / len(inside)
    filled = np.where(foreground, depth, mean)
    return (filled - mean) * 100


def zero_square(image: Array) -> Array:
    """Centre an image on a square of zeros; an odd remainder goes to the bottom and the right."""
    height, width = image.shape
    side = max(height, width)
    square = np.zeros((side, side))
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    return square


def resize(image: Array, size: int) -> Array:
    """Bilinear, pixel centres aligned, clamped at the border, no antialiasing."""
    height, width = image.shape
    result = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            y = max((i + 0.5) * height / size - 0.5, 0)
            x = max((j + 0.5) * width / size - 0.5, 0)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            v, u = y - top, x - left
            result[i, j] = (1 - v) * ((1 - u) * image[top, left] + u * image[top, right]) + v * (
                (1 - u) * image[bottom, left] + u * image[bottom, right]
            )
    return result


def dilate(foreground: NDArray[np.bool_], box: int) -> NDArray[np.bool_]:
    """Paint a box round every pixel; of an even box the larger half lies above and to the left."""
    height, width = foreground.shape
    result = np.zeros_like(foreground)
    for i, j in np.argwhere(foreground):
        for a in range(-(box // 2), box - box // 2):
            for b in range(-(box // 2), box - box // 2):
                if 0 <= i + a < height and 0 <= j + b < width:
                    result[i + a, j + b] = True
    return result


def unshuffle(image: Array, block: int = 8) -> Array:
    """``(g * block, g * block)`` -> ``(block * block, g, g)``: channel ``block * a + b`` is offset ``(a, b)``."""
    grid = len(image) // block
    channels = np.zeros((block * block, grid, grid))
    for a in range(block):
        for b in range(block):
            for i in range(grid):
                for j in range(grid):
                    channels[block * a + b, i, j] = image[block * i + a, block * j + b]
    return channels


def position_encoding(channels: int, grid: int, base: float = 1e4) -> Array:
    """First half: sine and cosine of the column, second half: of the row; pairs of channels share a frequency."""
    half = channels // 2
    encoding = np.zeros((channels, grid, grid))
    for channel in range(half):
        frequency = base ** (-(channel - channel % 2) / half)
        wave = np.cos if channel % 2 else np.sin
        for i in range(grid):
            for j in range(grid):
                encoding[channel, i, j] = wave(j * frequency)
                encoding[half + channel, i, j] = wave(i * frequency)
    return encoding


# --- networks --------------------------------------------------------------------------------------------------------


def convolve(image: Array, weight: ArrayLike, bias: ArrayLike | None = None, mode: str = "constant") -> Array:
    """``(C, h, w)`` with ``(D, C, k, k)``, stride 1, padded to the same size by zeros or, ``edge``, by the border."""
    kernel = np.asarray(weight, np.float64)
    reach = kernel.shape[-1] // 2
    return correlate(np.pad(image, ((0, 0), (reach, reach), (reach, reach)), mode=mode), kernel, bias)


def correlate(padded: Array, kernel: Array, bias: ArrayLike | None = None, stride: int = 1) -> Array:
    """``(C, H, W)`` with ``(D, C, k, k)``, without padding."""
    size = kernel.shape[-1]
    height, width = ((length - size) // stride + 1 for length in padded.shape[1:])
    result = np.zeros((len(kernel), height, width))
    for a in range(size):
        for b in range(size):
            moved = padded[:, a : a + stride * height : stride, b : b + stride * width : stride]
            result += np.einsum("dc,chw->dhw", kernel[:, :, a, b], moved)
    return result if bias is None else result + np.asarray(bias, np.float64)[:, None, None]


def teacher(features: Array, condition: Array, weights: Weights, blocks: int) -> tuple[Array, Array]:
    """Latents ``(C, g, g)`` and the log-determinant of each cell ``(g, g)``."""
    half = len(features) // 2
    log_determinant = np.zeros(features.shape[1:])
    for block in range(blocks):
        order = np.random.RandomState(block).permutation(len(features))
        mixed = np.stack([features[source] for source in order])
        first, second = mixed[:half], mixed[half:]
        scale, shift = _subnet(np.concatenate([second, condition]), weights, f"blocks.{block}.for_first", half)
        first = first * np.exp(scale) + shift
        log_determinant += scale.sum(0)
        scale, shift = _subnet(np.concatenate([first, condition]), weights, f"blocks.{block}.for_second", len(second))
        second = second * np.exp(scale) + shift
        log_determinant += scale.sum(0)
        features = np.minimum(np.maximum(np.concatenate([first, second]), -1e6), 1e6)
    return features, log_determinant


def _subnet(image: Array, weights: Weights, name: str, outputs: int) -> tuple[Array, Array]:
    hidden = convolve(image, weights[f"{name}.conv1.weight"], weights[f"{name}.conv1.bias"], "edge")
    hidden = np.maximum(hidden, 0)
    raw = convolve(hidden, weights[f"{name}.conv2.weight"], weights[f"{name}.conv2.bias"], "edge")
    raw = raw * np.asarray(weights[f"{name}.gamma"], np.float64)
    return 1.9 * 0.636 * np.arctan(raw[:outputs] / 1.9), raw[outputs:]


def student(features: Array, condition: Array, weights: Weights, residual_blocks: int) -> Array:
    """The student's latents ``(C, g, g)``, its norms with their running statistics."""
    image = np.concatenate([features, condition])
    image = _leaky(convolve(image, weights["input.weight"], weights["input.bias"]))
    for block in range(residual_blocks):
        inner = image
        for layer in (1, 2):
            name = f"blocks.{block}"
            inner = convolve(inner, weights[f"{name}.conv{layer}.weight"], weights[f"{name}.conv{layer}.bias"])
            inner = _leaky(batch_norm(inner, weights, f"{name}.norm{layer}", 1e-5))
        image = image + inner
    return convolve(image, weights["output.weight"], weights["output.bias"])


def _leaky(image: Array) -> Array:
    return np.where(image > 0, image, 0.01 * image)


def batch_norm(image: Array, weights: Weights, name: str, eps: float) -> Array:
    """Normalise by the running statistics under ``name``."""
    mean, variance, gain, shift = (
        np.asarray(weights[f"{name}.{part}"], np.float64)[:, None, None]
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (image - mean) / np.sqrt(variance + eps) * gain + shift


def teacher_loss(latents: Sequence[Array], log_determinants: Sequence[Array], masks: Sequence[Array]) -> float:
    """Mean over all cells of all samples of ``0.5 * sum_c m z^2 - m * log|det|``; masks ``(g, g)``."""
    terms = []
    for z, determinant, mask in zip(latents, log_determinants, masks, strict=True):
        for i in range(mask.shape[0]):
            for j in range(mask.shape[1]):
                squares = sum(mask[i, j] * value**2 for value in z[:, i, j])
                terms.append(0.5 * squares - mask[i, j] * determinant[i, j])
    return sum(terms) / len(terms)


def distance_map(taught: Array, guess: Array, mask: Array, power: int = 2) -> Array:
    """``(g, g)``: the mask, to its power, times the mean over channels of the squared differences."""
    cells = np.zeros(mask.shape)
    for i in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            squares = [(a - b) ** 2 for a, b in zip(taught[:, i, j], guess[:, i, j], strict=True)]
            cells[i, j] = mask[i, j] ** power * sum(squares) / len(squares)
    return cells


def image_score(distance: Array, mask: Array, power: int, score: str, at: str) -> float:
    """The mean of cells that are masked once; else the maximum of the masked map, after or before its enlargement."""
    if score == "mean":
        once = [d * m if power else d for d, m in zip(distance.ravel(), mask.ravel(), strict=True)]
        return sum(once) / len(once)
    cells = distance * mask**power
    return float((enlarge_bicubic(cells) if at == "enlarged" else cells).max())


def enlarge_bicubic(image: Array, factor: int = 8) -> Array:
    """Cubic convolution with a = -0.75, pixel centres aligned, indices clamped at the border."""

    def weight(x: float, a: float = -0.75) -> float:
        x = abs(x)
        if x <= 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0

    side = len(image)
    matrix = np.zeros((side * factor, side))
    for i in range(side * factor):
        place = (i + 0.5) / factor - 0.5
        for k in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            matrix[i, min(max(k, 0), side - 1)] += weight(place - k)
    return matrix @ image @ matrix.T
