"""Centres and groups of a point cloud: farthest point sampling and nearest neighbours."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache, partial
from importlib import import_module
from types import ModuleType

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from harness.contract import MethodError

__all__ = ["NEVER_SELECTED_WITHIN", "farthest_points", "nearest"]

NEVER_SELECTED_WITHIN = 1e-3
"""Squared norm, in square metres, up to which the sampling kernel of pointnet2_ops skips a point."""

_QUERIES = 1024
"""Queries whose distances to all points are in memory at a time."""


def farthest_points(points: Tensor, count: int) -> Tensor:
    """Choose centres by farthest point sampling, with the picks of pointnet2_ops.

    The first centre is point 0. A point whose squared norm is at most 1e-3 is never selected after that. With fewer
    points than centres, centres repeat. Ties go to the lowest index.

    float32 clouds on a CUDA device use a CUDA graph of Triton kernels, with the same picks. Without Triton,
    pointnet2_ops is used, which breaks ties differently; without both, a loop over the steps.

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
    if points.device.type == "cuda" and points.dtype == torch.float32 and len(points) > 0:
        return _cuda_sampler(points.device)(points, count)
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
def _cuda_sampler(device: torch.device) -> Callable[[Tensor, int], Tensor]:
    captured = _import("methods.parts.farthest_cuda")
    if captured is not None and captured.works_on(device):
        return captured.farthest_by_graph  # type: ignore[no-any-return]
    package = _import("pointnet2_ops.pointnet2_utils")
    if package is not None:
        return partial(_farthest_by_pointnet2, package.furthest_point_sample)
    return _farthest_by_steps


def _farthest_by_pointnet2(sample: Callable[[Tensor, int], Tensor], points: Tensor, count: int) -> Tensor:
    return sample(points[None].contiguous(), count)[0].long()


def _import(name: str) -> ModuleType | None:
    """Import an optional module: None if it is not installed, None with a warning if its import fails."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        return None
    except Exception as error:
        warnings.warn(f"Farthest point sampling does not use {name}, whose import failed: {error}", RuntimeWarning, 2)
        return None


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
    """Compute all distances, axis by axis; |a|^2 + |b|^2 - 2ab would cancel, since clouds are far from the origin."""
    axes = points.T.contiguous()
    chunks = []
    for part in torch.split(queries, _QUERIES):
        squared = (part[:, :1] - axes[0]).square_()
        for axis in (1, 2):
            difference = part[:, axis : axis + 1] - axes[axis]
            squared.addcmul_(difference, difference)
        chunks.append(squared.topk(count, largest=False).indices)
    indices = torch.cat(chunks)
    return (queries[:, None] - points[indices]).square().sum(-1), indices


def _nearest_by_tree(queries: Tensor, points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    tree = cKDTree(points.numpy(), leafsize=32, balanced_tree=False, compact_nodes=False)
    _, neighbours = tree.query(queries.numpy(), k=list(range(1, count + 1)), workers=torch.get_num_threads())
    indices = torch.from_numpy(neighbours).long()
    return (queries[:, None] - points[indices]).square().sum(-1), indices
