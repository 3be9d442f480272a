"""A slow, direct Shape-Guided (Chu et al., ICML 2023): the oracle of the product's tests.

Written from the facts of the paper and its released code, without a look at the product: loops, float64, whole distance
matrices, least squares, and gradients by automatic differentiation. Weights have the product's names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from oracle_btf import pool
from oracle_cfm import Array
from oracle_patchcore import enlarged
from torch import Tensor

Weights = Mapping[str, Tensor]
EPS = 1e-5


def batch_norm(rows: Tensor, weights: Weights, name: str, training: bool) -> Tensor:
    mean = rows.mean(0) if training else weights[f"{name}.running_mean"]
    variance = rows.var(0, correction=0) if training else weights[f"{name}.running_var"]
    return (rows - mean) / (variance + EPS).sqrt() * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(rows: Tensor, weights: Weights, name: str) -> Tensor:
    return rows @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def encode(patches: Tensor, weights: Weights, training: bool = False) -> Tensor:
    """``(B, K, 3)`` -> ``(B, 128)``: three layers for each point, the maximum over points, two layers."""
    rows = patches.reshape(-1, 3)
    for number in range(3):
        name = f"encoder.points.{number}"
        rows = batch_norm(linear(rows, weights, f"{name}.linear"), weights, f"{name}.norm", training).relu()
    rows = rows.reshape(*patches.shape[:2], -1).max(1).values
    for number in range(2):
        name = f"encoder.patch.{number}"
        rows = batch_norm(linear(rows, weights, f"{name}.linear"), weights, f"{name}.norm", training).relu()
    return rows


def distance_at(code: Tensor, points: Tensor, weights: Weights) -> Tensor:
    """Signed distances ``(Q,)`` of points ``(Q, 3)`` to the surface of one code ``(128,)``."""
    of_code = linear(code, weights, "field.code").relu().expand(len(points), -1)
    of_point = linear(points, weights, "field.point").relu()
    rows = linear(torch.cat([of_code, of_point], 1), weights, "field.first").relu()
    for number in range(7):
        direction, length = weights[f"field.hidden.{number}.direction"], weights[f"field.hidden.{number}.length"]
        weight = length * direction / direction.norm(dim=1, keepdim=True)
        rows = (rows @ weight.T + weights[f"field.hidden.{number}.bias"]).relu()
    return linear(rows, weights, "field.last")[:, 0]


def pulling_loss(patches: Tensor, queries: Tensor, weights: Weights) -> Tensor:
    """Mean distance of pulled queries to the points that were nearest before; codes by the batch's statistics."""
    distances = []
    for code, patch, query in zip(encode(patches, weights, training=True), patches, queries, strict=True):
        at = query.clone().requires_grad_()
        value = distance_at(code, at, weights)
        (gradient,) = torch.autograd.grad(value.sum(), at, create_graph=True)
        pulled = at - value[:, None] * gradient / gradient.norm(dim=1, keepdim=True)
        goals = torch.stack([patch[((patch - one) ** 2).sum(1).argmin()] for one in query])
        distances.append((pulled - goals).norm(dim=1))
    return torch.cat(distances).mean()


def cut(points: Array, size: int, overlap: int, first: int) -> tuple[list[list[int]], Array]:
    """Members of each patch, nearest to its centre first, and its points about their mean in a box of 1."""
    cloud = (points - points.min(0)) / (points[:, 0].max() - points[:, 0].min())
    centres, nearest = [first], np.full(len(cloud), np.inf)
    while len(centres) < round(overlap * len(cloud) / size):
        nearest = np.minimum(nearest, ((cloud - cloud[centres[-1]]) ** 2).sum(1))
        centres.append(int(nearest.argmax()))
    members = [np.argsort(((cloud - cloud[centre]) ** 2).sum(1), kind="stable")[:size].tolist() for centre in centres]
    patches = []
    for chosen in members:
        patch = cloud[chosen] / (cloud[chosen].max(0) - cloud[chosen].min(0)).max()
        patches.append(patch - patch.mean(0))
    return members, np.array(patches)


