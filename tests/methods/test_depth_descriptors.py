"""Hand-crafted descriptors of depth against direct implementations for each pixel."""

from __future__ import annotations

import sys

import numpy as np
import oracle_btf as oracle
import pytest
import torch

from harness.contract import UnsupportedError
from methods.parts.depth_descriptors import dense_sift, hog_patches, raw_patches, sift_patches


def depth_image(size: int, seed: int = 0) -> np.ndarray:
    """A wavy surface half a metre away, with holes."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    depth = 0.5 + 0.05 * np.sin(7 * x + 3 * y) + 0.02 * np.cos(11 * y) + 1e-3 * draw.random((size, size))
    depth[draw.random((size, size)) < 0.05] = 0
    return depth.astype(np.float32)


def test_histograms_of_gradients_equal_the_oracle() -> None:
    depth = depth_image(56)
    np.testing.assert_allclose(hog_patches(depth, 7), oracle.hog(depth.astype(float), 8), atol=1e-4)


def test_dense_sift_equals_the_oracle() -> None:
    depth = depth_image(26)
    described = dense_sift(torch.from_numpy(depth)).permute(1, 2, 0)
    expected = oracle.dense_sift(depth.astype(float))
    np.testing.assert_allclose(described, expected, atol=1e-4)
    np.testing.assert_allclose(sift_patches(depth, 5), oracle.pool(expected, 5), atol=1e-4)


def test_raw_patches_are_runs_of_pixels_in_code_and_squares_otherwise() -> None:
    depth = np.arange(224 * 224, dtype=np.float32).reshape(224, 224)
    runs, squares = raw_patches(depth, 28, "code"), raw_patches(depth, 28, "patches")
    assert runs.shape == squares.shape == (784, 64)
    np.testing.assert_array_equal(runs[29], np.arange(29 * 64, 30 * 64))
    np.testing.assert_array_equal(squares[29], depth[8:16, 8:16].ravel())


def test_missing_scikit_image_is_an_error_with_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "skimage"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'ad3d-harness\[btf\]'"):
        hog_patches(depth_image(16), 2)
