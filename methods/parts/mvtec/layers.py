"""Layers of the reconstruction networks, for images (two dimensions) and for grids of voxels (three)."""

from __future__ import annotations

import math

from torch import nn

from methods.parts.initialise import named_generator

__all__ = ["batch_norm", "convolution", "halvings", "initialise", "mean_pool", "transposed"]

_CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_NORMS = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOLS = {2: nn.AvgPool2d, 3: nn.AvgPool3d}


def convolution(dimensions: int, inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    """Return a convolution that divides a side by the stride exactly."""
    return _CONVOLUTIONS[dimensions](inputs, outputs, kernel, stride, (kernel - 1) // 2)


def transposed(dimensions: int, inputs: int, outputs: int) -> nn.Module:
    """Return a transposed convolution, kernel 4, that doubles a side."""
    return _TRANSPOSED[dimensions](inputs, outputs, 4, 2, 1)


def batch_norm(dimensions: int, channels: int) -> nn.Module:
    """Return a batch normalisation."""
    return _NORMS[dimensions](channels)


def mean_pool(dimensions: int) -> nn.Module:
    """Return the mean of 2 neighbours along each axis."""
    return _POOLS[dimensions](2)


def halvings(side: int, left: int) -> int:
    """Return how often a side is halved until ``left`` remains; both are powers of two."""
    return (side // left).bit_length() - 1


def initialise(network: nn.Module, seed: int, scope: str) -> None:
    """Fill convolutions and linear layers as PyTorch does by default, each from the seed and its own name.

    Parameters
    ----------
    network
        Changed in place; on the CPU.
    scope
        Part of every layer's seed.
    """
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
            generator, bound = named_generator(seed, scope, name), 1 / math.sqrt(layer.weight[0].numel())
            for tensor in layer.parameters():
                nn.init.uniform_(tensor, -bound, bound, generator=generator)
