"""Sampling, neighbours and sparse interpolation from tokens to pixels, as properties."""

from __future__ import annotations

import numpy as np
import oracle_cfm as oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from harness.contract import MethodError
from methods.parts.interpolation import bilinear_rows, cloud_rows, pooling_window, reached_pixels
from methods.parts.sampling import farthest_points, nearest
from methods.parts.sparse_rows import SparseRows


def cloud(seed: int, count: int, scale: float = 0.3) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, scale, (count, 3)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 80), st.integers(1, 100), st.sampled_from([0.01, 0.03, 0.3]))
def test_farthest_points_equal_the_picks_of_the_oracle(seed: int, points: int, count: int, scale: float) -> None:
    positions = cloud(seed, points, scale)
    assert farthest_points(positions, count).tolist() == oracle.farthest_points(positions.numpy(), count)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 20), st.integers(3, 60))
def test_nearest_points_are_found_and_sorted(seed: int, queries: int, points: int) -> None:
    centres, known = cloud(seed, queries), cloud(seed + 1, points)
    squared, index = nearest(centres, known, 3)
    everything = torch.cdist(centres, known).square()
    np.testing.assert_allclose(squared.numpy(), everything.sort(1).values[:, :3].numpy(), rtol=1e-9)
    np.testing.assert_allclose(everything.gather(1, index).numpy(), squared.numpy(), rtol=1e-9)


def test_too_few_points_for_a_group_are_an_error() -> None:
    with pytest.raises(MethodError, match=r"\b5 valid points .*\b8\b"):
        nearest(cloud(0, 2), cloud(1, 5), 8)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 30), st.integers(2, 40))
def test_bilinear_rows_equal_upsampling_by_torch(grid: int, size: int) -> None:
    tokens = torch.randn(grid * grid, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(grid))
    expected = functional.interpolate(
        tokens.T.reshape(1, 3, grid, grid), size=(size, size), mode="bilinear", align_corners=False
    )
    rows = bilinear_rows(torch.arange(size * size), size, grid, torch.float64) @ tokens
    np.testing.assert_allclose(rows.numpy(), expected[0].flatten(1).T.numpy(), atol=1e-12)


@pytest.mark.parametrize("size", [4, 5, 16, 56, 224])
def test_pooling_windows_equal_the_mean_and_the_adaptive_mean(size: int) -> None:
    indices, weights = pooling_window(size, torch.float64)
    line = torch.randn(1, 1, size, dtype=torch.float64, generator=torch.Generator().manual_seed(size))
    expected = functional.adaptive_avg_pool1d(functional.avg_pool1d(line, 3, stride=1), size)[0, 0]
    np.testing.assert_allclose((line[0, 0][indices] * weights).sum(1).numpy(), expected.numpy(), atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 200), st.integers(3, 12))
def test_cloud_rows_equal_the_dense_computation(seed: int, count: int, centres: int) -> None:
    size = 24
    draw = np.random.default_rng(seed)
    pixels = np.sort(draw.choice(size * size, min(count, size * size), replace=False))
    points, middle = cloud(seed, len(pixels)), cloud(seed + 1, centres)
    tokens = torch.from_numpy(draw.uniform(0.5, 1.5, (centres, 4)))
    reached = torch.from_numpy(reached_pixels(pixels, size))
    matrix = cloud_rows(points, torch.from_numpy(pixels), reached, middle, size)
    padded = cloud_rows(points, torch.from_numpy(pixels), reached, middle, size, merged=False)
    dense = oracle.pool_3d(
        oracle.scatter(oracle.interpolate(points.numpy(), middle.numpy(), tokens.numpy()), pixels, size)
    )
    np.testing.assert_array_equal(reached.numpy(), np.flatnonzero(dense.any(2)))
    np.testing.assert_allclose((matrix @ tokens).numpy(), dense.reshape(-1, 4)[reached.numpy()], atol=1e-12)
    np.testing.assert_allclose((padded @ tokens).numpy(), (matrix @ tokens).numpy(), atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 6), st.integers(1, 9))
def test_sparse_rows_equal_a_dense_matrix(seed: int, rows: int, entries: int, width: int) -> None:
    draw = np.random.default_rng(seed)
    columns = draw.integers(0, width, (rows, entries))
    weights = draw.normal(size=(rows, entries)) * (draw.random((rows, entries)) < 0.7)
    dense = np.zeros((rows, width))
    np.add.at(dense, (np.arange(rows)[:, None], columns), weights)
    tokens = torch.from_numpy(draw.normal(size=(width, 5)))
    chosen = torch.from_numpy(draw.integers(0, rows, 7))
    middle = rows // 2
    for matrix in (
        SparseRows.from_padded(torch.from_numpy(columns), torch.from_numpy(weights), width),
        SparseRows.uniform(torch.from_numpy(columns), torch.from_numpy(weights)),
    ):
        product = dense @ tokens.numpy()
        np.testing.assert_allclose((matrix @ tokens).numpy(), product, atol=1e-12)
        np.testing.assert_allclose((matrix.rows(chosen) @ tokens).numpy(), product[chosen], atol=1e-12)
        np.testing.assert_allclose((matrix.slice(middle, rows + 3) @ tokens).numpy(), product[middle:], atol=1e-12)
        back = torch.from_numpy(draw.normal(size=(rows, 2)))
        np.testing.assert_allclose((matrix.transposed(width) @ back).numpy(), dense.T @ back.numpy(), atol=1e-12)
        assert torch.autograd.gradcheck(lambda dense, matrix=matrix: matrix @ dense, tokens.clone().requires_grad_())
