"""The 2D feature extractor: DINO ViT-B/8 (CFM section 3.1), built by timm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from methods.parts.dense import with_dense_layers
from methods.parts.initialise import randomise
from methods.parts.weight_files import fill_from, read_tensors

__all__ = ["GRID", "build_vit", "vit_tokens", "vit_tokens_at"]

GRID = 28
"""Tokens per side: 224 pixels in patches of 8."""


def build_vit(layers: int, *, weights: Path | None, seed: int) -> nn.Module:
    """Build the first ``layers`` blocks of ViT-B/8 with its final LayerNorm, frozen, on the CPU.

    Parameters
    ----------
    layers
        1 to 12.
    weights
        DINO's release (.pth) or timm's safetensors; None for seeded random weights.
    seed
        Seed of random weights.
    """
    with torch.device("meta"):
        vit = timm.create_model("vit_base_patch8_224", pretrained=False, num_classes=0, depth=layers)
    vit = vit.to_empty(device="cpu")
    if weights is None:
        randomise(vit, seed, "vit")
    else:
        fill_from(vit, read_tensors(weights), weights)
    return with_dense_layers(vit.eval().requires_grad_(False))


def vit_tokens(vit: nn.Module, image: Tensor) -> Tensor:
    """Return the patch tokens of one image after the final LayerNorm: (3, S, S) to (patches, channels)."""
    features: Tensor = vit.forward_features(image[None])  # type: ignore[operator]
    return features[0, 1:]


def vit_tokens_at(vit: nn.Module, image: Tensor, depths: Sequence[int]) -> list[Tensor]:
    """Return the results of :func:`vit_tokens` for networks pruned to some depths, from one pass of a deeper one.

    Parameters
    ----------
    vit
        Network with at least the largest of these depths.
    image : (3, S, S) float
    depths
        Numbers of blocks, ascending.

    Returns
    -------
    For each depth (patches, channels).
    """
    intermediates: list[Tensor] = vit.forward_intermediates(  # type: ignore[operator]
        image[None], [depth - 1 for depth in depths], norm=True, output_fmt="NLC", intermediates_only=True
    )
    return [tokens[0] for tokens in intermediates]
