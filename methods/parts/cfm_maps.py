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
    """Compare predicted with real features on the pixels that have both; every other pixel is 0.

    The first layer of each mapping runs on tokens: it is linear, and so is the way from tokens to pixels.
    """
    distance_2d, distance_3d = _distances(pair, tokens)
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


def _distances(pair: MappingPair, tokens: Tokens) -> tuple[Tensor, Tensor]:
    crossing = pair.direction == "cross"
    started_3d = pair.to_3d.start(tokens.image if crossing else tokens.cloud)
    started_2d = pair.to_2d.start(tokens.cloud if crossing else tokens.image)
    distances_2d, distances_3d = [], []
    for start in range(0, len(tokens), _CHUNK):
        from_image = tokens.to_image_pixels.slice(start, start + _CHUNK)
        from_cloud = tokens.to_cloud_pixels.slice(start, start + _CHUNK)
        real_2d, real_3d = from_image @ tokens.image, from_cloud @ tokens.cloud
        predicted_3d = pair.to_3d.finish((from_image if crossing else from_cloud) @ started_3d.to(real_3d))
        predicted_2d = pair.to_2d.finish((from_cloud if crossing else from_image) @ started_2d.to(real_2d))
        distances_2d.append(unit_distance(predicted_2d.to(real_2d), real_2d))
        distances_3d.append(unit_distance(predicted_3d.to(real_3d), real_3d))
    return torch.cat(distances_2d), torch.cat(distances_3d)


def _as_image(values: Tensor, pixels: Tensor) -> Tensor:
    image = values.new_zeros(SIZE * SIZE)
    image[pixels] = values
    return image.view(SIZE, SIZE)


def _scaled(values: Tensor, divisor: Tensor) -> Tensor:
    """Divide; a map that is 0 everywhere (both networks predict perfectly) stays 0."""
    return torch.where(divisor > 0, values / divisor, torch.zeros_like(values))
