"""From features to CFM's anomaly maps and score (section 3.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.contract import Prediction
from methods.parts.cfm.mapping import MappingPair, unit_distance
from methods.parts.dino import GRID
from methods.parts.features import Extractors, Tokens
from methods.parts.graphs import Step
from methods.parts.inputs import SIZE
from methods.parts.interpolation import BILINEAR_ENTRIES, POOLED_ENTRIES
from methods.parts.smoothing import Smoothing, smooth
from methods.parts.sparse_rows import SparseRows

__all__ = [
    "Aggregate",
    "MapSteps",
    "Maps",
    "aggregate_maps",
    "anomaly_maps",
    "as_image",
    "capture_maps",
    "finisher",
]

Aggregate = Literal["product", "sum", "max", "2d", "3d"]
_CHUNK = {"cpu": 2048, "cuda": 4096}
"""Pixels processed at a time: on a CPU their features fit in its cache; on CUDA few launches."""

_PART = 2048
"""Pixels of a chunk in memory at a time where the chunk is one graph, whose parts are no further launches."""


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

    @classmethod
    def unpacked(cls, packed: Tensor) -> Maps:
        """Return the views of one tensor that holds all of them one after the other, in the order of the fields."""
        plane = SIZE * SIZE
        parts = torch.split(packed, [plane, plane, 1, plane, plane])
        localisation, pixel, score, distance_2d, distance_3d = parts
        shape = SIZE, SIZE
        return cls(
            localisation.view(shape), pixel.view(shape), score[0], distance_2d.view(shape), distance_3d.view(shape)
        )

    def to_host(self) -> dict[str, NDArray[np.float32]]:
        """Return all of them by name as float32 arrays in host memory, with one transfer."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        shapes = [tensor.shape for tensor in named.values()]
        packed = torch.cat([tensor.float().flatten() for tensor in named.values()]).cpu()
        parts = torch.split(packed, [shape.numel() for shape in shapes])
        return {name: part.view(shape).numpy() for name, part, shape in zip(named, parts, shapes, strict=True)}

    def to_prediction(self) -> Prediction:
        """Return what a method returns, in host memory."""
        arrays = self.to_host()
        return Prediction(
            anomaly_map=arrays["localisation"],
            score=float(arrays["score"]),
            pixel_map=arrays["pixel"],
            extras={"map_2d": arrays["distance_2d"], "map_3d": arrays["distance_3d"]},
        )


def aggregate_maps(distance_2d: Tensor, distance_3d: Tensor, how: Aggregate) -> Tensor:
    """Combine the two distances (Table 6 of the paper; the product is CFM)."""
    if how == "product":
        return distance_2d * distance_3d
    if how == "sum":
        return distance_2d + distance_3d
    if how == "max":
        return torch.maximum(distance_2d, distance_3d)
    return distance_2d if how == "2d" else distance_3d


@dataclass(frozen=True, slots=True)
class MapSteps:
    """The parts of :func:`anomaly_maps` whose shapes are fixed, as CUDA graphs.

    Parameters
    ----------
    distances
        From what the mappings start with and the entries of a chunk's matrices to both distances, (n, 2).
    finish
        From the images of both distances to the packed maps.
    """

    distances: Step
    finish: Step


def capture_maps(
    pair: MappingPair,
    extractors: Extractors,
    finish: Callable[[Tensor, Tensor], Tensor],
) -> MapSteps:
    """Capture the mappings, which may not move to other memory after that, and what follows them (:func:`finisher`)."""
    generator = torch.Generator().manual_seed(0)
    channels_2d, channels_3d = extractors.channels
    image = torch.randn(GRID * GRID, channels_2d, generator=generator)
    cloud = torch.randn(extractors.centres, channels_3d, generator=generator)
    rows = _CHUNK["cuda"]
    entries = [
        entry
        for width, per_row in ((len(image), BILINEAR_ENTRIES), (len(cloud), POOLED_ENTRIES))
        for entry in (
            torch.randint(width, (rows, per_row), generator=generator),
            torch.rand(rows, per_row, generator=generator) / per_row,
        )
    ]
    planes = torch.rand(2, SIZE, SIZE, generator=generator)

    def distances(*tensors: Tensor) -> Tensor:
        with extractors.autocast():
            return _distances_of_entries(pair, *tensors)

    image, cloud, *entries, plane_2d, plane_3d = (
        tensor.to(extractors.device) for tensor in (image, cloud, *entries, *planes)
    )
    with torch.no_grad(), extractors.autocast():
        started = pair.start(image, cloud)
    return MapSteps(
        extractors.graphs.captured("mappings", distances, image, cloud, *started, *entries, by_rows=True),
        extractors.graphs.captured("maps", finish, plane_2d, plane_3d),
    )


