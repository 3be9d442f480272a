from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.report.figures.placement import distances, place_labels

BOUNDS = (0.0, 0.0, 800.0, 650.0)
GAP = 5.0


def numbers(low, high):
    return st.floats(low, high, allow_nan=False)


@st.composite
def crowds(draw):
    """Markers anywhere, also on top of each other, with labels as wide as ours."""
    count = draw(st.integers(1, 14))
    discs = [(draw(numbers(40, 760)), draw(numbers(40, 610)), draw(numbers(3, 35))) for _ in range(count)]
    sizes = [(draw(numbers(40, 160)), 26.0) for _ in range(count)]
    return discs, sizes


def inside(boxes):
    return (boxes[:, :2] >= BOUNDS[:2]).all() and (boxes[:, 2:] <= BOUNDS[2:]).all()


def holds(discs, boxes):
    apart = all((np.maximum(a[:2], b[:2]) >= np.minimum(a[2:], b[2:])).any() for a, b in combinations(boxes, 2))
    discs = np.array(discs)
    return apart and inside(boxes) and (distances(boxes[:, None], discs[:, :2]) >= discs[:, 2]).all()


@settings(max_examples=40, deadline=None)
@given(crowds())
def test_no_label_is_over_a_label_or_a_marker_or_out_of_bounds(crowd):
    discs, sizes = crowd
    boxes, _ = place_labels(discs, sizes, BOUNDS, gap=GAP)
    assert holds(discs, boxes)
    assert boxes[:, 2:] - boxes[:, :2] == pytest.approx(np.array(sizes))


def test_a_lonely_label_stands_right_of_its_marker():
    ((left, bottom, *_),), (far,) = place_labels([(400, 300, 10)], [(80, 20)], BOUNDS, gap=GAP)
    assert (left, bottom) == (pytest.approx(415), pytest.approx(290))
    assert not far


def test_at_the_right_edge_it_goes_to_another_side():
    boxes, _ = place_labels([(790, 300, 5)], [(80, 20)], BOUNDS, gap=GAP)
    assert inside(boxes)


def test_labels_of_markers_on_one_spot_are_apart_and_those_far_away_have_a_line():
    discs = [(400, 300, 12)] * 12
    boxes, far = place_labels(discs, [(120, 26)] * 12, BOUNDS, gap=GAP)
    assert holds(discs, boxes)
    assert far.any()


def test_a_label_keeps_off_a_line():
    avoid = [(400.0 + step, 300.0) for step in range(10, 120, 5)]
    boxes, _ = place_labels([(400, 300, 10)], [(80, 20)], BOUNDS, gap=GAP, avoid=avoid)
    assert distances(boxes, np.array(avoid)).min() > 0


@given(numbers(-50, 50), numbers(-50, 50))
def test_the_distance_to_a_box_is_that_to_its_nearest_point(x, y):
    nearest = min(max(x, -10), 20), min(max(y, -5), 8)
    away = distances(np.array([-10, -5, 20, 8]), np.array([x, y]))
    assert away == pytest.approx(np.hypot(x - nearest[0], y - nearest[1]))
