"""Gap filling without a loop over pixels equals the loop."""

from __future__ import annotations

import numpy as np
import oracle_ast as oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch._subclasses.fake_tensor import FakeTensorMode

from methods.parts import gap_filling

SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=3, max_side=12)


def fill_gaps(depth: np.ndarray, passes: int = 3, closed: np.ndarray | None = None) -> np.ndarray:
    """Fill on a CPU; every device adds in the same order."""
    mask = None if closed is None else torch.from_numpy(closed)
    return gap_filling.fill_gaps(torch.from_numpy(depth), passes=passes, closed=mask).numpy()


DEPTHS = st.one_of(st.just(0.0), st.floats(-1, 2, width=32))


@settings(max_examples=150, deadline=None)
@given(depth=SHAPES.flatmap(lambda shape: arrays(np.float64, shape, elements=DEPTHS)), passes=st.integers(0, 4))
def test_any_depth_image_is_filled_as_by_the_loop(depth: np.ndarray, passes: int) -> None:
    np.testing.assert_allclose(fill_gaps(depth, passes=passes), oracle.fill_gaps(depth, passes), rtol=1e-12, atol=0)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), shape=SHAPES)
def test_closed_pixels_are_not_filled(data: st.DataObject, shape: tuple[int, int]) -> None:
    depth = data.draw(arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.0, 0.4, 0.5])))
    closed = data.draw(arrays(np.bool_, shape))
    filled = fill_gaps(depth, closed=closed)
    np.testing.assert_allclose(filled, oracle.fill_gaps(depth, closed=closed), rtol=1e-12, atol=0)
    np.testing.assert_array_equal(filled[closed], depth[closed])


def test_a_pass_reads_the_values_of_the_previous_pass_and_never_fills_the_first_row_and_column() -> None:
    depth = np.zeros((5, 7))
    depth[2, 1] = 2.0
    once, twice = fill_gaps(depth, passes=1), fill_gaps(depth, passes=2)
    assert (once[1:4, 1:3] == 2).all()
    assert np.count_nonzero(once) == 6
    assert (twice[1:5, 1:4] == 2).all()
    assert np.count_nonzero(twice) == 12
    assert np.count_nonzero(depth) == 1


def test_a_whole_image_at_native_size_is_filled_as_by_the_loop() -> None:
    draw = np.random.default_rng(0)
    depth = np.where(draw.random((160, 200)) < 0.4, 0, draw.uniform(0.4, 0.6, (160, 200)))
    depth[40:60, 80:120] = 0
    filled = fill_gaps(depth)
    np.testing.assert_allclose(filled, oracle.fill_gaps(depth), rtol=1e-12, atol=0)
    assert (filled[45:55, 85:115] == 0).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_device_fills_with_the_same_bits_and_waits_for_nothing() -> None:
    draw = np.random.default_rng(1)
    depth = torch.from_numpy(np.where(draw.random((160, 200)) < 0.4, 0, draw.uniform(0.4, 0.6, (160, 200))))
    given_depth = depth.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        filled = gap_filling.fill_gaps(given_depth)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(filled.cpu(), gap_filling.fill_gaps(depth))


def test_filling_on_a_device_reads_no_value_from_it() -> None:
    with FakeTensorMode():
        filled = gap_filling.fill_gaps(torch.empty(9, 12, dtype=torch.float64, device="cuda"))
    assert filled.shape == (9, 12)
