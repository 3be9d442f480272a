"""Training of G2SF's scale network on synthetic anomalies."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from harness.contract import MethodError, Progress
from methods.parts.g2sf.losses import (
    WEIGHTS,
    Consistency,
    Separation,
    consistency_loss,
    margin_loss,
    permutation_loss,
    scaling_loss,
    separation_loss,
    weight_penalty,
)
from methods.parts.g2sf.network import LSPN, modality_distances
from methods.parts.g2sf.rows import PairedBanks, Part, Rows
from methods.parts.initialise import named_generator
from methods.parts.reporting import lower_learning_rate, mean_loss

__all__ = ["Schedule", "Trainer", "train"]

_BALANCE_LR = 5e-3
_WEIGHT_DECAY = 1e-4
_NOISE = 0.1
"""Largest length of the noise on a feature, in units of the mean distance of normal rows."""

_BATCH_SHARE = Fraction(7, 200)
"""Largest part of the training rows in a batch."""

_MARGIN = 2.0
_VALIDATED = 4096
"""Rows validated at a time."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the network is trained; :class:`methods.g2sf.G2SF` documents the parameters."""

    epochs: int
    lr: float
    batch: int
    consistency: Consistency
    separation: Separation


@dataclass(slots=True, eq=False)
class Trainer:
    """A network in training, with what its losses need.

    Parameters
    ----------
    network
        Trained in place.
    banks
        Whose vectors are neighbours.
    channels
        Of the image's features, which come first.
    means : (2,) float32
        Mean distances of normal rows, the unit of distances, on the device.
    margin
        Of the separation.
    schedule
        Forms of the losses.
    draw
        Of noise, dropout and permutations, on the device.
    """

    network: LSPN
    banks: PairedBanks
    channels: int
    means: Tensor
    margin: float
    schedule: Schedule
    draw: torch.Generator

    def losses(self, features: Tensor, neighbours: Tensor, normal: int) -> dict[str, Tensor]:
        """Return every loss of a batch, without its weight.

        Parameters
        ----------
        features : (n, C) float32
            Normal rows first.
        neighbours : (n, 11, C) float32
        normal
            Number of normal rows.
        """
        count, among = neighbours.shape[:2]
        differences = features[:, None] - neighbours
        distances = modality_distances(differences, self.channels) / self.means
        scales = self.network(differences.flatten(0, 1), neighbours.flatten(0, 1), self.draw).view(count, among, 2)
        scores = (scales * self.network.shares() * distances).sum(-1)
        nearest = scores[:, 0]
        return {
            "separation": separation_loss(nearest[:normal], nearest[normal:], self.margin, self.schedule.separation),
            "margin": margin_loss(nearest[:normal], nearest[normal:]),
            "scaling": scaling_loss(scales[:normal, 0], scales[normal:, 0]),
            "permutation": permutation_loss(self._permuted_scales(features, neighbours[:, 0])),
            "consistency": consistency_loss(scores, distances.mean(-1), self.schedule.consistency),
            "l1": weight_penalty(self.network.weights()),
        }

    def _permuted_scales(self, features: Tensor, neighbours: Tensor) -> Tensor:
        """Return scales of pairs of which one half has other rows' features, the other half other rows' neighbours."""
        first, second = self._order(len(features)).tensor_split(2)
        patches = torch.cat([self._shuffled(features[first]), features[second]])
        others = torch.cat([neighbours[first], self._shuffled(neighbours[second])])
        return self.network(patches - others, others, self.draw)  # type: ignore[no-any-return]

    def _shuffled(self, vectors: Tensor) -> Tensor:
        """Shuffle rows, of each modality in another order."""
        parts = (vectors[:, : self.channels], vectors[:, self.channels :])
        return torch.cat([part[self._order(len(part))] for part in parts], 1)

    def _order(self, count: int) -> Tensor:
        return torch.randperm(count, generator=self.draw, device=self.draw.device)

    def noisy(self, vectors: Tensor) -> Tensor:
        """Add noise to vectors (..., C), in place: of each modality in a random positive direction."""
        parts = (vectors[..., : self.channels], vectors[..., self.channels :])
        for part, mean in zip(parts, self.means, strict=True):
            noise = torch.empty_like(part).uniform_(generator=self.draw)
            length = torch.empty_like(part[..., :1]).uniform_(generator=self.draw) * (_NOISE * mean)
            part += noise.mul_(length / torch.linalg.vector_norm(noise, dim=-1, keepdim=True))
        return vectors

    def batch(self, rows: Rows, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return noisy features and neighbours of rows, on the device."""
        features = rows.features(chosen).to(self.means.device)
        return self.noisy(features), self.noisy(self.banks.vectors(rows.neighbours(chosen)))

    @torch.inference_mode()
    def validate(self, part: Part) -> float:
        """Return the plain separation and ten times the margin of all rows of a part, without noise and dropout."""
        normal, anomalous = (self._scores(part.rows, kind) for kind in (part.normal, part.anomalous))
        plain = separation_loss(normal, anomalous, self.margin, "plain")
        return float(WEIGHTS["separation"] * plain + WEIGHTS["margin"] * margin_loss(normal, anomalous))

    def _scores(self, rows: Rows, chosen: Tensor) -> Tensor:
        found = []
        for some in torch.split(chosen, _VALIDATED):
            neighbours = self.banks.vectors(rows.neighbours(some)[:, 0])
            differences = rows.features(some).to(neighbours) - neighbours
            distances = modality_distances(differences, self.channels) / self.means
            found.append((self.network(differences, neighbours) * self.network.shares() * distances).sum(-1))
        return torch.cat(found)


def train(
    rows: Rows,
    banks: PairedBanks,
    channels: tuple[int, int],
    schedule: Schedule,
    *,
    seed: int,
    device: str,
    progress: Progress,
) -> tuple[LSPN, Tensor]:
    """Train a network on half of the rows; of all epochs the best on the other half is kept.

    Parameters
    ----------
    rows
        Of synthetic samples.
    banks
        In which their neighbours lie.
    channels
        Of image and cloud.
    seed
        Of the split, the initial weights, and all draws.

    Returns
    -------
    The network, frozen, and the mean distances (2,) of normal training rows, on the device.

    Raises
    ------
    MethodError
        If there are too few rows, or the loss is NaN or infinite.
    """
    order = named_generator(seed, "g2sf", "rows")
    training, held_out = rows.split(order)
    size = min(schedule.batch, int(_BATCH_SHARE * len(training))) // 2
    if not size:
        raise MethodError(
            f"There are {len(training)} patches of synthetic samples to train on, too few for a batch of two: raise "
            "the parameters 'images' or 'rows', or look whether the clouds are empty."
        )
    network = LSPN(sum(channels))
    network.randomise(seed)
    means = training.mean_distances()
    draw = torch.Generator(device).manual_seed(named_generator(seed, "g2sf", "draws").initial_seed())
    margin = _MARGIN * training.largest_distance(means)
    trainer = Trainer(network.to(device), banks, channels[0], means.to(device), margin, schedule, draw)
    _run(trainer, training, held_out, size, order, progress)
    return network.requires_grad_(False), trainer.means


def _run(
    trainer: Trainer, training: Part, held_out: Part, size: int, order: torch.Generator, progress: Progress
) -> None:
    """Train all epochs, then load the weights of the best."""
    network, schedule = trainer.network, trainer.schedule
    layers = [parameter for name, parameter in network.named_parameters() if name != "balance"]
    groups: list[dict[str, Any]] = [{"params": layers}, {"params": [network.balance], "lr": _BALANCE_LR}]
    optimizer = torch.optim.Adam(groups, lr=schedule.lr, weight_decay=_WEIGHT_DECAY, fused=True)
    best, least, losses = _copy(network), float("inf"), list[float]()
    for epoch in range(schedule.epochs):
        progress("train", epoch, schedule.epochs, **mean_loss(losses))
        losses = _epoch(trainer, training, size, order, optimizer)
        value = trainer.validate(held_out)
        broken = next((number for number in (*losses, value) if not number < float("inf")), None)
        if broken is not None:
            raise MethodError(
                f"The loss became {broken} in epoch {epoch + 1}: {lower_learning_rate('g2sf', schedule.lr)}."
            )
        if value < least:
            best, least = _copy(network), value
    progress("train", schedule.epochs, schedule.epochs, **mean_loss(losses))
    optimizer.zero_grad()
    network.load_state_dict(best)


def _copy(network: LSPN) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _epoch(
    trainer: Trainer, part: Part, size: int, order: torch.Generator, optimizer: torch.optim.Optimizer
) -> list[float]:
    """Make one pass of batches of ``size`` normal and as many anomalous rows; return the losses, read at the end."""
    losses = []
    for _ in range(len(part) // (2 * size)):
        kinds = (part.normal, part.anomalous)
        chosen = torch.cat([kind[torch.randint(len(kind), (size,), generator=order)] for kind in kinds])
        parts = trainer.losses(*trainer.batch(part.rows, chosen), size)
        loss = torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses).tolist()