def cells_under(pixels: NDArray[np.int64]) -> set[int]:
    """Cells of 8 x 8 pixels that hold any of the pixels."""
    return {int(pixel) // 224 // 8 * 28 + int(pixel) % 224 // 8 for pixel in pixels}


def cells_near(cells: set[int]) -> set[int]:
    """Cells moved by two columns or rows either way, in the order of the raster; those outside are left out."""
    return {cell + step for cell in cells for step in (-2, 2, -56, 56) if 0 <= cell + step < 784}


def pursuit(vector: Array, dictionary: Array, atoms: int = 3) -> Array:
    """Take the row with the largest product with the residual, then fit all rows taken by least squares."""
    taken: list[int] = []
    found = np.zeros_like(vector)
    for _ in range(min(atoms, len(dictionary))):
        products = np.abs(dictionary @ (vector - found))
        products[taken] = -1
        taken.append(int(products.argmax()))
        found = dictionary[taken].T @ np.linalg.lstsq(dictionary[taken].T, vector, rcond=None)[0]
    return found


def nearest(vector: Array, bank: Array, count: int, skip: int) -> list[int]:
    order = np.argsort(((bank - vector) ** 2).sum(1), kind="stable")
    return order[skip : count + skip].tolist()


@dataclass
class Seen:
    """A sample as the scores see it: patches, their codes, the pixels of each, and features of the 784 cells."""

    patches: Array
    codes: Array
    pixels: list[NDArray[np.int64]]
    features: Array

    def cells(self) -> set[int]:
        return set().union(*(cells_under(pixels) for pixels in self.pixels))


def image_features(network: torch.nn.Module, image: Array) -> Array:
    """``(3, 224, 224)`` -> ``(784, C)``."""
    with torch.inference_mode():
        layers = network.double()(torch.from_numpy(image)[None])
    return np.concatenate([pool(layer[0].permute(1, 2, 0).numpy(), 28) for layer in layers], 1)


def score(sample: Seen, bank: list[Seen], weights: Weights, *, shifted: bool, skip: int = 0) -> dict[str, object]:
    """Scores and maps of both modalities, not yet joined or blurred."""
    codes = np.concatenate([seen.codes for seen in bank])
    owner = [(number, patch) for number, seen in enumerate(bank) for patch in range(len(seen.codes))]
    shape_map, allowed, worst = np.full(224 * 224, np.inf), set(), 0.0
    for code, patch, pixels in zip(sample.codes, sample.patches, sample.pixels, strict=True):
        neighbours = nearest(code, codes, 10, skip)
        rebuilt = pursuit(code, codes[neighbours])
        worst = max(worst, float(np.linalg.norm(code - rebuilt)))
        values = distance_at(torch.from_numpy(rebuilt), torch.from_numpy(patch), weights).abs().detach().numpy()
        for pixel, value in zip(pixels, values, strict=True):
            shape_map[pixel] = min(shape_map[pixel], value)
        for number, index in (owner[neighbour] for neighbour in neighbours):
            cells = cells_under(bank[number].pixels[index])
            cells = cells_near(cells) if shifted else cells
            allowed |= {(number, cell) for cell in cells & bank[number].cells()}
    shape_map[np.isinf(shape_map)] = 0
    features = np.array([bank[number].features[cell] for number, cell in sorted(allowed)])
    distances = np.zeros(784)
    for cell in sample.cells():
        feature = sample.features[cell]
        rebuilt = pursuit(feature, features[nearest(feature, features, 5, skip)])
        distances[cell] = np.linalg.norm(feature - rebuilt)
    image_map = enlarged(distances.reshape(1, 28, 28), 224)[0]
    return {
        "xyz": (worst, shape_map.reshape(224, 224)),
        "rgb": (float(distances.max()), image_map),
    }


def alignment(image_maps: list[Array], shape_maps: list[Array]) -> tuple[float, float]:
    """Factor and shift that bring mean and three deviations of one kind of map onto those of the other."""
    image = np.concatenate([plane[plane != 0] for plane in image_maps])
    shape = np.concatenate([plane[plane != 0] for plane in shape_maps])
    low, high = (shape.mean() + sign * 3 * shape.std() for sign in (-1, 1))
    left, right = (image.mean() + sign * 3 * image.std() for sign in (-1, 1))
    factor = (high - low) / (right - left)
    return factor, low - factor * left
