"""Training of M3DM's feature fusion on raw patches of nominal samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.contract import MethodError, Progress
from methods.parts.initialise import named_generator, randomise_linear
from methods.parts.m3dm.patches import PATCHES
from methods.parts.m3dm.uff import UFF, Alignment, ContrastHeads, image_token_of, info_nce
from methods.parts.reporting import mean_loss

__all__ = ["UFFSchedule", "batch_loss", "learning_rate", "train_uff"]

_WARM_UP = 1 / 3
"""Share of steps with a rising learning rate: one of three epochs in the code, 250 of 750 steps in the paper."""

_BETAS = (0.9, 0.95)
_WEIGHT_DECAY = 0.01


@dataclass(frozen=True, slots=True)
class UFFSchedule:
    """How the fusion is trained; :class:`methods.m3dm.M3DM` documents the parameters, there with ``uff_`` in front.

    An incomplete last batch of an epoch is left out, and so is an incomplete last group of ``accumulate`` batches. An
    epoch with fewer samples or batches than that makes one batch, or one step, of all of them.
    """

    epochs: int
    steps: int
    batch: int
    accumulate: int
    lr: float
    align: Alignment


def train_uff(
    rgb: NDArray[np.float32],
    xyz: NDArray[np.float32],
    schedule: UFFSchedule,
    *,
    seed: int,
    device: str,
    progress: Progress,
) -> tuple[UFF, list[float]]:
    """Minimise the contrastive loss over the patches of a batch that the cloud reaches, with AdamW.

    Parameters
    ----------
    rgb, xyz : (N * 784, C2) and (N * 3136, C3) float32
        Raw patches of N samples, in the order of the samples.
    seed
        Seed of the initial weights and of the order of samples.

    Returns
    -------
    The fusion, frozen, and the loss of every step.

    Raises
    ------
    MethodError
        If the loss is NaN or infinite.
    """
    uff, heads = UFF(rgb.shape[1], xyz.shape[1]), ContrastHeads(rgb.shape[1], xyz.shape[1])
    both = nn.ModuleList([uff, heads])
    for name, layer in both.named_modules():
        if isinstance(layer, nn.Linear):
            randomise_linear(layer, named_generator(seed, "uff", name))
    both.to(device)
    optimizer = torch.optim.AdamW(both.parameters(), lr=schedule.lr, betas=_BETAS, weight_decay=_WEIGHT_DECAY)
    steps = list(_steps(len(xyz) // PATCHES["xyz"], schedule, named_generator(seed, "uff-order")))
    losses: list[float] = []
    for done, batches in enumerate(steps):
        progress("train fusion", done, len(steps), **mean_loss(losses[-1:]))
        optimizer.param_groups[0]["lr"] = learning_rate(done, len(steps), schedule.lr)
        optimizer.zero_grad()
        losses.append(0.0)
        for batch in batches:
            loss = batch_loss(uff, heads, rgb, xyz, batch, schedule.align) / len(batches)
            loss.backward()  # type: ignore[no-untyped-call]
            losses[-1] += loss.item()
        if not losses[-1] < float("inf"):
            raise MethodError(
                f"The loss of the fusion became {losses[-1]} in step {done + 1}: lower its learning rate, for example "
                f"'m3dm[uff=train,uff_lr={schedule.lr / 10:g}]'."
            )
        optimizer.step()
    optimizer.zero_grad()
    progress("train fusion", len(steps), len(steps), **mean_loss(losses[-1:]))
    return uff.eval().requires_grad_(False), losses


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Return the learning rate of a step: a linear rise from 0 over a third of all steps, then half a cosine to 0."""
    part = step / steps
    if part < _WARM_UP:
        return peak * part / _WARM_UP
    return peak * 0.5 * (1 + math.cos(math.pi * (part - _WARM_UP) / (1 - _WARM_UP)))


def _steps(count: int, schedule: UFFSchedule, generator: torch.Generator) -> Iterator[list[list[int]]]:
    """Yield the batches of every step."""
    size = min(schedule.batch, count)
    left, epoch = schedule.steps, 0
    while left > 0 if schedule.steps else epoch < schedule.epochs:
        order = torch.randperm(count, generator=generator).tolist()
        batches = [order[start : start + size] for start in range(0, count - size + 1, size)]
        most = min(schedule.accumulate, len(batches))
        groups = [batches[i : i + most] for i in range(0, len(batches) - most + 1, most)]
        yield from groups[:left] if schedule.steps else groups
        left, epoch = left - len(groups), epoch + 1


def batch_loss(
    uff: UFF,
    heads: ContrastHeads,
    rgb: NDArray[np.float32],
    xyz: NDArray[np.float32],
    batch: Sequence[int],
    align: Alignment,
) -> Tensor:
    """Return the contrastive loss of some samples: queries are image tokens, keys the cloud patches paired with them.

    Patches that the cloud does not reach are left out.

    Parameters
    ----------
    rgb, xyz
        See :func:`train_uff`.
    batch
        Indices of samples.
    """
    device = next(uff.parameters()).device
    token_of = image_token_of(align).to(device)
    queries, keys = [], []
    for sample in batch:
        cloud = _of_sample(xyz, sample, "xyz").to(device)
        reached = (cloud != 0).any(1).nonzero()[:, 0]
        queries.append(heads.rgb_head(uff.embed_rgb(_of_sample(rgb, sample, "rgb").to(device)))[token_of[reached]])
        keys.append(heads.xyz_head(uff.embed_xyz(cloud[reached])))
    return info_nce(torch.cat(queries), torch.cat(keys))


def _of_sample(pool: NDArray[np.float32], sample: int, kind: str) -> Tensor:
    return torch.from_numpy(pool[sample * PATCHES[kind] : (sample + 1) * PATCHES[kind]])
