from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN

from harness.data.dbscan import dbscan, largest_cluster


def clusters(rng: np.random.Generator, count: int, dimensions: int, spread: float) -> NDArray[np.float64]:
    points = np.zeros((count, 3))
    centres = rng.normal(0, spread, (4, dimensions))
    points[:, :dimensions] = centres[rng.integers(0, 4, count)] + rng.normal(
        0, rng.uniform(0.1, 1), (count, dimensions)
    )
    return points


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 300),
    dimensions=st.integers(1, 3),
    eps=st.floats(0.05, 2),
    min_points=st.integers(1, 15),
    spread=st.sampled_from([0.0, 1.0, 5.0, 1e6]),
)
def test_labels_are_those_of_sklearn(
    seed: int, count: int, dimensions: int, eps: float, min_points: int, spread: float
) -> None:
    cloud = clusters(np.random.default_rng(seed), count, dimensions, spread)
    wanted = DBSCAN(eps=eps, min_samples=min_points).fit(cloud).labels_
    assert np.array_equal(dbscan(cloud, eps, min_points), wanted)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_repeated_points_count_each_time(seed: int, min_points: int) -> None:
    rng = np.random.default_rng(seed)
    cloud = rng.normal(size=(40, 3))[rng.integers(0, 40, 200)]
    wanted = DBSCAN(eps=0.4, min_samples=min_points).fit(cloud).labels_
    assert np.array_equal(dbscan(cloud, 0.4, min_points), wanted)


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = clusters(np.random.default_rng(1), 500, 3, 2.0)
    whole = dbscan(cloud, 0.4, 6)
    monkeypatch.setattr("harness.data.dbscan._CHUNK", 7)
    assert np.array_equal(dbscan(cloud, 0.4, 6), whole)
    assert len(set(whole.tolist())) > 2


def test_core_partition_does_not_depend_on_the_order() -> None:
    rng = np.random.default_rng(2)
    cloud = clusters(rng, 400, 3, 2.0)
    order = rng.permutation(400)
    labels, shuffled = dbscan(cloud, 0.4, 6), np.empty(400, dtype=np.int64)
    shuffled[order] = dbscan(cloud[order], 0.4, 6)
    assert np.array_equal(labels == -1, shuffled == -1)
    core = (np.linalg.norm(cloud[:, None] - cloud[None], axis=2) <= 0.4).sum(axis=1) >= 6
    pairs = set(zip(labels[core].tolist(), shuffled[core].tolist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) > 1


def test_border_point_between_two_clusters_joins_the_lower() -> None:
    left, right = np.linspace(0, 0.9, 10), np.linspace(2.9, 2.0, 10)
    line = np.concatenate([right, left, [1.45]])
    labels = dbscan(np.stack([line, 0 * line, 0 * line], axis=1), 0.56, 5)
    assert labels.tolist() == [0] * 10 + [1] * 10 + [0]


def test_sheets_a_little_more_than_eps_apart_stay_two() -> None:
    """Their cubes are neighbours and only the exact distances tell them apart."""
    rng = np.random.default_rng(0)
    flat = np.pad(np.stack(np.meshgrid(*[np.arange(60) * 0.0005] * 2), axis=-1).reshape(-1, 2), [(0, 0), (0, 1)])
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    for gap, count in ((0.0061, 2), (0.0059, 1)):
        cloud = np.concatenate([flat, np.add(flat, [0, 0, gap])]) @ turn
        assert len(set(dbscan(cloud, 0.006, 30).tolist())) == count


def test_memory_stays_bounded_when_all_points_are_neighbours() -> None:
    """Their 10^10 pairs would take 80 GB as a list of neighbours."""
    cloud = np.random.default_rng(0).random((100_000, 3)) * 0.003
    tracemalloc.start()
    labels = dbscan(cloud, 0.006, 30)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not labels.any()
    assert peak < 100e6


def test_empty_cloud_has_no_labels() -> None:
    assert dbscan(np.empty((0, 3)), 0.006, 30).shape == (0,)
    assert largest_cluster(np.empty(0, dtype=np.int64)).shape == (0,)


def test_input_is_not_changed() -> None:
    cloud = np.random.default_rng(0).random((50, 3), dtype=np.float32)
    before = cloud.copy()
    dbscan(cloud, 0.3, 4)
    assert np.array_equal(cloud, before)


@pytest.mark.parametrize(
    ("labels", "kept"),
    [([0, 1, 1, -1], 1), ([-1, -1, 0], -1), ([1, 0, 1, 0], 0), ([0, -1], -1)],
    ids=["largest", "noise competes", "lower label wins a tie", "noise wins a tie"],
)
def test_largest_cluster(labels: list[int], kept: int) -> None:
    assert largest_cluster(np.array(labels)).tolist() == [label == kept for label in labels]
