"""The losses of G2SF's scale network, as functions of scores and scales."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor

from methods.parts.g2sf.network import LARGEST_SCALE

__all__ = [
    "FAR",
    "NEAR",
    "WEIGHTS",
    "Consistency",
    "Separation",
    "consistency_loss",
    "margin_loss",
    "permutation_loss",
    "scaling_loss",
    "separation_loss",
    "weight_penalty",
]

Separation = Literal["weighted", "plain"]
Consistency = Literal["broadcast", "rowwise"]

WEIGHTS = {"separation": 1.0, "margin": 10.0, "scaling": 3.0, "permutation": 20.0, "consistency": 40.0, "l1": 5e-4}
"""Factor of each loss in their sum."""

NEAR, FAR = slice(1, 6), slice(6, 11)
"""Neighbours, from the nearest (0), whose scores may not be far above, and not below, that of the nearest."""

_SLACK = 1.2
_SMALL = 1e-5
_LEAST_WEIGHT, _LARGEST_WEIGHT = 0.33, 3.0
_LEAST_DISTANCE = 1e-12


def separation_loss(normal: Tensor, anomalous: Tensor, margin: float, how: Separation) -> Tensor:
    """Return the loss that pulls squared scores of normal rows to 0 and pushes those of anomalous ones to the margin.

    Parameters
    ----------
    normal, anomalous : (n,) and (m,) float
        Scores.
    margin
        Squared score beyond which an anomalous row adds nothing.
    how
        ``weighted``: rows that are far from where they belong count up to nine times as much as others.
    """
    near, far = normal.square(), anomalous.square() + _SMALL
    missing = (1 / far - 1 / margin).relu()
    if how == "weighted":
        near = near * near.square().clamp(_LEAST_WEIGHT, _LARGEST_WEIGHT)
        missing = missing * far.pow(-2).clamp(_LEAST_WEIGHT, _LARGEST_WEIGHT)
    return (near.sum() + missing.sum()) / (len(normal) + len(anomalous))


def margin_loss(normal: Tensor, anomalous: Tensor) -> Tensor:
    """Return by how much the squared scores of both kinds overlap, in units of the largest normal one.

    Parameters
    ----------
    normal, anomalous : (n,) and (m,) float
        Scores; at least one of each.
    """
    near, far = normal.square(), anomalous.square()
    largest = near.amax()
    above = (near / largest - far.amin() / largest).relu()
    below = (1 - far / largest).relu()
    return (above.sum() + below.sum()) / (len(normal) + len(anomalous))


def scaling_loss(normal: Tensor, anomalous: Tensor) -> Tensor:
    """Return the loss that lifts scales of anomalous rows (m, 2) to e and holds those of normal rows (n, 2) below 1."""
    return (LARGEST_SCALE - anomalous).mean() + (normal - 1).relu().mean()


def permutation_loss(scales: Tensor) -> Tensor:
    """Return the loss that lifts the scales (n, 2) of pairs that do not belong together to e."""
    return (LARGEST_SCALE - scales).mean()


def consistency_loss(scores: Tensor, distances: Tensor, how: Consistency) -> Tensor:
    """Return the loss that keeps the scores of a row's neighbours in order.

    Those of neighbours 1 to 5 may exceed that of the nearest, 0, by as much as their distances do, and a fifth; those
    of 6 to 10 may not be smaller.

    Parameters
    ----------
    scores, distances : (n, 11) float
        Of each row's neighbours; distances are means of both modalities' normalised ones.
    how
        ``rowwise``: each score is compared by the distances of its own row; ``broadcast``: by those of every row.
    """
    ratios = _SLACK * distances[:, NEAR] / distances[:, :1].clamp_min(_LEAST_DISTANCE)
    if how == "rowwise":
        near = (scores[:, NEAR] - ratios * scores[:, :1]).relu()
    else:
        near = _mean_excess(scores[:, NEAR], ratios, scores[:, 0])
    return near.mean() + (scores[:, :1] - scores[:, FAR]).relu().mean()


def _mean_excess(values: Tensor, factors: Tensor, bases: Tensor) -> Tensor:
    """Return the mean over j of ``relu(values[i, k] - factors[j, k] * bases[i])``, (n, k), without n times n numbers.

    The terms that are positive are those of the smallest factors, so a sum of sorted factors gives all of them.
    """
    ordered = factors.double().sort(0).values.T.contiguous()
    limits = (values.double() / bases.double().clamp_min(_LEAST_DISTANCE)[:, None]).T.detach().contiguous()
    count = torch.searchsorted(ordered, limits)
    sums = torch.cat([ordered.new_zeros(len(ordered), 1), ordered.cumsum(1)], 1).gather(1, count).T
    return (count.T * values - sums.to(values) * bases[:, None]) / len(factors)


def weight_penalty(weights: Iterable[Tensor]) -> Tensor:
    """Return the sum of absolute values of all matrices."""
    return torch.stack([weight.abs().sum() for weight in weights]).sum()
