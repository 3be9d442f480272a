"""From features to CFM's anomaly maps and score (section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.parts.cfm.mapping import MappingPair, unit_distance
from methods.parts.features import Tokens
from methods.parts.inputs import SIZE
from methods.parts.smoothing import Smoothing, smooth

__all__ = ["Aggregate", "Maps", "aggregate_maps", "anomaly_maps", "as_image"]

Aggregate = Literal["product", "sum", "max", "2d", "3d"]
_CHUNK = {"cpu": 2048, "cuda": 4096}
"""Pixels processed at a time: on a CPU their features fit in its cache; on CUDA few launches, in about 90 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """CFM's maps of one sample, (224, 224) each, and its score.

    The three uses of the smoothed map M are scaled differently, as in the authors' code: ``localisation`` is
    M / mean(M over M != 0), ``pixel`` is M / sqrt(mean(M)), ``score`` is max(M) / sqrt(mean(M over M != 0)).
    ``distance_2d`` and ``distance_3d`` are the raw maps before aggregation.
    """

    localisation: Tensor
    pixel: Tensor
    score: Tensor
    distance_2d: Tensor
    distance_3d: Tensor

    def to_host(self) -> dict[str, NDArray[np.float32]]:
        """Return all of them by name as float32 arrays in host memory, with one transfer."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        shapes = [tensor.shape for tensor in named.values()]
        packed = torch.cat([tensor.float().flatten() for tensor in named.values()]).cpu()
        parts = torch.split(packed, [shape.numel() for shape in shapes])
        return {name: part.view(shape).numpy() for name, part, shape in zip(named, parts, shapes, strict=True)}


def aggregate_maps(distance_2d: Tensor, distance_3d: Tensor, how: Aggregate) -> Tensor:
    """Combine the two distances (Table 6 of the paper; the product is CFM)."""
    if how == "product":
        return distance_2d * distance_3d
    if how == "sum":
        return distance_2d + distance_3d
    if how == "max":
        return torch.maximum(distance_2d, distance_3d)
    return distance_2d if how == "2d" else distance_3d


def anomaly_maps(pair: MappingPair, tokens: Tokens, *, aggregate: Aggregate, smoothing: Smoothing) -> Maps:
    """Compare predicted with real features at the pixels that have both; all other pixels are 0.

    The first layer of each mapping runs on tokens: both it and the interpolation to pixels are linear.
    """
    distance_2d, distance_3d = _distances(pair, tokens)
    raw = aggregate_maps(distance_2d, distance_3d, aggregate)
    smoothed = smooth(as_image(raw, tokens.pixels), smoothing)
    inside = smoothed != 0
    mean_inside = smoothed.sum() / inside.sum()
    return Maps(
        localisation=_scaled(smoothed, mean_inside),
        pixel=_scaled(smoothed, smoothed.mean().sqrt()),
        score=_scaled(smoothed.max(), mean_inside.sqrt()),
        distance_2d=as_image(distance_2d, tokens.pixels),
        distance_3d=as_image(distance_3d, tokens.pixels),
    )


def _distances(pair: MappingPair, tokens: Tokens) -> tuple[Tensor, Tensor]:
    started = pair.start(tokens.image, tokens.cloud)
    distances = []
    for from_image, from_cloud in tokens.chunks(_CHUNK[tokens.pixels.device.type]):
        predicted_2d, predicted_3d = pair.finish(started, from_image, from_cloud)
        in_2d = _distance(predicted_2d, from_image @ tokens.image)
        del predicted_2d  # a seventh of what a chunk takes
        distances.append((in_2d, _distance(predicted_3d, from_cloud @ tokens.cloud)))
    all_2d, all_3d = zip(*distances, strict=True)
    return torch.cat(all_2d), torch.cat(all_3d)


def _distance(predicted: Tensor, real: Tensor) -> Tensor:
    return unit_distance(predicted.to(real), real)


def as_image(values: Tensor, pixels: Tensor) -> Tensor:
    """Return the (224, 224) image with ``values`` (n,) at the flat ``pixels`` and 0 elsewhere."""
    image = values.new_zeros(SIZE * SIZE)
    image[pixels] = values
    return image.view(SIZE, SIZE)


def _scaled(values: Tensor, divisor: Tensor) -> Tensor:
    """Divide; a map that is 0 everywhere (both mappings predict perfectly) stays 0."""
    return torch.where(divisor > 0, values / divisor, torch.zeros_like(values))
