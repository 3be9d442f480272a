"""From features to CFM's anomaly maps and score (section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from methods.parts.features import SIZE, Tokens
from methods.parts.mapping import MappingPair, unit_distance
from methods.parts.smoothing import Smoothing, smooth

__all__ = ["Aggregate", "Maps", "aggregate_maps", "anomaly_maps"]

Aggregate = Literal["product", "sum", "max", "2d", "3d"]
_CHUNK = 8192


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """CFM's maps of one sample, (224, 224) each, and its score.

    The three uses of the smoothed map M are scaled differently, as in the reference's code: ``localisation`` is
    M / mean(M over M != 0), ``pixel`` is M / sqrt(mean(M)), ``score`` is max(M) / sqrt(mean(M over M != 0)).
    ``distance_2d`` and ``distance_3d`` are the raw maps before aggregation.
    """

    localisation: Tensor
    pixel: Tensor
    score: Tensor
    distance_2d: Tensor
    distance_3d: Tensor


def aggregate_maps(distance_2d: Tensor, distance_3d: Tensor, how: Aggregate) -> Tensor:
    """Combine the two distances (Table 6 of the paper; the product is CFM)."""
    if how == "product":
        return distance_2d * distance_3d
    if how == "sum":
        return distance_2d + distance_3d
    if how == "max":
        return torch.maximum(distance_2d, distance_3d)
    if how in ("2d", "3d"):
        return distance_2d if how == "2d" else distance_3d
    raise ValueError(f"aggregate must be one of {get_args(Aggregate)}, not {how!r}")


def anomaly_maps(pair: MappingPair, tokens: Tokens, *, aggregate: Aggregate, smoothing: Smoothing) -> Maps:
    """Compare predicted with real features on the pixels that have both; every other pixel is 0."""
    pairs = [_distances(pair, *features) for features in tokens.chunks(_CHUNK)]
    distance_2d, distance_3d = (torch.cat(part) for part in zip(*pairs, strict=True))
    raw = aggregate_maps(distance_2d, distance_3d, aggregate)
    smoothed = smooth(_as_image(raw, tokens.pixels), smoothing)
    inside = smoothed != 0
    mean_inside = smoothed.sum() / inside.sum()
    return Maps(
        localisation=_scaled(smoothed, mean_inside),
        pixel=_scaled(smoothed, smoothed.mean().sqrt()),
        score=_scaled(smoothed.max(), mean_inside.sqrt()),
        distance_2d=_as_image(distance_2d, tokens.pixels),
        distance_3d=_as_image(distance_3d, tokens.pixels),
    )


def _distances(pair: MappingPair, real_2d: Tensor, real_3d: Tensor) -> tuple[Tensor, Tensor]:
    predicted_2d, predicted_3d = pair(real_2d, real_3d)
    return unit_distance(predicted_2d.to(real_2d), real_2d), unit_distance(predicted_3d.to(real_3d), real_3d)


def _as_image(values: Tensor, pixels: Tensor) -> Tensor:
    image = values.new_zeros(SIZE * SIZE)
    image[pixels] = values
    return image.view(SIZE, SIZE)


def _scaled(values: Tensor, divisor: Tensor) -> Tensor:
    """Divide; a map that is 0 everywhere (both networks predict perfectly) stays 0."""
    return torch.where(divisor > 0, values / divisor, torch.zeros_like(values))
