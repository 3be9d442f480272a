"""The local scale prediction network (LSPN) of G2SF, and the distances that it scales."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.parts.dense import Linear
from methods.parts.initialise import named_generator, randomise_linear

__all__ = ["LARGEST_SCALE", "LSPN", "modality_distances"]

LARGEST_SCALE = float(torch.tensor(1.0).exp())
"""Local scales lie between the inverse of this and this."""

_HIDDEN, _CODE, _MIXED = 512, 128, 256
_DIRECTION_LENGTH = 5.0
_LEAST_LENGTH = 1e-3


class _Branch(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.hidden = Linear(channels, _HIDDEN, activation="relu")
        self.code = Linear(_HIDDEN, _CODE)

    def forward(self, features: Tensor, drop: torch.Generator | None) -> Tensor:
        return self.code(_dropped(self.hidden(features), drop))  # type: ignore[no-any-return]


class LSPN(nn.Module):
    """Two positive scales of a pair of a patch and a neighbour, and the global balance of the modalities.

    Parameters
    ----------
    channels
        Of both modalities together, 1920 in G2SF.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.direction, self.neighbour = _Branch(channels), _Branch(channels)
        self.mixed = Linear(2 * _CODE, _MIXED, activation="relu")
        self.scales = Linear(_MIXED, 2)
        self.balance = nn.Parameter(torch.zeros(2))

    def randomise(self, seed: int) -> None:
        """Draw initial weights, of linear layers as PyTorch does by default; the balance begins at 0."""
        for name, layer in self.named_modules():
            if isinstance(layer, nn.Linear):
                randomise_linear(layer, named_generator(seed, "g2sf", name))

    def forward(self, differences: Tensor, neighbours: Tensor, drop: torch.Generator | None = None) -> Tensor:
        """Return the local scales of pairs.

        Parameters
        ----------
        differences : (n, C) float32
            Features of patches less those of their neighbours, of both modalities.
        neighbours : (n, C) float32
        drop
            Generator of dropout's draws, on the device; without one nothing is dropped.

        Returns
        -------
        (n, 2), between 1/e and e, of the image and the cloud.
        """
        directions = _DIRECTION_LENGTH * functional.normalize(differences, dim=1, eps=_LEAST_LENGTH)
        codes = torch.cat([self.direction(directions, drop), self.neighbour(neighbours, drop)], dim=1)
        scales: Tensor = self.scales(_dropped(self.mixed(codes), drop))
        return scales.tanh().exp()

    def shares(self) -> Tensor:
        """Return the global scales of the modalities, (2,): positive, with sum 1."""
        positive = (self.balance.tanh() + 1) / 2
        return positive / positive.sum()

    def weights(self) -> list[Tensor]:
        """Return the matrices of all linear layers."""
        return [layer.weight for layer in self.modules() if isinstance(layer, nn.Linear)]


def _dropped(values: Tensor, draws: torch.Generator | None) -> Tensor:
    """Drop half of the values, and double the others."""
    if draws is None:
        return values
    return values * torch.empty_like(values).uniform_(generator=draws).round_().mul_(2)  # faster than bernoulli_


def modality_distances(differences: Tensor, channels: int) -> Tensor:
    """Return the lengths of differences (..., C) in the image's ``channels``, which come first, and in the cloud's."""
    parts = (differences[..., :channels], differences[..., channels:])
    return torch.stack([torch.linalg.vector_norm(part, dim=-1) for part in parts], dim=-1)
