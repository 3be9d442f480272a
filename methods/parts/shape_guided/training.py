"""Training of the network on patches of nominal clouds: noisy points are pulled onto the surface, section 3.1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.contract import MethodError, Progress
from methods.parts.epochs import run_epochs
from methods.parts.initialise import named_generator
from methods.parts.reporting import lower_learning_rate
from methods.parts.shape_guided.network import LocalSurface, pull

__all__ = ["Schedule", "noisy", "point_spread", "pulling_loss", "train"]

_COPIES, _NARROW_COPIES = 20, 13
"""Noisy copies of a patch, and how many of them have half the noise of the others."""

_NEIGHBOUR = 50
"""The noise of a point is as wide as the distance to this neighbour."""

_EXACT = "donot_use_mm_for_euclid_dist"


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the network is trained; :class:`methods.shape_guided.ShapeGuided` documents the parameters."""

    epochs: int
    batch: int
    queries: int
    lr: float


def train(network: LocalSurface, patches: Tensor, schedule: Schedule, *, seed: int, progress: Progress) -> list[float]:
    """Train a network in place and leave it frozen and in eval mode.

    Parameters
    ----------
    network
        On the device of the patches.
    patches : (P, K, 3) float32
    seed
        Seed of the order, the noise, and the points that a step uses.

    Returns
    -------
    The losses of all steps.

    Raises
    ------
    MethodError
        If there is one patch alone, or a loss is NaN or infinite.
    """
    if len(patches) < 2:
        raise MethodError("The training clouds have one patch in all, but BatchNorm needs two: train on more samples.")
    optimizer = torch.optim.Adam(network.parameters(), lr=schedule.lr, fused=True)
    spread = point_spread(patches)
    generator = named_generator(seed, "order")

    def step(epoch: int, members: list[int]) -> Tensor:
        chosen = torch.tensor(members)
        copies = torch.randint(_COPIES, (len(chosen),), generator=generator)
        used = torch.randperm(patches.shape[1], generator=generator)[: schedule.queries]
        moved = noisy(patches, spread, chosen, copies, seed)[:, used.to(patches.device)]
        optimizer.zero_grad()
        loss = pulling_loss(network, patches[chosen.to(patches.device)], moved)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    network.train()
    losses = run_epochs(
        step,
        len(patches),
        epochs=schedule.epochs,
        batch=schedule.batch,
        generator=generator,
        progress=progress,
        remedy=lower_learning_rate("shape-guided", schedule.lr),
        drop_last=True,
    )
    optimizer.zero_grad()
    network.eval().requires_grad_(False)
    return losses


def pulling_loss(network: LocalSurface, patches: Tensor, queries: Tensor) -> Tensor:
    """Return the mean distance of pulled points to the points of the patch that were nearest before.

    Parameters
    ----------
    patches : (B, K, 3) float
        What codes are made of.
    queries : (B, Q, 3) float
        Points near the patches.
    """
    index = torch.cdist(queries, patches, compute_mode=_EXACT).argmin(2)
    goals = patches.gather(1, index[..., None].expand(-1, -1, 3))
    pulled = pull(queries, *network.distances_and_gradients(network.encode(patches), queries))
    distances: Tensor = torch.linalg.vector_norm(pulled - goals, dim=2)
    return distances.mean()


def noisy(patches: Tensor, spread: Tensor, chosen: Tensor, copies: Tensor, seed: int) -> Tensor:
    """Return noisy copies of some patches, (B, K, 3); nothing is stored, since each has a generator of its own.

    Parameters
    ----------
    patches : (P, K, 3) float
    spread : (P, K) float
        Width of the noise of each point (:func:`point_spread`).
    chosen, copies : (B,) int64
        Which patches, and which of their copies, in host memory.
    """
    numbers = zip(chosen.tolist(), copies.tolist(), strict=True)
    draws = [
        torch.randn(patches.shape[1:], generator=named_generator(seed, "noise", patch, copy)) for patch, copy in numbers
    ]
    factors = torch.where(copies < _NARROW_COPIES, 0.5, 1.0)[:, None, None]
    noise, index = (torch.stack(draws) * factors).to(patches), chosen.to(patches.device)
    return patches[index] + noise * spread[index][..., None]


def point_spread(patches: Tensor) -> Tensor:
    """Return the distance of each point of a patch to its 50th neighbour, or the last one if there are fewer.

    Parameters
    ----------
    patches : (P, K, 3) float

    Returns
    -------
    (P, K)
    """
    rank = min(_NEIGHBOUR + 1, patches.shape[1])
    distances = (torch.cdist(one, one, compute_mode=_EXACT) for one in patches)
    return torch.stack([one.topk(rank, largest=False).values[:, -1] for one in distances])
