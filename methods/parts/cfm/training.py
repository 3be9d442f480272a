"""Training of CFM's mappings (section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.contract import MethodError, Progress
from methods.parts.cfm.mapping import MappingPair, cosine_loss
from methods.parts.features import Tokens
from methods.parts.reporting import mean_loss

__all__ = ["Schedule", "train"]

_CHUNK = {"cpu": 4096, "cuda": 16384}
"""Pixels processed at a time; gradients of chunks are summed, so this changes rounding only."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the mappings are trained; :class:`methods.cfm.CFM` documents the parameters."""

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
    """Minimise the cosine losses of both mappings over the valid pixels of each batch, with Adam.

    Parameters
    ----------
    pair
        Trained in place.
    tokens_of
        Function from (epoch, sample) to features.
    count
        Number of samples.
    seed
        Seed of the order of samples and of the drawn pixels.

    Returns
    -------
    The loss of every step.

    Raises
    ------
    MethodError
        If the loss is NaN or infinite.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(pair.parameters(), lr=schedule.lr, fused=True)
    losses: list[float] = []
    last = 0
    for epoch in range(schedule.epochs):
        progress("train", epoch, schedule.epochs, **mean_loss(losses[last:]))
        last = len(losses)
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
    optimizer.zero_grad()  # frees the gradients
    progress("train", schedule.epochs, schedule.epochs, **mean_loss(losses[last:]))
    return losses


def _step(
    pair: MappingPair,
    batch: Sequence[Tokens],
    pixels: int,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    autocast: Callable[[], torch.autocast],
) -> float:
    sizes = [len(tokens) for tokens in batch]
    if sum(sizes) == 0:
        raise MethodError("A training batch has no pixel with 3D features: look at it with 'harness data verify'.")
    if 0 < pixels < sum(sizes):
        parts = _predict_drawn(pair, batch, _draw(sizes, pixels, generator), autocast)
    else:
        parts = _predict_all(pair, batch, autocast)
    optimizer.zero_grad()
    loss = torch.zeros((), device=batch[0].cloud.device)
    for (predicted_2d, predicted_3d), (real_2d, real_3d), share in parts:
        partial = cosine_loss(predicted_2d.to(real_2d), real_2d) + cosine_loss(predicted_3d.to(real_3d), real_3d)
        partial = partial * share
        partial.backward()  # type: ignore[no-untyped-call]
        loss += partial.detach()
    optimizer.step()
    return float(loss)


_Pair = tuple[Tensor, Tensor]
"""2D and 3D features of the same pixels."""


def _predict_all(
    pair: MappingPair, batch: Sequence[Tokens], autocast: Callable[[], torch.autocast]
) -> Iterator[tuple[_Pair, _Pair, float]]:
    """Yield predicted and real features of all pixels in chunks, with the share of each chunk in the batch.

    The first layers run on tokens, which are far fewer than pixels; in the backward pass too, by transposed matrices.
    """
    total = sum(map(len, batch))
    for tokens in batch:
        for from_image, from_cloud in tokens.chunks(_CHUNK[tokens.pixels.device.type]):
            with autocast():
                predicted = pair.finish(pair.start(tokens.image, tokens.cloud), from_image, from_cloud)
            yield predicted, (from_image @ tokens.image, from_cloud @ tokens.cloud), len(from_image) / total


def _predict_drawn(
    pair: MappingPair, batch: Sequence[Tokens], rows: Sequence[Tensor], autocast: Callable[[], torch.autocast]
) -> Iterator[tuple[_Pair, _Pair, float]]:
    """Yield predicted and real features of the drawn pixels of all images in chunks, with the share of each chunk."""
    real = [tokens.at(chosen.to(tokens.pixels.device)) for tokens, chosen in zip(batch, rows, strict=True)]
    all_2d, all_3d = (torch.cat(features) for features in zip(*real, strict=True))
    size = _CHUNK[all_2d.device.type]
    for real_2d, real_3d in zip(torch.split(all_2d, size), torch.split(all_3d, size), strict=True):
        with autocast():
            predicted = pair(real_2d, real_3d)
        yield predicted, (real_2d, real_3d), len(real_2d) / len(all_2d)


def _draw(sizes: Sequence[int], pixels: int, generator: torch.Generator) -> list[Tensor]:
    """Draw about ``pixels`` rows of all images, from each in proportion to its size."""
    total = sum(sizes)
    return [torch.randperm(size, generator=generator)[: max(1, round(pixels * size / total))] for size in sizes]
