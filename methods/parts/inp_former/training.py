"""Training of INP-Former's networks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from harness.contract import Progress
from methods.parts.epochs import run_epochs
from methods.parts.inp_former.losses import coherence_loss, reconstruction_loss
from methods.parts.inp_former.networks import INPNetwork
from methods.parts.inp_former.optimizer import StableAdamW
from methods.parts.inp_former.teacher import Targets
from methods.parts.reporting import lower_learning_rate

__all__ = ["Schedule", "loss_of", "train"]

_COHERENCE_WEIGHT = 0.2
_GRADIENT_NORM = 0.1
_LAST_LR = 0.1
"""Learning rate that the cosine ends at, of the largest one."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the networks are trained; :class:`methods.inp_former.INPFormer` documents the parameters."""

    epochs: int
    lr: float
    batch: int
    warmup: int

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step of ``steps``: linear from 0, then a cosine to a tenth of the largest."""
        if step < self.warmup:
            return self.lr * step / self.warmup
        done = (step - self.warmup) / (steps - self.warmup)
        last = self.lr * _LAST_LR
        return last + (self.lr - last) * (1 + math.cos(math.pi * done)) / 2


def train(
    network: INPNetwork,
    targets_of: Callable[[int], Targets],
    count: int,
    schedule: Schedule,
    *,
    seed: int,
    progress: Progress,
) -> list[float]:
    """Train the networks in place and leave them frozen and in eval mode.

    Parameters
    ----------
    network
        On the device of the features.
    targets_of
        Function from a sample's index to the teacher's features.
    count
        Number of samples.
    seed
        Seed of the order of samples.

    Returns
    -------
    The loss of every step.

    Raises
    ------
    MethodError
        If the loss is NaN or infinite.
    """
    optimizer = StableAdamW(network.parameters())
    steps = schedule.epochs * math.ceil(count / schedule.batch)
    done = itertools.count()

    def step(epoch: int, members: list[int]) -> Tensor:
        batch = Targets.stacked([targets_of(member) for member in members])
        return _step(network, batch, optimizer, schedule.rate(next(done), steps))

    losses = run_epochs(
        step,
        count,
        epochs=schedule.epochs,
        batch=schedule.batch,
        generator=torch.Generator().manual_seed(seed),
        progress=progress,
        remedy=lower_learning_rate("inp-former", schedule.lr),
    )
    optimizer.zero_grad()
    network.eval().requires_grad_(False)
    return losses


def loss_of(network: INPNetwork, batch: Targets) -> Tensor:
    """Return the loss () of a batch (section 3 of the paper): reconstruction, and 0.2 times that of the prototypes."""
    rebuilt, prototypes = network(batch.tokens)
    return reconstruction_loss(batch.groups, rebuilt) + _COHERENCE_WEIGHT * coherence_loss(batch.tokens, prototypes)


def _step(network: INPNetwork, batch: Targets, optimizer: StableAdamW, lr: float) -> Tensor:
    """Return the loss, a scalar on the device."""
    optimizer.zero_grad()
    loss = loss_of(network, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    clip_grad_norm_(optimizer.parameters, _GRADIENT_NORM)
    optimizer.step(lr)
    return loss.detach()
