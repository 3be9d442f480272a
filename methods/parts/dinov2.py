"""DINOv2 with registers, built by timm: frozen features of single blocks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.parts.dense import with_dense_layers
from methods.parts.initialise import randomise
from methods.parts.weight_files import fill_from, read_tensors

__all__ = ["PATCH", "Size", "block_tokens", "build_dinov2", "positions_for"]

Size = Literal["vit-b14", "vit-s14"]
"""ViT-B, 768 channels and 12 heads, or ViT-S, 384 channels and 6 heads."""

_NAMES: dict[Size, str] = {"vit-b14": "vit_base_patch14_reg4_dinov2", "vit-s14": "vit_small_patch14_reg4_dinov2"}

PATCH = 14
"""Side of a patch, pixels."""

_OFFSET = 0.1
"""Added to the side of the grid where positions are interpolated, as DINOv2's code does without registers."""

_RANDOM_WEIGHTS_SEED = 0


def build_dinov2(size: Size, blocks: int, grid: int, *, weights: Path | None) -> nn.Module:
    """Build the first ``blocks`` blocks for images of ``grid`` x ``grid`` patches, frozen, on the CPU.

    Parameters
    ----------
    size
        Which network.
    blocks
        1 to 12.
    grid
        Patches along a side of the image.
    weights
        DINOv2's release (.pth) or timm's safetensors; None for seeded random weights.

    Raises
    ------
    MethodError
        If the file can't be read, lacks a tensor or has one of another shape.
    """
    with torch.device("meta"):
        vit = timm.create_model(_NAMES[size], pretrained=False, num_classes=0, depth=blocks, img_size=grid * PATCH)
    vit = vit.to_empty(device="cpu")
    if weights is None:
        randomise(vit, _RANDOM_WEIGHTS_SEED, _NAMES[size])
    else:
        fill_from(vit, _timm_tensors(read_tensors(weights), grid), weights)
    return with_dense_layers(vit.eval().requires_grad_(False))


def _timm_tensors(tensors: Mapping[str, Tensor], grid: int) -> dict[str, Tensor]:
    """Return the tensors by timm's names, with positions for a grid.

    The release has one table of positions, whose first row is that of the class token; timm adds this row to the token
    and names the registers otherwise. All other names are the same.
    """
    found = dict(tensors)
    positions = found.get("pos_embed")
    if "register_tokens" in found:
        found["reg_token"] = found.pop("register_tokens")
        if positions is not None and "cls_token" in found:
            found["cls_token"] = found["cls_token"] + positions[:, :1]
            positions = positions[:, 1:]
    if positions is not None:
        found["pos_embed"] = positions_for(positions, grid)
    return found


def positions_for(positions: Tensor, grid: int) -> Tensor:
    """Interpolate a table of positions to another grid: bicubic, without antialiasing, at (grid + 0.1) / side.

    Parameters
    ----------
    positions : (1, side * side, C) float
        The release has side 37.
    grid
        Patches along a side of the image.

    Returns
    -------
    (1, grid * grid, C); the input itself where it has this size, or is not a square table.
    """
    side = round(positions.shape[1] ** 0.5)
    if side == grid or side * side != positions.shape[1]:
        return positions
    plane = positions.float().transpose(1, 2).reshape(1, -1, side, side)
    scale = (grid + _OFFSET) / side
    plane = functional.interpolate(plane, scale_factor=(scale, scale), mode="bicubic", align_corners=False)
    return plane.flatten(2).transpose(1, 2)


def block_tokens(vit: nn.Module, image: Tensor, first: int) -> list[Tensor]:
    """Return the patch tokens after each block from ``first`` on, without a norm.

    Parameters
    ----------
    vit
        Of :func:`build_dinov2`.
    image : (3, S, S) float
    first
        Number of the first block, counted from 0.

    Returns
    -------
    For each block (patches, channels); class token and registers are left out.
    """
    blocks = range(first, len(vit.blocks))  # type: ignore[arg-type]
    intermediates: list[Tensor] = vit.forward_intermediates(  # type: ignore[operator]
        image[None], list(blocks), norm=False, output_fmt="NLC", intermediates_only=True
    )
    return [tokens[0] for tokens in intermediates]
