"""Training by epochs over batches of samples in random order."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from harness.contract import MethodError, Progress
from methods.parts.reporting import mean_loss

__all__ = ["run_epochs"]


def run_epochs(
    step: Callable[[int, list[int]], Tensor],
    count: int,
    *,
    epochs: int,
    batch: int,
    generator: torch.Generator,
    progress: Progress,
    remedy: str,
    stage: str = "train",
    drop_last: bool = False,
) -> list[float]:
    """Call ``step`` for every batch of every epoch, and report each epoch with the mean of the losses before it.

    Parameters
    ----------
    step
        Function from the epoch and the samples of a batch to the loss, a scalar on the device.
    count
        Number of samples.
    epochs, batch
        Passes over the samples, and samples in a step; the last one of an epoch may have fewer.
    generator
        Of the order of samples, on the CPU.
    remedy
        What a user can do where a loss is not finite.
    stage
        Name of the stage that is reported.
    drop_last
        Whether what is left of an epoch makes no step, unless there is less than one batch.

    Returns
    -------
    The loss of every step.

    Raises
    ------
    MethodError
        If a loss is NaN or infinite.
    """
    losses: list[float] = []
    last = 0
    for epoch in range(epochs):
        progress(stage, epoch, epochs, **mean_loss(losses[last:]))
        last = len(losses)
        order = torch.randperm(count, generator=generator)
        used = count - count % batch if drop_last and count >= batch else count
        of_epoch = [step(epoch, members.tolist()) for members in torch.split(order[:used], batch)]
        losses += torch.stack(of_epoch).tolist()  # the only value that an epoch waits for
        broken = next((loss for loss in losses[last:] if not abs(loss) < float("inf")), None)
        if broken is not None:
            raise MethodError(
                f"The training loss became {broken} in epoch {epoch + 1}: {remedy}, or look for broken samples with "
                "'harness data verify'."
            )
    progress(stage, epochs, epochs, **mean_loss(losses[last:]))
    return losses
