"""Centres and groups of a point cloud: farthest point sampling and nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from harness.contract import Implementation, MethodError
from methods.parts.optional import import_optional

__all__ = [
    "NEVER_SELECTED_WITHIN",
    "PairDistances",
    "Sampler",
    "distances_for",
    "farthest_points",
    "nearest",
    "sampler_for",
]

NEVER_SELECTED_WITHIN = 1e-3
"""Squared norm, in square metres, up to which the sampling kernel of pointnet2_ops skips a point."""

_PART = "Farthest point sampling"

_PAIRS = 1 << 22
"""Pairs of a query and a point whose distances are in memory at a time: a matrix of 17 MB, or two without Triton."""


@dataclass(frozen=True, slots=True)
class Sampler:
    """Farthest point sampling as a device computes it.

    Parameters
    ----------
    implementation
        What computes it, and why nothing faster does; None where there is no choice.
    pick
        From points (N, 3) and a number of centres to indices, as :func:`farthest_points`.
    open_for
        From a number of centres to the bytes of device memory that stay taken for clouds of a sample's usual size; what
        has to be made before the first call is made there.
    """

    implementation: Implementation | None
    pick: Callable[[Tensor, int], Tensor]
    open_for: Callable[[int], int] = lambda count: 0


def sampler_for(device: torch.device) -> Sampler:
    """Return how farthest points of a float32 cloud are computed on a device."""
    if device.type != "cuda":
        return Sampler(None, _farthest_by_steps)
    return _cuda_sampler(device)


def farthest_points(points: Tensor, count: int) -> Tensor:
    """Choose centres by farthest point sampling, with the picks of pointnet2_ops.

    The first centre is point 0. A point whose squared norm is at most 1e-3 is never selected after that. With fewer
    points than centres, centres repeat. Ties go to the lowest index.

    float32 clouds on a CUDA device use a CUDA graph of Triton kernels, with the same picks. Where Triton does not work,
    pointnet2_ops is used, which breaks ties differently; without both, a loop over the steps. :func:`sampler_for` says
    which it is and why.

    Parameters
    ----------
    points : (N, 3) float
        N at least 1.
    count
        Number of centres.

    Returns
    -------
    (count,) int64 indices into ``points``.
    """
    if points.dtype == torch.float32 and len(points) > 0:
        return sampler_for(points.device).pick(points, count)
    return _farthest_by_steps(points, count)


def _farthest_by_steps(points: Tensor, count: int) -> Tensor:
    """Loop over the steps. The last pick is a tensor with one entry, since a scalar index would wait for the device."""
    closest = torch.where((points * points).sum(1) > NEVER_SELECTED_WITHIN, 1e10, -1.0).to(points)
    x, y, z = points.T.contiguous()
    chosen = torch.zeros(count, dtype=torch.long, device=points.device)
    last = chosen[:1]
    for step in range(1, count):
        dx, dy, dz = (axis - axis.index_select(0, last) for axis in (x, y, z))
        closest = torch.minimum(closest, dx.square_().add_(dy.square_()).add_(dz.square_()))
        last = closest.argmax(0, keepdim=True)
        chosen[step : step + 1] = last
    return chosen


@lru_cache(maxsize=16)
def _cuda_sampler(device: torch.device) -> Sampler:
    captured, why = import_optional("methods.parts.farthest_cuda", "Triton", _PART)
    if captured is not None:
        why = captured.reason_not_to_work(device)
        if not why:
            graph = Implementation("a CUDA graph of Triton kernels")
            return Sampler(graph, captured.farthest_by_graph, partial(captured.open_graph, device))
    package, _ = import_optional("pointnet2_ops.pointnet2_utils", "pointnet2_ops", _PART)
    if package is not None:
        pick = partial(_farthest_by_pointnet2, package.furthest_point_sample)
        return Sampler(Implementation("pointnet2_ops", why), pick)
    return Sampler(Implementation("a loop over the steps", why), _farthest_by_steps)


def _farthest_by_pointnet2(sample: Callable[[Tensor, int], Tensor], points: Tensor, count: int) -> Tensor:
    return sample(points[None].contiguous(), count)[0].long()


@dataclass(frozen=True, slots=True)
class PairDistances:
    """Squared distances of float32 points as a CUDA device computes them.

    Parameters
    ----------
    implementation
        What computes them, and why nothing faster does; None where no distances are computed but a tree is searched.
    squared
        From queries (Q, 3) and points (N, 3) to (Q, N).
    """

    implementation: Implementation | None
    squared: Callable[[Tensor, Tensor], Tensor]


def distances_for(device: torch.device) -> PairDistances:
    """Return how the distances of a search for neighbours are computed on a device."""
    return PairDistances(None, _squared_by_axis) if device.type != "cuda" else _cuda_distances(device)


@lru_cache(maxsize=16)
def _cuda_distances(device: torch.device) -> PairDistances:
    kernel, why = import_optional("methods.parts.distances_cuda", "Triton", "The search for neighbours")
    why = why if kernel is None else kernel.reason_not_to_work(device)
    if kernel is None or why:
        return PairDistances(Implementation("operations of torch", why), _squared_by_axis)
    return PairDistances(Implementation("a Triton kernel"), kernel.squared_distances)


def _squared_by_axis(queries: Tensor, points: Tensor) -> Tensor:
    """Compute axis by axis; |a|^2 + |b|^2 - 2ab would cancel, since clouds are far from the origin."""
    squared = (queries[:, :1] - points[:, 0]).square_()
    for axis in (1, 2):
        difference = queries[:, axis : axis + 1] - points[:, axis]
        squared.addcmul_(difference, difference)
    return squared


def nearest(queries: Tensor, points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the nearest points of each query by direct differences, sorted by distance.

    Parameters
    ----------
    queries : (Q, 3) float
    points : (N, 3) float
    count
        Number of neighbours.

    Returns
    -------
    squared distances (Q, count) and int64 indices (Q, count).

    Raises
    ------
    MethodError
        If there are fewer points than neighbours.
    """
    if len(points) < count:
        raise MethodError(
            f"The cloud has {len(points)} valid points but a group needs {count}: "
            "the sample holds too little of the object, or cleaning removed it."
        )
    if points.device.type == "cpu":
        return _nearest_by_tree(queries, points, count)
    return _nearest_by_differences(queries, points, count)


def _nearest_by_differences(queries: Tensor, points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    squared = distances_for(points.device).squared if points.dtype == torch.float32 else _squared_by_axis
    parts = torch.split(queries, max(1, _PAIRS // len(points)))
    indices = torch.cat([squared(part, points).topk(count, largest=False).indices for part in parts])
    return (queries[:, None] - points[indices]).square().sum(-1), indices


def _nearest_by_tree(queries: Tensor, points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    tree = cKDTree(points.numpy(), leafsize=32, balanced_tree=False, compact_nodes=False)
    _, neighbours = tree.query(queries.numpy(), k=list(range(1, count + 1)), workers=torch.get_num_threads())
    indices = torch.from_numpy(neighbours).long()
    return (queries[:, None] - points[indices]).square().sum(-1), indices
