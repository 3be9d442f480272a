"""Exact DBSCAN of a point cloud in bounded memory, however many neighbours a point has.

Space is cut into cubes whose diagonal is just under eps, so that all points of a cube are neighbours of each other: a
cube with ``min_points`` points holds core points only, and all core points of a cube are in one cluster. It remains
to search the neighbours of points in thinly filled cubes, and the links between nearby cubes (the grid of Gunawan,
"A faster algorithm for DBSCAN", 2013, in three dimensions).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["dbscan", "largest_cluster"]

_CHUNK = 65_536
_NOISE = -1


def dbscan(points: NDArray[np.floating], eps: float, min_points: int) -> NDArray[np.int64]:
    """Label points (N, 3) by density: equal to the sequential algorithm that visits them in their order.

    Parameters
    ----------
    points : (N, 3)
        Finite coordinates.
    eps
        Two points at most this far apart are neighbours, in the unit of the points.
    min_points
        A point with at least this many neighbours, itself included, is a core point.

    Returns
    -------
    (N,) int64
        Clusters are numbered from 0 in the order of their first core point. A point that is not a core point joins the
        lowest-numbered cluster that has a core point among its neighbours; -1 marks the rest.

    Notes
    -----
    Ester et al., "A density-based algorithm for discovering clusters", KDD 1996.
    """
    if len(points) == 0:
        return np.empty(0, dtype=np.int64)
    cloud = np.ascontiguousarray(points, dtype=np.float64)
    grid = _Grid.build(cloud, eps)
    core, border, neighbours = _find_core_points(cloud, grid, eps, min_points)
    labels = np.full(len(cloud), _NOISE, dtype=np.int64)
    core_points = np.flatnonzero(core)
    labels[core_points] = _cluster_core_points(cloud, grid, core_points, eps)
    _attach_border_points(labels, border, neighbours)
    return labels


def largest_cluster(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the points (N,) of the most frequent label; noise (-1) competes too, and a tie goes to the lower label."""
    if len(labels) == 0:
        return np.zeros(0, dtype=np.bool_)
    names, counts = np.unique(labels, return_counts=True)
    largest: NDArray[np.bool_] = labels == names[np.argmax(counts)]
    return largest


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Cubes that hold points: ``cell`` (N,) is the cube of each point, ``keys`` (M,) the sorted numbers of them."""

    cell: NDArray[np.intp]
    keys: NDArray[np.int64]
    strides: NDArray[np.int64]

    @classmethod
    def build(cls, cloud: NDArray[np.float64], eps: float) -> _Grid:
        side = eps / np.sqrt(3.0) * (1 - 1e-9)
        axes = np.stack([_close_gaps(np.floor(column / side)) for column in cloud.T], axis=1)
        _, rows, columns = axes.max(axis=0) + 3  # empty cubes beyond each axis keep neighbours from wrapping round
        strides = np.array([rows * columns, columns, 1], dtype=np.int64)
        keys, cell = np.unique(axes @ strides, return_inverse=True)
        return cls(cell, keys, strides)

    def near_pairs(self, among: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return all pairs (i, j) of positions in ``among``, sorted cubes that may hold neighbours of each other."""
        keys = self.keys[among]
        first, second = [], []
        for offset in product(range(-2, 3), repeat=3):
            if offset <= (0, 0, 0):
                continue
            targets = keys + np.array(offset) @ self.strides
            places = np.minimum(np.searchsorted(keys, targets), len(keys) - 1)
            hits = np.flatnonzero(keys[places] == targets)
            first.append(hits)
            second.append(places[hits])
        return np.concatenate(first), np.concatenate(second)


