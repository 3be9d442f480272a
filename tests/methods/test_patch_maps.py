"""Pooling to a grid, and maps from a grid."""

from __future__ import annotations

import numpy as np
import oracle_btf as oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from methods.parts.patch_maps import grid_rows, patch_map, pil_blur, pool_to_grid


@settings(max_examples=30, deadline=None)
@given(height=st.integers(3, 20), width=st.integers(3, 20), grid=st.integers(1, 24), seed=st.integers(0, 99))
def test_pooling_equals_the_oracle(height: int, width: int, grid: int, seed: int) -> None:
    image = np.random.default_rng(seed).standard_normal((height, width, 3))
    pooled = pool_to_grid(torch.from_numpy(image).permute(2, 0, 1), grid)
    np.testing.assert_allclose(pooled, oracle.pool(image, grid), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(size=st.integers(3, 24), grid=st.integers(1, 26), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_pooling_points_equals_pooling_their_image(size: int, grid: int, share: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    pixels = np.sort(draw.permutation(size * size)[: round(share * size * size)])
    values = draw.standard_normal((len(pixels), 4))
    image = np.zeros((size * size, 4))
    image[pixels] = values
    rows = grid_rows(torch.from_numpy(pixels), size, grid, torch.float64)
    expected = oracle.pool(image.reshape(size, size, 4), grid)
    np.testing.assert_allclose(rows @ torch.from_numpy(values), expected, atol=1e-12)


@pytest.mark.parametrize(("grid", "size"), [(4, 30), (28, 224), (5, 5)])
def test_a_map_is_bilinear(grid: int, size: int) -> None:
    distances = np.random.default_rng(0).random(grid * grid)
    expected = oracle.upsample(distances.reshape(grid, grid, 1), size)[..., 0]
    np.testing.assert_allclose(patch_map(torch.from_numpy(distances), size), expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-3, 7.3, 1e4])
def test_the_blur_equals_the_oracle(dtype: torch.dtype, scale: float) -> None:
    distances = scale * torch.rand(49, generator=torch.Generator().manual_seed(1), dtype=dtype)
    blurred = pil_blur(patch_map(distances, 64))
    assert blurred.dtype == torch.float32
    np.testing.assert_allclose(blurred, oracle.blurred_map(distances.double().numpy(), 64), atol=scale / 255 + 1e-6)
    mean_error = np.abs(blurred.numpy() - oracle.blurred_map(distances.double().numpy(), 64)).mean()
    assert mean_error < 1e-4 * scale


def test_the_blur_is_nearly_a_gaussian_of_sigma_4_with_256_levels() -> None:
    image = torch.zeros(80, 80)
    image[30:50, 20:60] = 3.0
    blurred = pil_blur(image)
    assert np.abs(blurred.numpy() - gaussian_filter(image.numpy(), 4)).max() < 0.05 * 3
    assert len(torch.unique(blurred)) <= 256


def test_a_map_of_zeros_stays_zero() -> None:
    assert torch.equal(pil_blur(torch.zeros(20, 30, dtype=torch.float64)), torch.zeros(20, 30))
