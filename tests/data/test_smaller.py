"""Coarser grids keep what they can of an image, a cloud and a mask."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.data.smaller import average, nearest, nearest_mask, size_within

SIDES = st.integers(1, 60)
MOST = st.integers(1, 60)


@given(SIDES, SIDES, MOST)
def test_the_longer_side_has_as_many_pixels_as_may_be_and_no_image_grows(height: int, width: int, most: int) -> None:
    size = size_within(height, width, most)
    assert max(size) == min(max(height, width), most)
    assert all(1 <= new <= old for new, old in zip(size, (height, width), strict=True))


@given(SIDES, SIDES, MOST, st.randoms(use_true_random=False))
def test_a_mask_is_empty_only_where_it_was(height: int, width: int, most: int, random) -> None:
    mask = np.zeros((height, width), np.bool_)
    size = size_within(height, width, most)
    assert not nearest_mask(mask, size).any()
    row, column = random.randrange(height), random.randrange(width)
    mask[row, column] = True
    assert nearest_mask(mask, size).sum() == 1
    assert nearest_mask(np.ones_like(mask), size).all()


@given(SIDES, SIDES, MOST)
def test_points_are_those_of_the_file_in_their_order(height: int, width: int, most: int) -> None:
    grid = np.stack(np.mgrid[:height, :width], -1)
    taken = nearest(grid, size_within(height, width, most))
    assert (np.diff(taken[:, 0, 0]) > 0).all()
    assert (np.diff(taken[0, :, 1]) > 0).all()
    middle = taken.reshape(-1, 2).mean(0)
    assert np.abs(middle - (np.array([height, width]) - 1) / 2).max() <= 1


def test_colours_are_means_of_areas() -> None:
    rgb = np.zeros((4, 8, 3), np.uint8)
    rgb[:, ::2] = 200
    assert (average(rgb, (2, 4)) == 100).all()
    assert average(rgb, (4, 8)) is rgb
