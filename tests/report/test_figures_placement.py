from itertools import combinations
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.report.figures.placement import Box, Disc, place_labels

BOUNDS = Box(0, 0, 800, 650)
GAP = 5.0


def numbers(low, high):
    return st.floats(low, high, allow_nan=False)


@st.composite
def crowds(draw):
    """Markers anywhere, also on top of each other, with labels as wide as ours."""
    count = draw(st.integers(1, 14))
    discs = [Disc(draw(numbers(40, 760)), draw(numbers(40, 610)), draw(numbers(3, 35))) for _ in range(count)]
    sizes = [(draw(numbers(40, 160)), 26.0) for _ in range(count)]
    return discs, sizes


def holds(discs, places):
    boxes = [place.box for place in places]
    apart = all(one.overlap(other) == 0 for one, other in combinations(boxes, 2))
    free = all(box.distance(disc.x, disc.y) >= disc.radius for box in boxes for disc in discs)
    return apart and free and all(box.inside(BOUNDS) for box in boxes)


@settings(max_examples=40, deadline=None)
@given(crowds())
def test_no_label_is_over_a_label_or_a_marker_or_out_of_bounds(crowd):
    discs, sizes = crowd
    places = place_labels(discs, sizes, BOUNDS, gap=GAP)
    assert holds(discs, places)
    assert [(p.box.right - p.box.left, p.box.top - p.box.bottom) for p in places] == [
        (pytest.approx(wide), pytest.approx(tall)) for wide, tall in sizes
    ]


def test_a_lonely_label_stands_right_of_its_marker():
    (place,) = place_labels([Disc(400, 300, 10)], [(80, 20)], BOUNDS, gap=GAP)
    assert (place.box.left, place.box.bottom) == (pytest.approx(415), pytest.approx(290))
    assert not place.leader


def test_at_the_right_edge_it_goes_to_another_side():
    (place,) = place_labels([Disc(790, 300, 5)], [(80, 20)], BOUNDS, gap=GAP)
    assert place.box.inside(BOUNDS)


def test_labels_of_markers_on_one_spot_are_apart_and_those_far_away_have_a_line():
    discs = [Disc(400, 300, 12)] * 12
    places = place_labels(discs, [(120, 26)] * 12, BOUNDS, gap=GAP)
    assert holds(discs, places)
    assert any(place.leader for place in places)


def test_a_label_keeps_off_a_line():
    avoid = [(400.0 + step, 300.0) for step in range(10, 120, 5)]
    (place,) = place_labels([Disc(400, 300, 10)], [(80, 20)], BOUNDS, gap=GAP, avoid=avoid)
    assert min(place.box.distance(x, y) for x, y in avoid) > 0


@given(numbers(-50, 50), numbers(-50, 50))
def test_the_distance_to_a_box_is_that_to_its_nearest_point(x, y):
    box = Box(-10, -5, 20, 8)
    nearest = box.nearest(x, y)
    grid = ((-10 + 30 * i / 60, -5 + 13 * j / 26) for i in range(61) for j in range(27))
    least = min(((x - a) ** 2 + (y - b) ** 2) ** 0.5 for a, b in grid)
    assert box.distance(x, y) <= least + 1e-9 < inf
    assert box.distance(x, y) == pytest.approx(((x - nearest[0]) ** 2 + (y - nearest[1]) ** 2) ** 0.5)
