"""AUPRO against oracles that follow its definition: fractions for the exact area, thresholded maps for the official."""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.metrics import aupro, aupro_official, pixel_auroc

LIMITS = st.sampled_from([0.01, 0.05, 0.1, 0.3, 0.5, 0.77, 1.0])


@st.composite
def cases(draw, scores=None):
    """Maps with or without ties, and masks with at least one pixel of each kind."""
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6)))
    tied = arrays(np.float64, shape, elements=st.integers(-2, 3))
    free = arrays(np.float64, shape, elements=st.floats(-1e6, 1e6))
    maps = draw(tied | free) if scores is None else draw(arrays(np.float64, shape, elements=scores))
    masks = draw(arrays(np.bool_, shape))
    assume(masks.any() and not masks.all())
    return maps, masks


def components(mask):
    """8-connected components as lists of pixels, by flood fill."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    found = []
    while left:
        grown, frontier = [], [left.pop()]
        while frontier:
            y, x = frontier.pop()
            grown.append((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            frontier += near
        found.append(grown)
    return found


def split(maps, masks):
    """Scores of each component, and of all normal pixels."""
    regions = [[image[p] for p in c] for image, mask in zip(maps, masks, strict=True) for c in components(mask)]
    return regions, [float(v) for v in maps[~masks]]


def fraction_at_least(scores, threshold):
    return Fraction(int(np.sum(np.array(scores) >= threshold)), len(scores))


def exact_oracle(maps, masks, limit):
    """The area under the full curve over all distinct thresholds, in fractions."""
    regions, normal = split(maps, masks)
    points = [(Fraction(0), Fraction(0))]
    for threshold in sorted(set(maps.ravel()), reverse=True):
        overlaps = [fraction_at_least(scores, threshold) for scores in regions]
        points.append((fraction_at_least(normal, threshold), sum(overlaps) / len(overlaps)))
    end, area = Fraction(limit), Fraction(0)
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 >= end:
            break
        if x1 > end:
            x1, y1 = end, y0 + (y1 - y0) * (end - x0) / (x1 - x0)
        area += (x1 - x0) * (y0 + y1) / 2
    return float(area / end)


def official_oracle(maps, masks, limit, num_thresholds):
    """Thresholds by rank, one thresholded stack of maps for each."""
    regions, normal = split(maps, masks)
    normal = sorted(normal)
    curve = [(1.0, 1.0)]
    for position in np.linspace(0, len(normal) - 1, num_thresholds, dtype=int):
        overlaps = [np.mean([score > normal[position] for score in scores]) for scores in regions]
        curve.append((1.0 - (position + 1) / len(normal), float(np.mean(overlaps))))
    x, y = zip(*curve[::-1], strict=True)
    stop = bisect_left(x, limit)
    if x[stop] == limit:
        ends = y[stop]
    else:
        ends = y[stop - 1] + (y[stop] - y[stop - 1]) * (limit - x[stop - 1]) / (x[stop] - x[stop - 1])
    return float(np.trapezoid([*y[:stop], ends], [*x[:stop], limit])) / limit


@given(cases(), LIMITS)
def test_exact_area_equals_the_full_curve_in_fractions(case, limit):
    assert aupro(*case, limit) == pytest.approx(exact_oracle(*case, limit), abs=1e-9)


@given(cases(), LIMITS, st.sampled_from([2, 3, 7, 99, 100]))
def test_official_area_equals_the_threshold_loop(case, limit, num_thresholds):
    expected = official_oracle(*case, limit, num_thresholds)
    assert aupro_official(*case, limit, num_thresholds) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("levels", [None, 40])
def test_larger_maps_agree_with_both_oracles(levels):
    rng = np.random.default_rng(3)
    maps = rng.random((4, 24, 20)) if levels is None else rng.integers(0, levels, (4, 24, 20)).astype(float)
    masks = np.zeros(maps.shape, bool)
    masks[0, 3:9, 4:8] = masks[1, 15:17, 1:19] = masks[1, 2, 2] = masks[3, 20:, 15:] = True
    for limit in (0.01, 0.3):
        assert aupro(maps, masks, limit) == pytest.approx(exact_oracle(maps, masks, limit), abs=1e-9)
        expected = official_oracle(maps, masks, limit, 99)
        assert aupro_official(maps, masks, limit) == pytest.approx(expected, abs=1e-12)


def test_one_percent_official_is_two_points_of_the_curve():
    rng = np.random.default_rng(0)
    masks = np.zeros((5, 50, 50), bool)
    masks[0, 5:15, 5:15] = masks[1, 20:25, 30:36] = True
    masks[3, 40:, :12] = True
    extra = (~masks).sum() % 98
    masks[4].ravel()[:extra] = True
    maps = rng.random(masks.shape) + 0.3 * masks
    regions, normal = split(maps, masks)
    assert len(normal) % 98 == 0
    highest_first = np.sort(normal)[::-1]

    def pro(false_positives):
        return np.mean([np.mean(np.array(scores) > highest_first[false_positives]) for scores in regions])

    first, second = pro(0), pro(len(normal) // 98)
    assert 0 < first < second < 1
    assert aupro_official(maps, masks, 0.01) == pytest.approx(0.51 * first + 0.49 * second, abs=1e-12)


def test_official_is_below_exact_where_detections_lie_inside_one_percent():
    rng = np.random.default_rng(1)
    masks = np.zeros((4, 100, 100), bool)
    masks[:, 40:50, 40:50] = True
    maps = rng.random(masks.shape)
    maps[masks] = 0.995
    assert aupro(maps, masks, 0.01) == pytest.approx(0.5, abs=0.05)
    assert aupro_official(maps, masks, 0.01) == pytest.approx(0.49, abs=2e-3)
    maps[masks] = 0.9999
    assert aupro(maps, masks, 0.01) > 0.95
    assert aupro_official(maps, masks, 0.01) < 0.5


@given(cases(), LIMITS)
def test_areas_lie_between_zero_and_one(case, limit):
    assert 0 <= aupro(*case, limit) <= 1
    assert 0 <= aupro_official(*case, limit) <= 1


@given(cases(), LIMITS)
def test_perfect_and_inverted_maps(case, limit):
    _, masks = case
    assert aupro(masks.astype(np.float32), masks, limit) == pytest.approx(1, abs=1e-15)
    assert aupro_official(masks, masks, limit) == pytest.approx(1, abs=1e-15)
    assert aupro(~masks, masks, limit) == pytest.approx(0, abs=1e-15)


@given(cases(), LIMITS)
def test_a_constant_map_is_the_diagonal(case, limit):
    _, masks = case
    assert aupro(np.full(masks.shape, 7.0), masks, limit) == pytest.approx(limit / 2, abs=1e-12)


@given(cases(scores=st.integers(0, 9)), st.lists(st.floats(-1e9, 1e9), min_size=10, max_size=10, unique=True), LIMITS)
def test_strictly_increasing_transforms_change_nothing(case, table, limit):
    maps, masks = case
    moved = np.sort(table)[maps.astype(int)]
    assert aupro(moved, masks, limit) == aupro(maps, masks, limit)
    assert aupro_official(moved, masks, limit) == aupro_official(maps, masks, limit)
    assert pixel_auroc(moved, masks) == pixel_auroc(maps, masks)


@given(cases(), LIMITS, st.randoms(use_true_random=False))
def test_order_and_orientation_of_images_change_nothing(case, limit, random):
    maps, masks = case
    order = list(range(len(maps)))
    random.shuffle(order)
    moved = maps[order][:, ::-1].transpose(0, 2, 1), masks[order][:, ::-1].transpose(0, 2, 1)
    assert aupro(*moved, limit) == pytest.approx(aupro(maps, masks, limit), abs=1e-12)
    assert aupro_official(*moved, limit) == pytest.approx(aupro_official(maps, masks, limit), abs=1e-12)


@given(cases())
def test_negated_maps_mirror_the_area_under_the_whole_curve(case):
    maps, masks = case
    assert aupro(-maps, masks, 1.0) == pytest.approx(1 - aupro(maps, masks, 1.0), abs=1e-12)


@given(cases())
def test_the_whole_curve_is_the_mean_auroc_of_components(case):
    maps, masks = case
    regions, normal = split(maps, masks)
    areas = [
        np.mean([(s > n) + (s == n) / 2 for s in scores for n in np.array(normal)], dtype=float) for scores in regions
    ]
    assert aupro(maps, masks, 1.0) == pytest.approx(np.mean(areas), abs=1e-9)


@settings(max_examples=40)
@given(st.integers(2, 6), st.data())
def test_with_single_pixel_components_the_whole_curve_is_p_auroc(size, data):
    maps = data.draw(arrays(np.float32, (2, size, size), elements=st.integers(0, 5)))
    masks = np.zeros(maps.shape, bool)
    masks[:, ::2, ::2] = True
    assert aupro(maps, masks, 1.0) == pytest.approx(pixel_auroc(maps, masks), abs=1e-12)


def test_components_touch_across_corners_but_not_across_images():
    maps = np.array([[[9.0, 0, 0], [0, 0, 0], [0, 0, 1]], [[0, 0, 0], [0, 0, 0], [0, 0, 2]]])
    corner = np.zeros((2, 3, 3), bool)
    corner[0, 0, 0] = corner[0, 1, 1] = True
    apart = np.zeros((2, 3, 3), bool)
    apart[0, 0, 0] = apart[1, 1, 1] = True
    for masks in (corner, apart):
        assert aupro(maps, masks, 0.1) == pytest.approx(exact_oracle(maps, masks, 0.1), abs=1e-12)
    corner[0, 2, 2] = True
    assert aupro(maps, corner, 0.01) == pytest.approx(1 / 3)
    apart[0, 0, 1] = True
    assert aupro(maps, apart, 0.01) == pytest.approx(1 / 4)


@pytest.mark.parametrize("limit", [0, -0.1, 1.0001, float("nan"), float("inf")])
@pytest.mark.parametrize("metric", [aupro, aupro_official])
def test_limits_outside_zero_to_one_are_refused(metric, limit):
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\]"):
        metric(np.eye(3)[None], np.eye(3, dtype=bool)[None], limit)


def test_a_curve_needs_two_thresholds():
    with pytest.raises(ValueError, match="at least 2"):
        aupro_official(np.eye(3)[None], np.eye(3, dtype=bool)[None], 0.3, num_thresholds=1)


@pytest.mark.parametrize("value", [False, True])
def test_undefined_areas_are_nan(value):
    maps, masks = np.ones((2, 3, 3)), np.full((2, 3, 3), value)
    assert np.isnan(aupro(maps, masks, 0.3))
    assert np.isnan(aupro_official(maps, masks, 0.3))
