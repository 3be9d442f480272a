"""The losses of INP-Former's training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["coherence_loss", "cosine_distance", "gradient_factor", "reconstruction_loss"]

_POWER = 3
_SMALLEST = 1e-12


def cosine_distance(real: Tensor, rebuilt: Tensor) -> Tensor:
    """Return 1 - cosine of each position: (..., C) and (..., C) to (...)."""
    return 1 - functional.cosine_similarity(real, rebuilt, dim=-1)


@torch.no_grad()
def gradient_factor(real: Tensor, rebuilt: Tensor) -> Tensor:
    """Return what gradients of positions are multiplied with: (distance / mean distance of the batch) to the third.

    Parameters
    ----------
    real, rebuilt : (B, N, C) float

    Returns
    -------
    (B, N, 1), on average at least 1; 0 everywhere where no position has a distance.
    """
    distance = cosine_distance(real, rebuilt)
    return (distance / distance.mean().clamp_min(_SMALLEST)).pow(_POWER)[..., None]


def reconstruction_loss(real: Sequence[Tensor], rebuilt: Sequence[Tensor]) -> Tensor:
    """Return 1 - cosine of whole images, averaged over images and groups, with gradients scaled by position.

    Parameters
    ----------
    real, rebuilt
        For each group (B, N, C).
    """
    losses = []
    for target, group in zip(real, rebuilt, strict=True):
        scaled = group.view_as(group)  # so that the factor stays within this loss
        if scaled.requires_grad:
            factor = gradient_factor(target, group)
            scaled.register_hook(lambda gradient, factor=factor: gradient * factor)  # type: ignore[no-untyped-call]
        losses.append(cosine_distance(target.flatten(1), scaled.flatten(1)).mean())
    return torch.stack(losses).mean()


def coherence_loss(tokens: Tensor, prototypes: Tensor) -> Tensor:
    """Return the mean over tokens (B, N, C) of the cosine distance to the nearest of the prototypes (B, P, C)."""
    likeness = functional.normalize(tokens, dim=-1) @ functional.normalize(prototypes, dim=-1).transpose(-2, -1)
    return (1 - likeness.amax(-1)).mean()
