"""Training of CFM's mappings (section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from harness.contract import MethodError, Progress
from methods.parts.cfm.mapping import MappingPair
from methods.parts.epochs import run_epochs
from methods.parts.feature_store import free_bytes, tensor_bytes
from methods.parts.features import Tokens
from methods.parts.reporting import lower_learning_rate
from methods.parts.sparse_rows import SparseRows

__all__ = ["Schedule", "train"]

_CHUNK = {"cpu": 4096, "cuda": 16384}
"""Pixels processed at a time; gradients of chunks are summed, so this changes rounding only."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the mappings are trained; :class:`methods.cfm.CFM` documents the parameters, ``method`` is its name."""

    epochs: int
    lr: float
    batch: int
    pixels: int
    method: str = "cfm"


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
    chunks = _Chunks(next(pair.parameters()).device)

    def step(epoch: int, members: list[int]) -> Tensor:
        batch = {member: tokens_of(epoch, member) for member in members}
        return _step(pair, batch, schedule.pixels, optimizer, generator, chunks, autocast)

    losses = run_epochs(
        step,
        count,
        epochs=schedule.epochs,
        batch=schedule.batch,
        generator=generator,
        progress=progress,
        remedy=lower_learning_rate(schedule.method, schedule.lr),
    )
    optimizer.zero_grad()  # frees the gradients
    return losses


class _Chunks:
    """Both matrices of a sample for some pixels at a time, with their transposes.

    The matrices are the same in every epoch. On CUDA their transposes are kept while they fit, since a device waits for
    many small operations; on a CPU they take half a percent of a step, and memory is worth more.
    """

    def __init__(self, device: torch.device) -> None:
        self._size = _CHUNK[device.type]
        self._free = self.budget(device)
        self._kept: dict[int, tuple[_Matrices, ...]] = {}

    @staticmethod
    def budget(device: torch.device) -> int:
        """Return the most bytes of transposes that are kept on a device."""
        return 0 if device.type == "cpu" else free_bytes(device) // 2

    def of(self, member: int, tokens: Tokens) -> Iterator[_Matrices]:
        """Yield the matrices from image and cloud tokens, chunk by chunk; ``member`` is the sample's index."""
        kept = self._kept.get(member, ())
        made: list[_Matrices] = []
        for number, (from_image, from_cloud) in enumerate(tokens.chunks(self._size)):
            if not kept:
                made.append((from_image.transposed(len(tokens.image)), from_cloud.transposed(len(tokens.cloud))))
            to_image, to_cloud = (kept or made)[number]
            yield replace(from_image, transpose=to_image), replace(from_cloud, transpose=to_cloud)
        size = tensor_bytes(tuple(made))
        if made and size <= self._free:
            self._free -= size
            self._kept[member] = tuple(made)


def _step(
    pair: MappingPair,
    batch: Mapping[int, Tokens],
    pixels: int,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    chunks: _Chunks,
    autocast: Callable[[], torch.autocast],
) -> Tensor:
    """Return the loss, a scalar on the device; ``batch`` maps indices of samples to their features."""
    sizes = [len(tokens) for tokens in batch.values()]
    if sum(sizes) == 0:
        raise MethodError("A training batch has no pixel with 3D features: look at it with 'harness data verify'.")
    if 0 < pixels < sum(sizes):
        parts = _predict_drawn(pair, list(batch.values()), _draw(sizes, pixels, generator), autocast)
    else:
        parts = _predict_all(pair, batch, chunks, autocast)
    optimizer.zero_grad()
    loss = torch.zeros((), device=next(pair.parameters()).device)
    for predicted, real, share in parts:
        partial = pair.loss(predicted, real) * share
        partial.backward()  # type: ignore[no-untyped-call]
        loss += partial.detach()
    optimizer.step()
    return loss


_Pair = tuple[Tensor, Tensor]
"""2D and 3D features of the same pixels."""

_Matrices = tuple[SparseRows, SparseRows]
"""Of the image and of the cloud."""


def _predict_all(
    pair: MappingPair, batch: Mapping[int, Tokens], chunks: _Chunks, autocast: Callable[[], torch.autocast]
) -> Iterator[tuple[_Pair, _Pair, float]]:
    """Yield predicted and real features of all pixels in chunks, with the share of each chunk in the batch.

    The first layers run on tokens, which are far fewer than pixels; in the backward pass too, by transposed matrices.
    """
    total = sum(map(len, batch.values()))
    for member, tokens in batch.items():
        for from_image, from_cloud in chunks.of(member, tokens):
            with autocast():
                predicted = pair.finish(pair.start(tokens.image, tokens.cloud), from_image, from_cloud)
            yield predicted, (from_image @ tokens.image, from_cloud @ tokens.cloud), len(from_image) / total


def _predict_drawn(
    pair: MappingPair, batch: Sequence[Tokens], rows: Sequence[Tensor], autocast: Callable[[], torch.autocast]
) -> Iterator[tuple[_Pair, _Pair, float]]:
    """Yield predicted and real features of the drawn pixels of all images in chunks, with the share of each chunk."""
    real = [tokens.at(chosen) for tokens, chosen in zip(batch, rows, strict=True)]
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
