"""The 3D feature extractor: Point-MAE (CFM section 3.1), with the published names of its tensors."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.parts.dense import Linear
from methods.parts.initialise import randomise
from methods.parts.point_encoder import BatchNormStatistics, encode_groups
from methods.parts.sampling import nearest
from methods.parts.weight_files import fill_from, read_tensors

__all__ = ["BatchNormStatistics", "Grouped", "PointMAE", "build_point_mae", "group_points", "taps_of"]

_DEPTH, _WIDTH, _HEADS = 12, 384, 6
_TAPS = {12: (3, 7, 11), 8: (1, 4, 7), 4: (1, 2, 3)}
_MAX_DROP_RATE = 0.1


def taps_of(layers: int) -> tuple[int, ...]:
    """Return the blocks (from 0) whose outputs are concatenated in a network of ``layers`` blocks."""
    return _TAPS.get(layers, (layers - 1,))


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """A cloud split into groups.

    Parameters
    ----------
    centres : (M, 3) float
        Metres.
    offsets : (M, G, 3) float
        The G nearest points of each centre, relative to it.
    """

    centres: Tensor
    offsets: Tensor


def group_points(points: Tensor, chosen: Tensor, group_size: int) -> Grouped:
    """Gather the nearest points of each centre.

    Parameters
    ----------
    points : (N, 3) float
        Metres.
    chosen : (M,) int64
        Indices of the centres (:func:`methods.parts.sampling.farthest_points`).
    group_size
        Points in a group.

    Raises
    ------
    MethodError
        If the cloud has fewer points than a group.
    """
    centres = points[chosen]
    _, index = nearest(centres, points, group_size)
    return Grouped(centres, points[index] - centres[:, None])


class _Encoder(nn.Module):
    """A small PointNet that computes a token for each group."""

    def __init__(self) -> None:
        super().__init__()
        self.first_conv = nn.Sequential(nn.Conv1d(3, 128, 1), nn.BatchNorm1d(128), nn.ReLU(), nn.Conv1d(128, 256, 1))
        self.second_conv = nn.Sequential(
            nn.Conv1d(512, 512, 1), nn.BatchNorm1d(512), nn.ReLU(), nn.Conv1d(512, _WIDTH, 1)
        )

    @property
    def used_exactly(self) -> tuple[Tensor | None, ...]:
        """The parameters that statistics follow from, and that are scaled, before any product."""
        lift = self.first_conv[0]
        assert isinstance(lift, nn.Conv1d)
        return lift.weight, lift.bias

    def forward(self, offsets: Tensor, statistics: BatchNormStatistics) -> Tensor:
        return encode_groups(self.first_conv, self.second_conv, offsets, statistics)


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = Linear(_WIDTH, 3 * _WIDTH, bias=False)
        self.proj = Linear(_WIDTH, _WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        count, width = tokens.shape
        query, key, value = self.qkv(tokens).view(count, 3, _HEADS, width // _HEADS).permute(1, 2, 0, 3)
        mixed = functional.scaled_dot_product_attention(query[None], key[None], value[None])[0]
        return self.proj(mixed.transpose(0, 1).reshape(count, width))  # type: ignore[no-any-return]


class _MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = Linear(_WIDTH, 4 * _WIDTH, activation="gelu")
        self.fc2 = Linear(4 * _WIDTH, _WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc2(self.fc1(tokens))  # type: ignore[no-any-return]


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(_WIDTH)
        self.attn = _Attention()
        self.norm2 = nn.LayerNorm(_WIDTH)
        self.mlp = _MLP()

    def forward(self, tokens: Tensor, drop_rate: float, generator: torch.Generator | None) -> Tensor:
        tokens = tokens + _drop(self.attn, self.norm1(tokens), drop_rate, generator)
        return tokens + _drop(self.mlp, self.norm2(tokens), drop_rate, generator)


def _drop(branch: nn.Module, tokens: Tensor, rate: float, generator: torch.Generator | None) -> Tensor | float:
    if generator is None or rate == 0:
        return branch(tokens)  # type: ignore[no-any-return]
    if torch.rand((), generator=generator).item() < rate:
        return 0.0
    return branch(tokens) / (1 - rate)  # type: ignore[no-any-return]


class _Blocks(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block() for _ in range(layers))


class PointMAE(nn.Module):
    """The first ``layers`` blocks of Point-MAE's encoder, without masking and without a class token."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.encoder = _Encoder()
        self.pos_embed = nn.Sequential(Linear(3, 128), nn.GELU(), Linear(128, _WIDTH))
        self.blocks = _Blocks(layers)
        self.norm = nn.LayerNorm(_WIDTH)
        self.taps = taps_of(layers)
        self.width = _WIDTH

    @property
    def channels(self) -> int:
        """Channels of a token: 384 for each tap."""
        return _WIDTH * len(self.taps)

    def embed(self, offsets: Tensor, statistics: BatchNormStatistics) -> Tensor:
        """Return the group tokens before the first block, (M, 384), from points relative to centres, (M, G, 3)."""
        tokens: Tensor = self.encoder(offsets, statistics)
        return tokens

    def transform(self, tokens: Tensor, centres: Tensor, drop: torch.Generator | None = None) -> Tensor:
        """Run the blocks; the position embedding is added before each, the final LayerNorm follows each tap.

        Parameters
        ----------
        tokens : (M, 384) float
        centres : (M, 3) float
        drop
            CPU generator of DropPath's draws, with rates from 0 to 0.1 over the twelve blocks of the whole network;
            None for no DropPath.

        Returns
        -------
        (M, channels), taps from shallow to deep.
        """
        return torch.cat(self.tapped(tokens, centres, self.taps, drop), dim=1)

    def tapped(
        self, tokens: Tensor, centres: Tensor, blocks: Collection[int], drop: torch.Generator | None = None
    ) -> list[Tensor]:
        """Run the blocks as in :meth:`transform` and return the output of some of them after the final LayerNorm.

        Parameters
        ----------
        tokens : (M, 384) float
        centres : (M, 3) float
        blocks
            Numbers of these blocks, from 0.
        drop
            As in :meth:`transform`.

        Returns
        -------
        (M, 384) for each of these blocks, from shallow to deep.
        """
        position = self.pos_embed(centres)
        outputs = []
        for depth, block in enumerate(self.blocks.blocks):
            tokens = block(tokens + position, _MAX_DROP_RATE * depth / (_DEPTH - 1), drop)
            if depth in blocks:
                outputs.append(self.norm(tokens))
        return outputs


def build_point_mae(layers: int, *, weights: Path | None, seed: int) -> PointMAE:
    """Build Point-MAE's encoder, frozen, on the CPU.

    Parameters
    ----------
    layers
        1 to 12.
    weights
        The release's ``pretrain.pth``; None for seeded random weights.
    seed
        Seed of random weights.
    """
    network = PointMAE(layers)
    if weights is None:
        randomise(network, seed, "point-mae")
    else:
        tensors = read_tensors(weights, inside="base_model")
        prefixes = ("module.", "MAE_encoder.")
        fill_from(network, {_strip(name, prefixes): value for name, value in tensors.items()}, weights)
    return network.eval().requires_grad_(False)


def _strip(name: str, prefixes: tuple[str, ...]) -> str:
    for prefix in prefixes:
        name = name.removeprefix(prefix)
    return name