def anomaly_maps(
    pair: MappingPair, tokens: Tokens, *, aggregate: Aggregate, smoothing: Smoothing, steps: MapSteps | None = None
) -> Maps:
    """Compare predicted with real features at the pixels that have both; all other pixels are 0.

    The first layer of each mapping runs on tokens: both it and the interpolation to pixels are linear.
    """
    distances = _distances(pair, tokens, steps)
    images = [as_image(distance, tokens.pixels) for distance in distances]
    finish = steps.finish if steps is not None else finisher(aggregate, smoothing)
    return Maps.unpacked(finish(*images))


def finisher(aggregate: Aggregate, smoothing: Smoothing) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function from the images of both distances to packed maps (:meth:`Maps.unpacked`)."""
    return partial(_finish, aggregate, smoothing)


def _finish(aggregate: Aggregate, smoothing: Smoothing, distance_2d: Tensor, distance_3d: Tensor) -> Tensor:
    smoothed = smooth(aggregate_maps(distance_2d, distance_3d, aggregate), smoothing)
    inside = smoothed != 0
    mean_inside = smoothed.sum() / inside.sum()
    maps = (
        _scaled(smoothed, mean_inside),
        _scaled(smoothed, smoothed.mean().sqrt()),
        _scaled(smoothed.max(), mean_inside.sqrt()),
        distance_2d,
        distance_3d,
    )
    return torch.cat([one.flatten() for one in maps])


def _distances(pair: MappingPair, tokens: Tokens, steps: MapSteps | None = None) -> tuple[Tensor, Tensor]:
    started = pair.start(tokens.image, tokens.cloud)
    chunks = tokens.chunks(_CHUNK[tokens.pixels.device.type])
    if steps is None:
        parts = [_distances_of_rows(pair, tokens.image, tokens.cloud, started, *chunk) for chunk in chunks]
    else:
        given = steps.distances.bind(tokens.image, tokens.cloud, *started)
        parts = [given(*from_image.padded(), *from_cloud.padded()) for from_image, from_cloud in chunks]
    in_2d, in_3d = torch.cat(parts).unbind(1)
    return in_2d, in_3d


def _distances_of_rows(
    pair: MappingPair,
    image: Tensor,
    cloud: Tensor,
    started: tuple[Tensor, Tensor],
    from_image: SparseRows,
    from_cloud: SparseRows,
) -> Tensor:
    """Return the distances in 2D and in 3D of the pixels of two matrices, (n, 2)."""
    predicted_2d, predicted_3d = pair.finish(started, from_image, from_cloud)
    in_2d = _distance(predicted_2d, from_image @ image)
    del predicted_2d  # a seventh of what a chunk takes
    return torch.stack([in_2d, _distance(predicted_3d, from_cloud @ cloud)], 1)


def _distances_of_entries(
    pair: MappingPair, image: Tensor, cloud: Tensor, start_2d: Tensor, start_3d: Tensor, *entries: Tensor
) -> Tensor:
    """Return :func:`_distances_of_rows` for matrices as columns and weights, a part of the pixels after another."""
    parts = zip(*(torch.split(entry, _PART) for entry in entries), strict=True)
    distances = []
    for image_columns, image_weights, cloud_columns, cloud_weights in parts:
        from_image = SparseRows.uniform(image_columns, image_weights)
        from_cloud = SparseRows.uniform(cloud_columns, cloud_weights)
        distances.append(_distances_of_rows(pair, image, cloud, (start_2d, start_3d), from_image, from_cloud))
    return torch.cat(distances)


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
