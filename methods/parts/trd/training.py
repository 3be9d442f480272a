"""Training of TRD's students on the features of the frozen teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.contract import Progress
from methods.parts.epochs import run_epochs
from methods.parts.reporting import lower_learning_rate
from methods.parts.trd.distances import imitation_loss
from methods.parts.trd.student import Levels, Student

__all__ = ["Schedule", "train_student"]

_BETAS = (0.5, 0.999)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a student is trained; :class:`methods.trd.TRD` documents the parameters."""

    epochs: int
    batch: int
    lr: float
    lr_decay: float


def train_student(
    student: Student,
    features: Callable[[list[int]], tuple[Levels, Levels]],
    count: int,
    schedule: Schedule,
    *,
    stage: str,
    seed: int,
    progress: Progress,
) -> list[float]:
    """Train in place by Adam, whose learning rate falls exponentially, and leave the student frozen and in eval mode.

    Parameters
    ----------
    student
        On the device of the features.
    features
        Returns the teacher's features of the own and of the other image of some samples.
    count
        Samples.
    stage
        Its name, for progress and messages.
    seed
        Of the order of samples.

    Returns
    -------
    The loss of each step.

    Raises
    ------
    MethodError
        If the loss becomes NaN or infinite.
    """
    optimizer = torch.optim.Adam(student.parameters(), lr=schedule.lr, betas=_BETAS, fused=True)
    falling = torch.optim.lr_scheduler.ExponentialLR(optimizer, schedule.lr_decay)

    def step(epoch: int, members: list[int]) -> Tensor:
        if falling.last_epoch < epoch:
            falling.step()
        own, other = features(members)
        optimizer.zero_grad()
        loss = imitation_loss(student(own, other), own)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    student.train()
    losses = run_epochs(
        step,
        count,
        epochs=schedule.epochs,
        batch=schedule.batch,
        generator=torch.Generator().manual_seed(seed),
        progress=progress,
        remedy=lower_learning_rate("trd", schedule.lr),
        stage=stage,
    )
    optimizer.zero_grad()  # frees the gradients
    student.eval().requires_grad_(False)
    return losses
