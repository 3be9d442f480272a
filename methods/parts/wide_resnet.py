"""WideResNet50-2 up to its third layer, frozen, built by timm.

Zagoruyko, Komodakis: "Wide Residual Networks", BMVC 2016.
"""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from methods.parts.initialise import randomise
from methods.parts.patch_maps import pool_to_grid
from methods.parts.weight_files import fill_from, read_tensors

__all__ = ["CHANNELS", "build_wide_resnet", "wide_resnet_patches"]

CHANNELS = 1536
"""Channels of layers 2 and 3 together: 512 and 1024."""

_LAYERS = (2, 3)
_CONVOLUTION, _RECTIFIED, _BRANCH = 3**0.5, 2**0.5, 0.5
"""Gains of random norms that compensate a convolution and a ReLU, and the gain of a residual branch."""


def build_wide_resnet(*, weights: Path | None, seed: int = 0, layers: tuple[int, ...] = _LAYERS) -> nn.Module:
    """Build the frozen network on the CPU: (n, 3, S, S) to features of some layers, of sides S / 4, S / 8 and S / 16.

    Parameters
    ----------
    weights
        timm's safetensors or checkpoint, or torchvision's, whose tensors have the same names; None for seeded random
        weights, scaled so that features keep their magnitude.
    seed
        Seed of random weights.
    layers
        Which layers, from 1; those after the last one are not built.

    Raises
    ------
    MethodError
        If the file can't be read, lacks a tensor or holds another network.
    """
    with torch.device("meta"):
        network = timm.create_model("wide_resnet50_2", pretrained=False, features_only=True, out_indices=layers)
    network = network.to_empty(device="cpu")
    if weights is None:
        _randomise(network, seed)
    else:
        fill_from(network, read_tensors(weights), weights)
    return network.eval().requires_grad_(False)


@torch.no_grad()
def _randomise(network: nn.Module, seed: int) -> None:
    randomise(network, seed, "wide_resnet")
    for name, norm in network.named_modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.reset_parameters()
            norm.weight.fill_(_CONVOLUTION * (_BRANCH if name.endswith("bn3") else _RECTIFIED))


def wide_resnet_patches(network: nn.Module, image: Tensor, grid: int) -> Tensor:
    """Return the features of one image, pooled to a grid: (3, S, S) to (grid * grid, C)."""
    return torch.cat([pool_to_grid(features[0], grid) for features in network(image[None])], 1)
