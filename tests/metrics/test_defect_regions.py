"""Regions of a map are found, and their boxes lie where the marked pixels are in the image that was given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.smaller import nearest, size_within
from harness.geometry import resize_nearest, square_pad
from harness.metrics.regions import ImageFrame, peak_of, regions_above

SIZE = 224


def test_regions_that_touch_are_one_and_come_by_their_peak() -> None:
    values = np.zeros((SIZE, SIZE), np.float32)
    values[10:20, 30:50] = 2
    values[20:22, 50:52] = 3  # touches the first at a corner
    values[100, 200] = 5
    values[150:160, 20] = 1
    found = regions_above(values, 1.0, ImageFrame.of(SIZE, SIZE))
    assert [(one.box, one.area, one.peak) for one in found] == [
        ((200, 100, 201, 101), 1, 5.0),
        ((30, 10, 52, 22), 204, 3.0),
    ]
    assert regions_above(values, 5.0, ImageFrame.of(SIZE, SIZE)) == ()


@settings(max_examples=60)
@given(
    height=st.integers(40, 700),
    width=st.integers(40, 700),
    most=st.sampled_from([0, 100, 300]),
    top=st.integers(0, 20),
    data=st.data(),
)
def test_a_box_holds_what_is_marked_in_the_image(height: int, width: int, most: int, top: int, data) -> None:
    """A rectangle goes the way of an image: smaller, padded, resized. The box is the rectangle but for the grid."""
    used = size_within(height, width, most or max(height, width))
    step = max(used) / SIZE * max(height / used[0], width / used[1]) + max(height / used[0], width / used[1])
    first = data.draw(st.integers(0, height - 20)), data.draw(st.integers(0, width - 20))
    last = tuple(data.draw(st.integers(place + 12, most)) for place, most in zip(first, (height, width), strict=True))
    marked = np.zeros((height, width), np.float32)
    marked[first[0] : last[0], first[1] : last[1]] = 1
    values = resize_nearest(square_pad(nearest(marked, used)), SIZE)
    frame = ImageFrame(used, (height, width), top)
    found = regions_above(values, 0.5, frame)
    assert len(found) == 1
    left, above, right, below = found[0].box
    assert (left, right) == pytest.approx((first[1], last[1]), abs=step + 1)
    assert (above - top, below - top) == pytest.approx((first[0], last[0]), abs=step + 1)
    assert 0 <= left < right <= width
    assert top <= above < below <= top + height
    sides = [end - start for start, end in zip(first, last, strict=True)]
    assert abs(found[0].area - np.prod(sides)) <= 2 * (step + 1) * (sum(sides) + 2 * step)


def test_what_makes_an_image_a_square_is_no_region() -> None:
    frame = ImageFrame.of(100, 200)
    values = np.ones((SIZE, SIZE), np.float32)
    values[:20] = 9
    (whole,) = regions_above(values, 0.5, frame)
    assert (whole.box, whole.area) == ((0, 0, 200, 100), 20_000)
    assert (whole.peak, peak_of(values, frame)) == (1.0, 1.0)
