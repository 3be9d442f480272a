"""Training of AST: the teacher first, then the student on the latents of the finished teacher."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.contract import MethodError, Progress
from methods.parts.ast.networks import TeacherStudent, student_distance, teacher_loss
from methods.parts.reporting import lower_learning_rate, mean_loss

__all__ = ["Schedule", "batches", "train"]

_EPS = 1e-8


@dataclass(frozen=True, slots=True)
class Schedule:
    """How both networks are trained; :class:`methods.ast.AST` documents the parameters."""

    epochs: int
    lr: float
    weight_decay: float
    batch: int
    drop_last: bool


def batches(count: int, schedule: Schedule, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the indices of each batch of one epoch, (b,) int64, in random order."""
    order = torch.randperm(count, generator=generator)
    used = count - count % schedule.batch if schedule.drop_last and count >= schedule.batch else count
    yield from torch.split(order[:used], schedule.batch)


def train(
    pair: TeacherStudent, features: Tensor, masks: Tensor, schedule: Schedule, *, seed: int, progress: Progress
) -> tuple[list[float], list[float]]:
    """Train both networks in place and leave them frozen and in eval mode.

    The teacher's latents are computed once per sample for the student, since the teacher is frozen by then.

    Parameters
    ----------
    pair
        Both networks, on the device of the features.
    features : (n, channels, g, g) float32
    masks : (n, 1, g, g) float32
    seed
        Seed of the order of samples.

    Returns
    -------
    The losses of all steps of the teacher, and of the student.

    Raises
    ------
    MethodError
        If a loss is NaN or infinite.
    """
    generator = torch.Generator().manual_seed(seed)

    def teach(chosen: Tensor) -> Tensor:
        return teacher_loss(*pair.teach(features[chosen]), masks[chosen])

    def imitate(chosen: Tensor) -> Tensor:
        return student_distance(latents[chosen], pair.imitate(features[chosen]), masks[chosen]).mean()

    steps = _Steps(schedule, len(features), generator, progress)
    teacher_losses = steps.run("teacher", pair.teacher, teach)
    with torch.no_grad():
        latents = torch.cat([pair.teach(image[None])[0] for image in features])
    return teacher_losses, steps.run("student", pair.student, imitate)


@dataclass(frozen=True, slots=True)
class _Steps:
    """Training of one network after the other with one generator of batches."""

    schedule: Schedule
    count: int
    generator: torch.Generator
    progress: Progress

    def run(self, stage: str, network: nn.Module, loss_of: Callable[[Tensor], Tensor]) -> list[float]:
        schedule = self.schedule
        optimizer = torch.optim.Adam(
            network.parameters(), lr=schedule.lr, eps=_EPS, weight_decay=schedule.weight_decay, fused=True
        )
        losses: list[float] = []
        last = 0
        network.train()
        for epoch in range(schedule.epochs):
            self.progress(stage, epoch, schedule.epochs, **mean_loss(losses[last:]))
            last = len(losses)
            for chosen in batches(self.count, schedule, self.generator):
                optimizer.zero_grad()
                loss = loss_of(chosen)
                losses.append(self._checked(loss.item(), stage, epoch))
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        self.progress(stage, schedule.epochs, schedule.epochs, **mean_loss(losses[last:]))
        optimizer.zero_grad(set_to_none=True)
        network.eval().requires_grad_(False)
        return losses

    def _checked(self, loss: float, stage: str, epoch: int) -> float:
        if not abs(loss) < float("inf"):
            remedy = lower_learning_rate("ast", self.schedule.lr)
            raise MethodError(
                f"The {stage}'s loss became {loss} in epoch {epoch + 1}: {remedy}, or look for broken samples with "
                "'harness data verify'."
            )
        return loss