def _close_gaps(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return numbers from 0 for the values (N,) of an axis so that differences up to 2 stay and larger ones become 3.

    Cubes three apart are not neighbours, and the numbers stay small however far away an outlier lies.
    """
    unique, inverse = np.unique(values, return_inverse=True)
    steps = np.minimum(np.diff(unique, prepend=unique[0]), 3).astype(np.int64)
    numbers: NDArray[np.int64] = np.cumsum(steps)[inverse]
    return numbers


def _find_core_points(
    cloud: NDArray[np.float64], grid: _Grid, eps: float, min_points: int
) -> tuple[NDArray[np.bool_], NDArray[np.intp], NDArray[np.int32]]:
    """Return the core points (N,) bool, the others (K,) by index, and all neighbours of those (K, min_points).

    The neighbours are padded with N, one past the last point.
    """
    from scipy.spatial import cKDTree

    core = (np.bincount(grid.cell) >= min_points)[grid.cell]
    sparse = np.flatnonzero(~core)
    border, neighbours = [sparse[:0]], [np.empty((0, min_points), dtype=np.int32)]
    tree = cKDTree(cloud, balanced_tree=False, compact_nodes=False) if len(sparse) else None
    for start in range(0, len(sparse), _CHUNK):
        part = sparse[start : start + _CHUNK]
        nearest = _neighbours_within(tree, cloud[part], eps, min_points)
        full = nearest[:, -1] < len(cloud)
        core[part[full]] = True
        border.append(part[~full])
        neighbours.append(nearest[~full])
    return core, np.concatenate(border), np.concatenate(neighbours)


def _neighbours_within(tree: Any, points: NDArray[np.float64], eps: float, count: int) -> NDArray[np.int32]:
    """Return the ``count`` nearest neighbours (K, count) at most eps away, padded with the size of the tree."""
    bound = np.nextafter(eps, np.inf)
    _, nearest = tree.query(points, k=np.arange(1, count + 1), distance_upper_bound=bound)
    return np.asarray(nearest, dtype=np.int32)


def _cluster_core_points(
    cloud: NDArray[np.float64], grid: _Grid, core_points: NDArray[np.intp], eps: float
) -> NDArray[np.int64]:
    """Return the cluster (C,) of each core point, numbered by the lowest index among its core points."""
    if len(core_points) == 0:
        return np.empty(0, dtype=np.int64)
    cells, place = np.unique(grid.cell[core_points], return_inverse=True)
    by_cell = core_points[np.argsort(place, kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(place))])
    component = _connect_cells(cloud[by_cell], starts, *grid.near_pairs(cells), eps)[place]
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    numbers: NDArray[np.int64] = np.argsort(np.argsort(first))[inverse]
    return numbers


def _connect_cells(
    points: NDArray[np.float64], starts: NDArray[np.intp], left: NDArray[np.intp], right: NDArray[np.intp], eps: float
) -> NDArray[np.intp]:
    """Return the component (M,) of each cube under the link "two of their core points are neighbours".

    ``points`` lie cube by cube, cube m from ``starts[m]`` to ``starts[m + 1]``; (left, right) are the pairs to try.
    One point of each cube settles most pairs, bounding boxes settle most of the rest.
    """
    component = _components(len(starts) - 1, left, right, _first_points_touch(points, starts, left, right, eps))
    open_pairs = (component[left] != component[right]) & _boxes_touch(points, starts, left, right, eps)
    parents = np.arange(len(starts) - 1)
    for a, b in zip(left[open_pairs], right[open_pairs], strict=True):
        root_a, root_b = _root(parents, component[a]), _root(parents, component[b])
        if root_a != root_b and _touch(points[starts[a] : starts[a + 1]], points[starts[b] : starts[b + 1]], eps):
            parents[root_b] = root_a
    roots = np.array([_root(parents, i) for i in range(component.max() + 1)])
    return roots[component]


def _components(
    count: int, left: NDArray[np.intp], right: NDArray[np.intp], linked: NDArray[np.bool_]
) -> NDArray[np.intp]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(int(linked.sum()), dtype=np.int8), (left[linked], right[linked])), shape=(count, count))
    return np.asarray(connected_components(edges, directed=False)[1], dtype=np.intp)


def _first_points_touch(
    points: NDArray[np.float64], starts: NDArray[np.intp], left: NDArray[np.intp], right: NDArray[np.intp], eps: float
) -> NDArray[np.bool_]:
    firsts = points[starts[:-1]]
    return _within(firsts[left] - firsts[right], eps)


def _boxes_touch(
    points: NDArray[np.float64], starts: NDArray[np.intp], left: NDArray[np.intp], right: NDArray[np.intp], eps: float
) -> NDArray[np.bool_]:
    """Tell for each pair of cubes whether the bounding boxes of their points are at most eps apart."""
    low, high = np.minimum.reduceat(points, starts[:-1]), np.maximum.reduceat(points, starts[:-1])
    gaps = np.maximum(np.maximum(low[right] - high[left], low[left] - high[right]), 0)
    return _within(gaps, eps)


def _within(differences: NDArray[np.float64], eps: float) -> NDArray[np.bool_]:
    near: NDArray[np.bool_] = np.square(differences).sum(axis=1) <= eps * eps
    return near


def _touch(first: NDArray[np.float64], second: NDArray[np.float64], eps: float) -> bool:
    from scipy.spatial import cKDTree

    distances, _ = cKDTree(first).query(second)
    return bool(distances.min() <= eps)


def _root(parents: NDArray[np.intp], node: int) -> int:
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


def _attach_border_points(labels: NDArray[np.int64], border: NDArray[np.intp], neighbours: NDArray[np.int32]) -> None:
    """Give each border point the lowest label among its core neighbours, in place."""
    unreached = np.iinfo(np.int64).max
    padded = np.append(np.where(labels == _NOISE, unreached, labels), unreached)
    for start in range(0, len(border), _CHUNK):
        lowest = padded[neighbours[start : start + _CHUNK]].min(axis=1)
        labels[border[start : start + _CHUNK]] = np.where(lowest == unreached, _NOISE, lowest)
