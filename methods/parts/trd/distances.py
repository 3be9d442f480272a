"""How far a student is from its teacher: the loss that it learns by, and the map of an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional

from methods.parts.trd.student import Imitation, Levels

__all__ = ["distance_map", "imitation_loss", "level_loss", "normalise", "smoothed_sum", "statistics_of"]

_SIGMA, _TRUNCATE = 4.0, 4.0


def level_loss(imitated: Levels, taught: Levels) -> Tensor:
    """Return the sum over levels of the mean over samples of 1 - cosine of the whole flattened feature image."""
    pairs = zip(imitated, taught, strict=True)
    cosines = [functional.cosine_similarity(own.flatten(1), other.flatten(1)).mean() for own, other in pairs]
    return len(cosines) - torch.stack(cosines).sum()


def imitation_loss(imitation: Imitation, taught: Levels) -> Tensor:
    """Return the loss of a student: of its stages, of filter and amplifier, and of what they are mixed to."""
    parts = (imitation.pure, imitation.filtered, imitation.amplified, imitation.mixed)
    return torch.stack([level_loss(part, taught) for part in parts]).sum()


def distance_map(imitated: Levels, taught: Levels, size: int) -> Tensor:
    """Return the sum over levels of 1 - cosine at each position, enlarged bilinearly, (n, size, size) float64.

    The corners of a level's grid are put on the corners of the map (``align_corners=True``).
    """
    total = taught[0].new_zeros(len(taught[0]), 1, size, size, dtype=torch.float64)
    for own, other in zip(imitated, taught, strict=True):
        distances = (1 - functional.cosine_similarity(own.double(), other.double())).clamp_min(0)[:, None]
        total += functional.interpolate(distances, size=(size, size), mode="bilinear", align_corners=True)
    return total[:, 0]


def statistics_of(maps: Sequence[Tensor]) -> Tensor:
    """Return mean and standard deviation over all pixels of all samples, (2, 2) float64: a row for each student.

    Parameters
    ----------
    maps
        Of each sample (2, size, size) float64, a map for each student.
    """
    pixels = torch.stack(list(maps), dim=1).flatten(1)
    return torch.stack([pixels.mean(dim=1), pixels.std(dim=1, correction=0)], dim=1)


def normalise(maps: Tensor, statistics: Tensor) -> Tensor:
    """Return maps (2, size, size) less their mean, divided by their deviation where it is not 0."""
    mean, deviation = statistics[:, 0, None, None], statistics[:, 1, None, None]
    return (maps - mean) / torch.where(deviation > 0, deviation, 1)


def smoothed_sum(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of maps (2, h, w), smoothed by a Gaussian of sigma 4 pixels, mirrored at the border."""
    smoothed: NDArray[np.float64] = gaussian_filter(maps.sum(axis=0), _SIGMA, truncate=_TRUNCATE)
    return smoothed
