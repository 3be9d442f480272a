"""A slow, direct Back to the Feature (Horwitz and Hoshen, 2023): the oracle of the product's tests.

Written from the facts of the paper and its released code, without a look at the product: loops, float64, whole distance
matrices. Networks, Open3D and PIL are the ones that the reference calls. Images of features are channel-last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from oracle_cfm import Array, adaptive_mean, scatter, upsample, window_mean
from PIL import Image, ImageFilter


def plain_coreset(points: Array, count: int, start: int = 0) -> list[int]:
    """Greedy k-centre: each pick is the point farthest from its nearest pick so far, ties to the lowest index."""
    picks, nearest = [start], np.full(len(points), np.inf)
    while len(picks) < count:
        nearest = np.minimum(nearest, np.sqrt(((points - points[picks[-1]]) ** 2).sum(1)))
        picks.append(int(nearest.argmax()))
    return picks


def pool(image: Array, grid: int) -> Array:
    """``(H, W, C)`` -> ``(grid^2, C)``: mean of every 3 x 3 window inside the image, then adaptive average pooling."""
    return adaptive_mean(window_mean(image, 3), grid).reshape(grid * grid, -1)


def wide_resnet_patches(network: torch.nn.Module, image: Array, grid: int = 28) -> Array:
    """``(3, S, S)`` -> ``(grid^2, 1536)``: what layers 2 and 3 of timm's whole network put out, each pooled."""
    seen: list[torch.Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
        for layer in (network.layer2, network.layer3)
    ]
    with torch.inference_mode():
        network.double().eval()(torch.from_numpy(np.asarray(image, np.float64))[None])
    for hook in hooks:
        hook.remove()
    return np.concatenate([pool(output[0].permute(1, 2, 0).numpy(), grid) for output in seen], 1)


def fpfh_patches(
    points: Array, pixels: NDArray[np.intp], describe: Callable[[Array], Array], size: int = 224, grid: int = 28
) -> Array:
    """Descriptors of the valid points, zero at all other pixels, pooled."""
    return pool(scatter(describe(points), pixels, size), grid)


def image_input(rgb: NDArray[np.uint8], plane: NDArray[np.bool_], size: int = 224) -> Array:
    """Blacken the plane, pad with zeros to a centred square, resize bicubically, normalise: ``(3, size, size)``."""
    height, width = plane.shape
    side = max(height, width)
    square = np.zeros((side, side, 3), np.uint8)
    for i in range(height):
        for j in range(width):
            if not plane[i, j]:
                square[i + (side - height) // 2, j + (side - width) // 2] = rgb[i, j]
    resized = np.asarray(Image.fromarray(square).resize((size, size), Image.Resampling.BICUBIC), np.float64)
    return ((resized / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)).transpose(2, 0, 1)


def depth_input(xyz: NDArray[np.float32], size: int = 224) -> Array:
    """z of the zero-padded square, pixel (i, j) from (floor(i side / size), floor(j side / size))."""
    height, width = xyz.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side))
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = xyz[..., 2]
    return np.array([[square[i * side // size, j * side // size] for j in range(size)] for i in range(size)])


def distances_to(bank: Array, patch: Array) -> Array:
    """Euclidean distances of one patch to every vector of the bank."""
    return np.sqrt(((bank - patch) ** 2).sum(1))


def scores(
    bank: Array, patches: Array, *, denominator_epsilon: float = 0.0, divide: float = 1.0
) -> tuple[Array, float]:
    """Distance of each patch to its nearest vector, and the re-weighted score of the image."""
    rows = [distances_to(bank, patch) for patch in patches]
    nearest = np.array([row.min() for row in rows])
    worst = int(nearest.argmax())
    star = nearest[worst] / divide
    centre = int(rows[worst].argmin())
    around = np.argsort(distances_to(bank, bank[centre]), kind="stable")[:3][1:]
    spread = np.array([rows[worst][index] for index in around]) / divide
    root = np.sqrt(bank.shape[1])
    weight = 1 - np.exp(star / root) / (np.exp(spread / root).sum() + denominator_epsilon)
    return nearest, float(weight * star)


def blurred_map(distances: Array, size: int = 224) -> Array:
    """Bilinear enlargement; 256 levels of the maximum, truncated; PIL's GaussianBlur(4); back to the old scale."""
    grid = round(len(distances) ** 0.5)
    image = upsample(distances.reshape(grid, grid, 1), size)[..., 0]
    levels = Image.fromarray((image / image.max() * 255).astype(np.uint8))
    return np.asarray(levels.filter(ImageFilter.GaussianBlur(radius=4)), np.float64) / 255 * image.max()


def hog(image: Array, cell: int, orientations: int = 8) -> Array:
    """Unsigned gradient histograms of the cells, each normalised by itself (L2, clip at 0.2, L2): ``(cells^2, o)``."""
    height, width = image.shape
    side = height // cell
    histograms = np.zeros((side * side, orientations))
    for i in range(side * cell):
        for j in range(side * cell):
            down = image[i + 1, j] - image[i - 1, j] if 0 < i < height - 1 else 0.0
            across = image[i, j + 1] - image[i, j - 1] if 0 < j < width - 1 else 0.0
            angle = np.rad2deg(np.arctan2(down, across)) % 180
            at = min(int(angle * orientations / 180), orientations - 1)
            histograms[i // cell * side + j // cell, at] += np.hypot(across, down) / cell**2
    for _ in range(2):
        histograms /= np.sqrt((histograms**2).sum(1, keepdims=True) + 1e-10)
        histograms = np.minimum(histograms, 0.2) if _ == 0 else histograms
    return histograms


def dense_sift(image: Array) -> Array:
    """``(H, W)`` -> ``(H, W, 128)``: 8 angles x 4 x 4 places, bin size 4, RootSIFT, clip 0.2, stride 1, padding 1."""
    height, width = image.shape
    votes = np.zeros((height, width, 8))
    for i in range(height):
        for j in range(width):
            across = (image[i, min(j + 1, width - 1)] - image[i, max(j - 1, 0)]) / 2
            down = (image[min(i + 1, height - 1), j] - image[max(i - 1, 0), j]) / 2
            magnitude = np.sqrt(across**2 + down**2 + 1e-10)
            turns = (np.arctan2(down, across + 1e-10) / (2 * np.pi) + 1) * 8
            low = int(turns)
            votes[i, j, low % 8] += (low + 1 - turns) * magnitude
            votes[i, j, (low + 1) % 8] += (turns - low) * magnitude
    triangle = np.array([0.25, 0.75, 0.75, 0.25])
    padded = np.pad(votes, ((2, 2), (2, 2), (0, 0)))
    windows = np.zeros((height + 1, width + 1, 8))
    for i in range(height + 1):
        for j in range(width + 1):
            windows[i, j] = np.einsum("y,x,yxa->a", triangle, triangle, padded[i : i + 4, j : j + 4])
    padded = np.pad(windows, ((1, 1), (1, 1), (0, 0)))
    out = np.zeros((height, width, 128))
    for i in range(height):
        for j in range(width):
            vector = padded[i : i + 4, j : j + 4].transpose(2, 0, 1).ravel()
            vector = np.minimum(vector / max(np.sqrt((vector**2).sum()), 1e-12), 0.2)
            vector = vector / max(np.sqrt((vector**2).sum()), 1e-12)
            out[i, j] = np.sqrt(vector / max(vector.sum(), 1e-12) + 1e-10)
    return out


def predict(bank: Array, patches: Array) -> dict[str, Any]:
    """Score of the image and its map."""
    nearest, score = scores(bank, patches)
    return {"anomaly_map": blurred_map(nearest), "score": score}
