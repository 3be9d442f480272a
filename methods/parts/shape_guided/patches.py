"""Overlapping patches of a cloud around farthest points."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import torch
from torch import Tensor

from harness.contract import MethodError, Sample
from methods.parts.initialise import named_generator
from methods.parts.inputs import SIZE, cloud_input
from methods.parts.sampling import farthest_points, nearest

__all__ = ["PICKS", "Cutting", "Patches", "cut", "number_of_patches"]

PICKS = 1024
"""On CUDA so many centres, or a multiple, are picked and the first ones used: one graph serves clouds of all sizes."""

_SHORTEST = 1e-12
"""Least side of a patch's box, in the unit of the cloud: a patch of one repeated point stays finite."""


@dataclass(frozen=True, slots=True)
class Cutting:
    """How clouds are cut.

    Parameters
    ----------
    points
        Points of a patch.
    overlap
        Patches that a point lies in on average.
    """

    points: int
    overlap: int


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """G patches of K points of a cloud, on the device.

    Parameters
    ----------
    points : (G, K, 3) float32
        Each patch about its mean, the longest side of its box 1; nearest to the centre first.
    pixels : (G, K) int64
        Flat pixel of each point in an image of 224 x 224.
    """

    points: Tensor
    pixels: Tensor


def number_of_patches(points: int, cutting: Cutting) -> int:
    """Return how many patches a cloud of so many points has, at least one."""
    return max(1, round(cutting.overlap * points / cutting.points))


def cut(sample: Sample, cutting: Cutting, device: torch.device, start: torch.Generator | None = None) -> Patches:
    """Cut the cloud of a sample at 224 x 224 pixels.

    Parameters
    ----------
    start
        Generator of the first centre; drawn from the cloud's content where it is None.

    Raises
    ------
    MethodError
        If the cloud has fewer points than a patch.
    """
    cloud, place = cloud_input(sample.xyz)
    if len(cloud) < cutting.points:
        raise MethodError(
            f"The cloud has {len(cloud)} valid points at {SIZE}x{SIZE} but a patch needs {cutting.points}: "
            "the sample holds too little of the object, or cleaning removed it."
        )
    start = start or named_generator(0, "first centre", crc32(cloud.tobytes()))
    first = int(torch.randint(len(cloud), (), generator=start))
    points, pixels = torch.from_numpy(cloud).to(device), torch.from_numpy(place).to(device)
    centres = _centres(points, number_of_patches(len(points), cutting), first)
    _, members = nearest(points[centres], points, cutting.points)
    return Patches(_normalised(points[members]), pixels[members])


def _centres(points: Tensor, count: int, first: int) -> Tensor:
    """Return the indices of farthest points, beginning with one point.

    The shared sampler begins with point 0 and passes over points near the origin, so points are rolled and moved away,
    in a unit that keeps their digits.
    """
    low = points.amin(0)
    side = (points.amax(0) - low).amax().clamp_min(_SHORTEST)
    moved = torch.roll((points - low) / side + 1, -first, 0)
    picked = -(-count // PICKS) * PICKS if points.device.type == "cuda" else count
    return (farthest_points(moved, picked)[:count] + first) % len(points)


def _normalised(groups: Tensor) -> Tensor:
    sides = groups.amax(1) - groups.amin(1)
    return (groups - groups.mean(1, keepdim=True)) / sides.amax(1).clamp_min(_SHORTEST)[:, None, None]
