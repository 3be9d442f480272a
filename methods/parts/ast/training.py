"""Training of AST: the teacher first, then the student on the latents of the finished teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.contract import Progress
from methods.parts.ast.networks import TeacherStudent, student_distance, teacher_loss
from methods.parts.epochs import run_epochs
from methods.parts.reporting import lower_learning_rate

__all__ = ["Schedule", "train"]

_EPS = 1e-8


@dataclass(frozen=True, slots=True)
class Schedule:
    """How both networks are trained; :class:`methods.ast.AST` documents the parameters."""

    epochs: int
    lr: float
    weight_decay: float
    batch: int
    drop_last: bool


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

    def teach(chosen: list[int]) -> Tensor:
        return teacher_loss(*pair.teach(features[chosen]), masks[chosen])

    def imitate(chosen: list[int]) -> Tensor:
        return student_distance(latents[chosen], pair.imitate(features[chosen]), masks[chosen]).mean()

    def run(stage: str, network: nn.Module, loss_of: Callable[[list[int]], Tensor]) -> list[float]:
        return _train_network(network, loss_of, len(features), schedule, generator, stage, progress)

    teacher_losses = run("teacher", pair.teacher, teach)
    with torch.no_grad():
        latents = torch.cat([pair.teach(image[None])[0] for image in features])
    return teacher_losses, run("student", pair.student, imitate)


def _train_network(
    network: nn.Module,
    loss_of: Callable[[list[int]], Tensor],
    count: int,
    schedule: Schedule,
    generator: torch.Generator,
    stage: str,
    progress: Progress,
) -> list[float]:
    """Train one of both networks, with the generator of batches that they share."""
    optimizer = torch.optim.Adam(
        network.parameters(), lr=schedule.lr, eps=_EPS, weight_decay=schedule.weight_decay, fused=True
    )

    def step(epoch: int, members: list[int]) -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(members)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    network.train()
    losses = run_epochs(
        step,
        count,
        epochs=schedule.epochs,
        batch=schedule.batch,
        generator=generator,
        progress=progress,
        remedy=lower_learning_rate("ast", schedule.lr),
        stage=stage,
        drop_last=schedule.drop_last,
    )
    optimizer.zero_grad()  # frees the gradients
    network.eval().requires_grad_(False)
    return losses
