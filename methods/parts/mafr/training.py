"""Training of MAFR's head, one sample a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from harness.contract import MethodError, Progress
from methods.parts.epochs import run_epochs
from methods.parts.features import Tokens
from methods.parts.initialise import named_generator
from methods.parts.inputs import SIZE
from methods.parts.mafr.cells import Cells
from methods.parts.mafr.losses import reconstruction_loss
from methods.parts.mafr.network import Dropout, Features, FusedReconstruction
from methods.parts.reporting import lower_learning_rate
from methods.parts.sparse_rows import SparseRows

__all__ = ["Schedule", "train"]

_CHUNK = {"cpu": 2048, "cuda": 16384}
"""Cells whose activations are in memory at a time, 0.25 MB each; changes the draws of dropout and rounding only."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the head is trained; :class:`methods.mafr.MAFR` documents the parameters."""

    epochs: int
    lr: float
    dropout: float
    grid: int
    background_loss: Literal["all", "valid"]


def train(
    network: FusedReconstruction,
    tokens_of: Callable[[int, int], Tokens],
    count: int,
    schedule: Schedule,
    *,
    seed: int,
    progress: Progress,
) -> list[float]:
    """Minimise the losses of both modalities, one sample a step, with Adam.

    Parameters
    ----------
    network
        Trained in place.
    tokens_of
        Function from (epoch, sample) to features.
    count
        Number of samples.
    seed
        Seed of the order of samples and of dropout.

    Returns
    -------
    The loss of every step.

    Raises
    ------
    MethodError
        If the loss is NaN or infinite.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=schedule.lr, fused=True)
    grids = _Grids(schedule.grid, everywhere=schedule.background_loss == "all")

    def step(epoch: int, members: list[int]) -> Tensor:
        (member,) = members
        tokens = tokens_of(epoch, member)
        draw = partial(_dropout, schedule.dropout, tokens.image.device, seed, epoch, member)
        loss = _loss(network, tokens, grids.of(member, tokens), draw)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    losses = run_epochs(
        step,
        count,
        epochs=schedule.epochs,
        batch=1,
        generator=torch.Generator().manual_seed(seed),
        progress=progress,
        remedy=lower_learning_rate("mafr", schedule.lr),
    )
    optimizer.zero_grad()  # frees the gradients
    return losses


class _Grids:
    """The grid of each sample, which is the same in every epoch: kept where its cells are few."""

    def __init__(self, side: int, *, everywhere: bool) -> None:
        self._side, self._everywhere = side, everywhere
        self._kept: dict[int, Cells] = {}

    def of(self, member: int, tokens: Tokens) -> Cells:
        """Return the grid of the sample with this index."""
        if member in self._kept:
            return self._kept[member]
        cells = Cells.of(tokens, self._side, everywhere=self._everywhere)
        if len(cells) == 0:
            raise MethodError("A training sample has no pixel with 3D features: look at it with 'harness data verify'.")
        if self._side < SIZE:
            self._kept[member] = cells
        return cells


def _dropout(share: float, device: torch.device, *names: int) -> Dropout:
    seed = named_generator(names[0], "dropout", *names[1:]).initial_seed()
    return Dropout(share, torch.Generator(device).manual_seed(seed))


def _loss(network: FusedReconstruction, tokens: Tokens, cells: Cells, draw: Callable[[int], Dropout]) -> Tensor:
    """Return the loss of a sample, ().

    The head runs on some cells at a time. Where they are not all, its activations are computed again for the gradients,
    since the losses compare neighbours, so that no part of the cells has a loss of its own.
    """
    real = cells.to_image @ tokens.image, cells.to_cloud @ tokens.cloud
    started = network.encoder.start(Features(tokens.image, tokens.cloud))
    size = _CHUNK[tokens.image.device.type]
    parts = []
    for number, rows in enumerate(cells.chunks(size)):
        reconstruct = partial(_reconstruct, network, partial(draw, number), rows)
        if len(cells) > size:
            reconstruct = partial(checkpoint, reconstruct, use_reentrant=False, preserve_rng_state=False)
        parts.append(reconstruct(started))
    predicted = (torch.cat(features) for features in zip(*parts, strict=True))
    in_2d, in_3d = (
        reconstruction_loss(ours, theirs, cells.places, cells.side)
        for ours, theirs in zip(predicted, real, strict=True)
    )
    return in_2d + in_3d


def _reconstruct(
    network: FusedReconstruction, draw: Callable[[], Dropout], rows: tuple[SparseRows, SparseRows], started: Features
) -> Features:
    from_image, from_cloud = rows
    return network.finish(from_image @ started.image + from_cloud @ started.cloud, draw())
