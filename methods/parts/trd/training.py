"""Training of TRD's students on the features of the frozen teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.contract import MethodError, Progress
from methods.parts.reporting import mean_loss
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
        If the loss becomes NaN or infinite; it is looked at after each epoch, so that a device need not be waited for.
    """
    optimizer = torch.optim.Adam(student.parameters(), lr=schedule.lr, betas=_BETAS, fused=True)
    falling = torch.optim.lr_scheduler.ExponentialLR(optimizer, schedule.lr_decay)
    generator = torch.Generator().manual_seed(seed)
    losses: list[float] = []
    student.train()
    for epoch in range(schedule.epochs):
        steps: list[Tensor] = []
        for chosen in torch.split(torch.randperm(count, generator=generator), schedule.batch):
            own, other = features(chosen.tolist())
            optimizer.zero_grad()
            loss = imitation_loss(student(own, other), own)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            steps.append(loss.detach())
        falling.step()
        losses += _finite(torch.stack(steps).tolist(), stage, epoch, schedule)
        progress(stage, epoch + 1, schedule.epochs, **mean_loss(losses[-len(steps) :]))
    optimizer.zero_grad(set_to_none=True)
    student.eval().requires_grad_(False)
    return losses


def _finite(losses: list[float], stage: str, epoch: int, schedule: Schedule) -> list[float]:
    for loss in losses:
        if not abs(loss) < float("inf"):
            raise MethodError(
                f"The loss of the {stage} student became {loss} in epoch {epoch + 1}: lower the learning rate, for "
                f"example 'trd[lr={schedule.lr / 10:g}]', or look for broken samples with 'harness data verify'."
            )
    return losses
