"""Centres and groups of a point cloud: farthest point sampling and nearest neighbours."""

from __future__ import annotations

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from harness.contract import MethodError

__all__ = ["farthest_points", "nearest"]

_NEVER_SELECTED_WITHIN = 1e-3
"""Squared norm, in square metres, up to which the reference's sampling kernel passes over a point."""


def farthest_points(points: Tensor, count: int) -> Tensor:
    """Choose centres by farthest point sampling, with the picks of pointnet2_ops.

    The first centre is point 0. A point whose squared norm is at most 1e-3 is never selected after that. With fewer
    points than centres, centres repeat. Ties go to the lowest index.

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
    closest = torch.where((points * points).sum(1) > _NEVER_SELECTED_WITHIN, 1e10, -1.0).to(points)
    x, y, z = points.T.contiguous()
    chosen = torch.zeros(count, dtype=torch.long, device=points.device)
    last = chosen[0]
    for step in range(1, count):
        distance = (x - x[last]).square_().add_((y - y[last]).square_()).add_((z - z[last]).square_())
        closest = torch.minimum(closest, distance)
        last = closest.argmax()
        chosen[step] = last
    return chosen


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
        Where there are fewer points than neighbours.
    """
    if len(points) < count:
        raise MethodError(
            f"The cloud has {len(points)} valid points but a group needs {count}: "
            "the sample holds too little of the object, or cleaning removed it."
        )
    if points.device.type == "cpu":
        return _nearest_by_tree(queries, points, count)
    parts = torch.split(queries, 4096)
    indices = torch.cat([torch.cdist(part, points).topk(count, largest=False).indices for part in parts])
    return (queries[:, None] - points[indices]).square().sum(-1), indices


def _nearest_by_tree(queries: Tensor, points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    tree = cKDTree(points.numpy(), leafsize=32, balanced_tree=False, compact_nodes=False)
    _, found = tree.query(queries.numpy(), k=list(range(1, count + 1)), workers=torch.get_num_threads())
    indices = torch.from_numpy(found).long()
    return (queries[:, None] - points[indices]).square().sum(-1), indices
