"""A frozen teacher of two images and its two students."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.contract import Progress
from methods.parts.feature_store import FeatureStore
from methods.parts.trd.distances import distance_map, normalise, statistics_of
from methods.parts.trd.student import Levels, Student, build_student
from methods.parts.trd.training import Schedule, train_student
from methods.parts.wide_resnet import build_wide_resnet

__all__ = ["Distillation"]

Pair = tuple[Tensor, Tensor, Tensor]
"""Levels of both images, (2, C, h, w) each."""


class Distillation:
    """The teacher, a student for each image, and what their maps are normalised by.

    Parameters
    ----------
    names
        Of the two images, for progress, messages and the saved state.
    width
        Of the students.
    size
        Side of the images and the maps, pixels.
    weights
        The teacher's file; None for random weights, which are the same for every seed, as pretrained ones are.
    seed
        Of the students' first weights; None leaves them open, where they are to be loaded.
    device
        Torch device name.
    """

    def __init__(
        self, names: tuple[str, str], *, width: int, size: int, weights: Path | None, seed: int | None, device: str
    ) -> None:
        self.names, self.size = names, size
        self.device = torch.device(device)
        self.teacher = build_wide_resnet(weights=weights, layers=(1, 2, 3)).to(device)
        students = {name: build_student(width, seed=seed, scope=f"trd/{name}") for name in names}
        self.students = nn.ModuleDict(students).to(device).eval().requires_grad_(False)
        if self.device.type == "cpu":  # a third faster there
            for network in (self.teacher, self.students):
                network.to(memory_format=torch.channels_last)
        self.statistics = torch.zeros(2, 2, dtype=torch.float64, device=self.device)

    @torch.no_grad()
    def features(self, pair: Tensor) -> Pair:
        """Return the teacher's features of both images (2, 3, size, size)."""
        fine, middle, coarse = self.teacher(pair)
        return fine, middle, coarse

    def train(
        self, pairs: Sequence[Tensor], schedule: Schedule, *, seed: int, progress: Progress
    ) -> dict[str, list[float]]:
        """Train both students and return the loss of each step.

        The teacher's features are computed once per sample, unless they exceed half of the free memory.

        Parameters
        ----------
        pairs
            Images of the training samples, (2, 3, size, size) each.
        seed
            Of the order of samples.
        """
        kept: FeatureStore[Pair] = FeatureStore(self.device, lambda index: self.features(pairs[index]))
        for index, pair in enumerate(pairs):
            progress("teacher", index, len(pairs))
            kept.put(index, self.features(pair))
        progress("teacher", len(pairs), len(pairs))
        losses = {}
        for image, name in enumerate(self.names):
            student = self._student(image).requires_grad_(True)
            losses[name] = train_student(
                student,
                partial(_levels, kept.__getitem__, image),
                len(pairs),
                schedule,
                stage=name,
                seed=seed,
                progress=progress,
            )
        return losses

    def measure(self, pairs: Sequence[Tensor]) -> None:
        """Take mean and deviation of the maps of some nominal samples' images (2, 3, size, size)."""
        self.statistics = statistics_of([self.maps(pair) for pair in pairs])

    @torch.no_grad()
    def maps(self, pair: Tensor) -> Tensor:
        """Return the distance of each student from the teacher, (2, size, size) float64, not normalised."""
        features = self.features(pair)
        found = []
        for image in range(2):
            own, other = _levels(lambda _: features, image, [0])
            found.append(distance_map(self._student(image)(own, other).mixed, own, self.size)[0])
        return torch.stack(found)

    def normalised_maps(self, pair: Tensor) -> Tensor:
        """Return :meth:`maps` less their mean on nominal samples, divided by their deviation there."""
        return normalise(self.maps(pair), self.statistics)

    def _student(self, image: int) -> Student:
        student = self.students[self.names[image]]
        assert isinstance(student, Student)
        return student


def _levels(features: Callable[[int], Pair], image: int, chosen: Sequence[int]) -> tuple[Levels, Levels]:
    """Return the features of the own image of some samples, and those of the other one."""
    fine, middle, coarse = (torch.stack(level) for level in zip(*map(features, chosen), strict=True))
    other = 1 - image
    return (
        (fine[:, image], middle[:, image], coarse[:, image]),
        (fine[:, other], middle[:, other], coarse[:, other]),
    )
