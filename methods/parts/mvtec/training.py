"""What the trainings of all reconstruction networks share: random batches, and losses that must stay finite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.contract import MethodError, Progress
from methods.parts.mvtec.stream import AugmentedSet
from methods.parts.reporting import mean_loss

__all__ = ["Batches", "Losses"]


@dataclass(frozen=True, slots=True)
class Batches:
    """Batches of the augmented training set in random order, each epoch in another.

    Parameters
    ----------
    items
        The augmented training set.
    size
        Samples in a batch; the last batch of an epoch may have fewer.
    scaled
        From the values of the set to those of the networks.
    device
        Of the batches.
    generator
        Of the order, on the CPU.
    """

    items: AugmentedSet
    size: int
    scaled: Callable[[Tensor], Tensor]
    device: str
    generator: torch.Generator

    def epochs(self, count: int, stage: str, progress: Progress, losses: Losses) -> Iterator[Tensor]:
        """Yield batches (B, C, *shape) of ``count`` epochs, and report each epoch with the mean of its losses."""
        last = 0
        for epoch in range(count):
            progress(stage, epoch, count, **mean_loss(losses[last:]))
            last = len(losses)
            for chosen in torch.split(torch.randperm(len(self.items), generator=self.generator), self.size):
                yield self.scaled(self.items.batch(chosen).to(self.device))
        progress(stage, count, count, **mean_loss(losses[last:]))


class Losses(list[float]):
    """The losses of all steps of a network.

    Parameters
    ----------
    network
        Its name, for messages.
    remedy
        What a user can do where a loss is not finite.
    """

    def __init__(self, network: str, remedy: str) -> None:
        super().__init__()
        self._network, self._remedy = network, remedy

    def add(self, loss: Tensor) -> None:
        """Append a loss ().

        Raises
        ------
        MethodError
            Where it is NaN or infinite.
        """
        value = loss.item()
        if not abs(value) < float("inf"):
            raise MethodError(f"The {self._network}'s loss became {value} in step {len(self) + 1}: {self._remedy}.")
        self.append(value)
