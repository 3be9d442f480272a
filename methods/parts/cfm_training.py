"""Training of CFM's mappings (section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.contract import MethodError, Progress
from methods.parts.features import Tokens
from methods.parts.mapping import MappingPair, cosine_loss

__all__ = ["Schedule", "train"]

_CHUNK = 16384
"""Pixels in memory at a time; gradients of chunks are added up, so that its size changes rounding only."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and on what to train.

    Parameters
    ----------
    epochs, lr, batch
        As published: 250, 1e-3 and 4 images.
    pixels
        Pixels drawn from a batch for one step; 0 takes all of them, as published.
    """

    epochs: int
    lr: float
    batch: int
    pixels: int


def train(
    pair: MappingPair,
    tokens_of: Callable[[int, int], Tokens],
    count: int,
    schedule: Schedule,
    *,
    seed: int,
    progress: Progress,
    autocast: Callable[[], torch.autocast],
) -> list[float]:
    """Minimise the cosine losses of both mappings over all valid pixels of each batch together, with Adam.

    Parameters
    ----------
    pair
        Trained in place.
    tokens_of
        Function from (epoch, sample) to features.
    count
        Number of samples.
    seed
        Of the order of samples and the drawn pixels.

    Returns
    -------
    The loss of every step.

    Raises
    ------
    MethodError
        Where the loss is NaN or infinite.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(pair.parameters(), lr=schedule.lr, fused=True)
    losses: list[float] = []
    for epoch in range(schedule.epochs):
        progress("train", epoch, schedule.epochs)
        order = torch.randperm(count, generator=generator)
        for start in range(0, count, schedule.batch):
            batch = [tokens_of(epoch, int(member)) for member in order[start : start + schedule.batch]]
            losses.append(_step(pair, batch, schedule.pixels, optimizer, generator, autocast))
            if not losses[-1] < float("inf"):
                raise MethodError(
                    f"The training loss became {losses[-1]} in epoch {epoch + 1}: lower the learning rate, "
                    f"for example 'cfm[lr={schedule.lr / 10:g}]', or look for broken samples with "
                    "'harness data verify'."
                )
    optimizer.zero_grad()  # frees the gradients, which a fitted method should not hold
    progress("train", schedule.epochs, schedule.epochs)
    return losses


def _step(
    pair: MappingPair,
    batch: Sequence[Tokens],
    pixels: int,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    autocast: Callable[[], torch.autocast],
) -> float:
    chosen = _choose([len(tokens) for tokens in batch], pixels, generator)
    total = sum(map(len, chosen))
    if total == 0:
        raise MethodError("A training batch has no pixel with 3D features: look at it with 'harness data verify'.")
    optimizer.zero_grad()
    loss = 0.0
    for tokens, rows in zip(batch, chosen, strict=True):
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK].to(tokens.pixels.device)
            real_2d, real_3d = tokens.at(part)
            with autocast():
                predicted_2d, predicted_3d = pair(real_2d, real_3d)
            partial = cosine_loss(predicted_2d.to(real_2d), real_2d) + cosine_loss(predicted_3d.to(real_3d), real_3d)
            partial = partial * (len(part) / total)
            partial.backward()  # type: ignore[no-untyped-call]
            loss += partial.item()
    optimizer.step()
    return loss


def _choose(sizes: Sequence[int], pixels: int, generator: torch.Generator) -> list[Tensor]:
    """Draw about ``pixels`` rows over all images, each image by its share; all rows where ``pixels`` is 0."""
    total = sum(sizes)
    if pixels == 0 or pixels >= total:
        return [torch.arange(size) for size in sizes]
    return [torch.randperm(size, generator=generator)[: max(1, round(pixels * size / total))] for size in sizes]
