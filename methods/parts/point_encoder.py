"""The small PointNet of Point-MAE in bounded memory: a token for each group of points.

Its two BatchNorms need statistics over all groups. Those of the first follow from the mean and covariance of the three
coordinates, since the layer before it is linear. Those of the second need one pass over the joint features. On a CPU
these are held for all groups, and everything else is computed in chunks that fit in a cache. On CUDA, where products
are cheap and 268 MB are not, they are computed a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.parts.dense import Activation, dense

__all__ = ["BatchNormStatistics", "encode_groups"]

BatchNormStatistics = Literal["batch", "running"]

_CHUNK = {"cpu": 4096, "cuda": 8192}
"""Points processed at a time: on CUDA in about 45 MB."""


def encode_groups(
    first: nn.Sequential, second: nn.Sequential, offsets: Tensor, statistics: BatchNormStatistics
) -> Tensor:
    """Return a token for each group: (M, C).

    Parameters
    ----------
    first, second
        Each a convolution of width 1, BatchNorm, ReLU and another convolution. The second takes the maximum of the
        first's output over the group, then that output itself.
    offsets : (M, G, 3) float
        Points of each group, relative to its centre.
    statistics
        ``batch``: mean and biased variance over all M * G points; ``running``: those of training.
    """
    lift, widen, joint, last = (_Rows.of(part[place]) for part in (first, second) for place in (0, 3))
    spread = _spread(offsets.flatten(0, 1)) if statistics == "batch" else None
    opening = lift.then(*_normaliser(first[1], lift.moments(*spread) if spread else None))
    from_whole, from_local = joint.weight.tensor_split(2, dim=1)
    chunks = torch.split(offsets, max(1, _CHUNK[offsets.device.type] // offsets.shape[1]))

    def mix(chunk: Tensor) -> Tensor:
        local = widen(opening(chunk, "relu"))
        whole = dense(local.amax(1, keepdim=True), from_whole, joint.bias)
        return dense(local, from_local).add_(whole)

    held, moments = [], []
    for chunk in chunks if statistics == "batch" else ():
        mixed = mix(chunk)
        moments.append(_moments(mixed.float().flatten(0, 1)))
        if offsets.device.type == "cpu":
            held.append(mixed)
        del mixed
    scale, shift = _normaliser(second[1], _pooled([len(chunk) for chunk in chunks], moments) if moments else None)
    tokens = []
    for chunk in chunks:
        part = held.pop(0) if held else mix(chunk)
        part = torch.addcmul(shift.to(part.dtype), part, scale.to(part.dtype), out=part)
        tokens.append(last(functional.relu_(part)).amax(1))
    return torch.cat(tokens)


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """A convolution of width 1 as a matrix product."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, layer: nn.Module) -> _Rows:
        assert isinstance(layer, nn.Conv1d)
        assert layer.bias is not None
        return cls(layer.weight[..., 0], layer.bias)

    def __call__(self, rows: Tensor, activation: Activation = "none") -> Tensor:
        return dense(rows, self.weight, self.bias, activation)

    def then(self, scale: Tensor, shift: Tensor) -> _Rows:
        """Return this layer followed by a scale and a shift of each channel."""
        return _Rows(self.weight * scale[:, None], self.bias * scale + shift)

    def moments(self, mean: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the outputs from mean and covariance of the inputs, in float64."""
        weight = self.weight.double()
        return weight @ mean + self.bias.double(), (weight @ covariance * weight).sum(1)


def _spread(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (C,) and biased covariance (C, C) of rows, in float64."""
    rows = rows.double()
    mean = rows.mean(0)
    centred = rows - mean
    return mean, centred.T @ centred / len(rows)


def _pooled(counts: Sequence[int], moments: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance over all rows, float64, from those of chunks with ``counts`` groups."""
    means, variances = ([moment.double() for moment in column] for column in zip(*moments, strict=True))
    mean = _weighted(counts, means)
    return mean, _weighted(counts, [v + (m - mean).square() for m, v in zip(means, variances, strict=True)])


def _weighted(counts: Sequence[int], values: Sequence[Tensor]) -> Tensor:
    """Return the mean of values weighted by counts."""
    shares = (value * (count / sum(counts)) for count, value in zip(counts, values, strict=True))
    return reduce(torch.add, shares)


def _moments(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance of each column; on a CPU 15 times faster than ``torch.var_mean``."""
    if rows.device.type == "cuda":
        variance, mean = torch.var_mean(rows, 0, correction=0)  # one pass and no second matrix
        return mean, variance
    mean = rows.mean(0)
    return mean, (rows - mean).square_().mean(0)


def _normaliser(norm: nn.Module, moments: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
    """Return scale and shift of each channel that are equal to BatchNorm with these moments, or its running ones."""
    assert isinstance(norm, nn.BatchNorm1d)
    if moments is None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        moments = norm.running_mean.double(), norm.running_var.double()
    mean, variance = moments
    scale = norm.weight.double() * (variance + norm.eps).rsqrt()
    return scale.to(norm.weight.dtype), (norm.bias.double() - mean * scale).to(norm.weight.dtype)
