"""A slow, direct float64 MAFR (Ali et al., DICTA 2025): the oracle of the product's tests.

Dense images of features, one vector per pixel, and the attention module as the convolutional one that it is, on images
of one pixel. Features are those of ``oracle_cfm``. Weights are dictionaries of float64 tensors under the product's
names; images of features are channel-last, ``(side, side, channels)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import oracle_cfm
import torch
from oracle_cfm import Features
from torch import Tensor
from torch.nn import functional

Weights = Mapping[str, Tensor]


def linear(x: Tensor, weights: Weights, name: str) -> Tensor:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def norm(x: Tensor, weights: Weights, name: str) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, correction=0, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-5) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.erf(x / 2**0.5))


def cbam(image: Tensor, weights: Weights, name: str) -> Tensor:
    """Channel and spatial attention of images ``(n, channels, height, width)``, of any size."""

    def shared(pooled: Tensor) -> Tensor:
        return linear(torch.relu(linear(pooled, weights, f"{name}.reduce")), weights, f"{name}.expand")

    channel = torch.sigmoid(shared(image.mean((2, 3))) + shared(image.amax((2, 3))))
    image = image * channel[:, :, None, None]
    pooled = torch.stack([image.mean(1), image.amax(1)], 1)
    return image * torch.sigmoid(functional.conv2d(pooled, weights[f"{name}.kernel"], padding=3))


def encode(x: Tensor, weights: Weights) -> Tensor:
    for name in ("input", "hidden"):
        x = norm(gelu(linear(x, weights, f"encoder.{name}")), weights, "encoder.norm")
    return linear(x, weights, "encoder.output")


def decode(code: Tensor, weights: Weights, name: str) -> Tensor:
    x = code
    for layer in range(3):
        x = gelu(norm(linear(x, weights, f"{name}.layers.{layer}"), weights, f"{name}.norm"))
    x = cbam(x[:, :, None, None], weights, f"{name}.gate")[:, :, 0, 0]
    return linear(x, weights, f"{name}.output") + linear(code, weights, f"{name}.skip")


def reconstruct(e2d: Tensor, e3d: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    """Reconstructed features of rows of both, without dropout."""
    code = encode(torch.cat([e2d, e3d], 1), weights)
    return decode(code, weights, "decode_2d"), decode(code, weights, "decode_3d")


def losses(predicted: Tensor, real: Tensor, counted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The three terms of one modality on images; ``counted (S, S)`` bool: the others are as if outside the image."""
    return (
        standardised_term(predicted, real, counted),
        smoothness_term(predicted, real, counted),
        census_term(predicted, real, counted),
    )


def standardised_term(predicted: Tensor, real: Tensor, counted: Tensor) -> Tensor:
    both = []
    for image in (predicted, real):
        rows = image[counted]
        spread = ((rows - rows.mean(1, keepdim=True)) ** 2).mean(1, keepdim=True)
        both.append((rows - rows.mean(1, keepdim=True)) / torch.sqrt(spread + 1e-8))
    return ((both[0] - both[1]) ** 2).mean()


def smoothness_term(predicted: Tensor, real: Tensor, counted: Tensor) -> Tensor:
    difference, mean, last = predicted - real, real.mean(2), len(counted) - 1
    places = [
        (y, x)
        for y, x in torch.nonzero(counted).tolist()
        if max(y, x) < last and counted[y, x + 1] and counted[y + 1, x]
    ]
    if not places:
        return torch.zeros((), dtype=torch.float64)
    y, x = torch.tensor(places).T
    total = torch.zeros(len(places), dtype=torch.float64)
    for next_y, next_x in ((y, x + 1), (y + 1, x)):
        weight = torch.exp(-(mean[next_y, next_x] - mean[y, x]).abs())
        for channel in (0, 1):
            total = total + weight * (difference[next_y, next_x, channel] - difference[y, x, channel]).abs()
    return total.mean()


def census_term(predicted: Tensor, real: Tensor, counted: Tensor) -> Tensor:
    side = len(counted)
    padded = functional.pad((predicted - real) * counted[:, :, None], (0, 0, 3, 3, 3, 3))
    total = torch.zeros_like(real)
    for y in range(7):
        for x in range(7):
            total = total + padded[y : y + side, x : x + side]
    return (total[counted] / 49).abs().mean()


def on_cells(sample: Features, side: int) -> Features:
    """Images of cells: 2D features at their centres, between 28 x 28 tokens; 3D features as the mean of their pixels.

    ``sample.e2d`` are the tokens, ``(28, 28, C)``.
    """
    size = len(sample.mask) // side
    e3d, mask = np.zeros((side, side, sample.e3d.shape[2])), np.zeros((side, side), bool)
    for y in range(side):
        for x in range(side):
            cell = slice(y * size, (y + 1) * size), slice(x * size, (x + 1) * size)
            if sample.mask[cell].any():
                mask[y, x], e3d[y, x] = True, sample.e3d[cell][sample.mask[cell]].mean(0)
    return Features(oracle_cfm.upsample(sample.e2d, side), e3d, mask)


def train_steps(sample: Features, start: Weights, *, steps: int, background: bool, lr: float = 1e-3) -> list[float]:
    """Loss before each step of Adam on one sample, of cells or of pixels, without dropout; ``start`` is trained."""
    trained = {name: tensor.requires_grad_() for name, tensor in start.items()}
    optimiser = torch.optim.Adam(trained.values(), lr=lr)
    images = [torch.from_numpy(image) for image in (sample.e2d, sample.e3d)]
    counted = torch.from_numpy(np.ones_like(sample.mask) if background else sample.mask)
    values = []
    for _ in range(steps):
        predicted = reconstruct(*(image.flatten(0, 1) for image in images), trained)
        loss = sum(
            sum(losses(rows.view(image.shape), image, counted)) for rows, image in zip(predicted, images, strict=True)
        )
        values.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return values


def predict(sample: Features, weights: Weights, *, pixels: Sequence[int] | None = None) -> dict[str, Any]:
    """Inference: keys anomaly_map, pixel_map, score, map_2d and map_3d.

    ``pixels`` are the flat pixels with 3D features, where the sample is one of cells: each has the value of its cell.
    """
    rows = [torch.from_numpy(image[sample.mask]) for image in (sample.e2d, sample.e3d)]
    maps = []
    for predicted, real in zip(reconstruct(*rows, weights), rows, strict=True):
        distance = np.zeros(sample.mask.shape)
        distance[sample.mask] = ((predicted - real) ** 2).sum(1).sqrt().numpy()
        if pixels is not None:
            width = 224 // len(distance)
            reached = np.zeros(224 * 224, bool)
            reached[list(pixels)] = True
            distance = np.kron(distance, np.ones((width, width))) * reached.reshape(224, 224)
        maps.append(distance)
    anomaly_map, pixel_map, score = oracle_cfm.scale(oracle_cfm.smooth(maps[0] * maps[1]))
    return {
        "anomaly_map": anomaly_map,
        "pixel_map": pixel_map,
        "score": score,
        "map_2d": maps[0],
        "map_3d": maps[1],
    }
