"""The variation model: mean and standard deviation of every element over nominal samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

__all__ = ["deviation_scores", "fit_variation"]


def fit_variation(items: Iterable[Tensor], least_deviation: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (C, ...) float32 of items (C, ...).

    Parameters
    ----------
    items
        At least one; two sums in float64 are kept of them.
    least_deviation
        Of each channel, the smallest deviation. Empty for items of -1 and +1: of a +1 that k of n items have, the
        deviation is that of the smoothed frequency p = (k + 1) / (n + 2), 2 sqrt(p (1 - p)), which is never 0.
    """
    total = squares = torch.zeros(())
    count = 0
    for values in items:
        exact = values.double()
        if not count:
            total, squares = torch.zeros_like(exact), torch.zeros_like(exact)
        total += exact
        squares += exact.square_()
        count += 1
    mean = total / count
    if least_deviation:
        deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
        least = torch.tensor(least_deviation, dtype=torch.float64).reshape(-1, *(1,) * (mean.ndim - 1))
        return mean.float(), torch.maximum(deviation, least).float()
    frequency = ((total + count) / 2 + 1) / (count + 2)
    return mean.float(), (2 * (frequency * (1 - frequency)).sqrt()).float()


def deviation_scores(values: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Return the distance (...) of values (C, ...) from the mean in standard deviations, averaged over channels."""
    return ((values - mean).abs() / deviation).mean(dim=0)
