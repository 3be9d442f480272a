"""Arithmetic of intervals and of comparisons with the best, against what statistics knows in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.report.intervals import Difference, MeanOf, against_best, mean_interval, seed_interval
from harness.report.replicates import Resampled, degrees_of_freedom

DRAWS = 4000


def mean_of(value, spread, degrees=1e9, fewest=50, seed=0, fixed=0, categories=1):
    drawn = value + spread * np.random.default_rng(seed).normal(size=DRAWS)
    return MeanOf(value, drawn, degrees, fewest, fixed, categories)


def test_an_interval_over_seeds_is_that_of_the_t_test():
    values = [0.91, 0.93, 0.9, 0.94, 0.92]
    found = seed_interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.value == pytest.approx(0.92)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.high - found.low < (wider := seed_interval(values, 0.99)).high - wider.low
    with pytest.raises(ValueError, match="at least 2"):
        seed_interval([0.9])


@pytest.mark.parametrize("degrees", [4, 9, 24, 1e9])
def test_in_the_middle_an_interval_is_that_of_students_t(degrees):
    found = mean_interval(mean_of(0.5, 0.001, degrees))
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, degrees) * 0.001, rel=0.05)
    assert found.value - found.low == pytest.approx(found.high - found.value, rel=0.01)


@given(st.floats(0.001, 0.999), st.floats(1e-6, 0.3), st.floats(1, 200))
def test_an_interval_holds_its_value_and_stays_among_the_possible_ones(value, spread, degrees):
    found = mean_interval(mean_of(value, spread, degrees))
    assert 0 <= found.low <= value <= found.high <= 1


def test_near_one_an_interval_reaches_further_down_than_up():
    found = mean_interval(mean_of(0.97, 0.01))
    assert found.value - found.low > 1.5 * (found.high - found.value)


@pytest.mark.parametrize("pairs", [2, 5, 25])
def test_perfect_separation_has_the_bound_of_clopper_and_pearson(pairs):
    perfect = MeanOf(1.0, np.ones(DRAWS), pairs - 1, pairs, 1, 1)
    found = mean_interval(perfect, by_images=True)
    assert found.low == pytest.approx(stats.binomtest(pairs, pairs).proportion_ci(0.9, "exact").low)
    assert (found.value, found.high) == (1.0, 1.0)
    assert mean_interval(perfect) is None, "overlap of regions is no share of pairs of images"


def test_a_perfect_category_among_others_widens_the_mean():
    known = mean_of(0.97, 0.003, categories=4)
    without, with_perfect = (mean_interval(replace(known, fixed=fixed, fewest=25), by_images=True) for fixed in (0, 2))
    assert with_perfect.low == pytest.approx(without.low - 2 / 4 * (1 - 0.025 ** (1 / 50)))
    assert with_perfect.high == without.high


def test_numbers_that_never_move_and_are_not_perfect_have_no_interval():
    assert mean_interval(MeanOf(0.5, np.full(DRAWS, 0.5), 9, 10, 1, 1), by_images=True) is None


def test_degrees_of_freedom_are_those_of_the_kind_that_moves_the_metric():
    labels = np.arange(30) >= 10
    rng = np.random.default_rng(0)
    nominal, anomalous = np.where(labels, 0, rng.normal(size=30)), np.where(labels, rng.normal(size=30), 0)
    found = degrees_of_freedom(np.column_stack([nominal, anomalous, nominal + anomalous, 0 * nominal]), labels)
    assert found[[0, 1, 3]] == pytest.approx([9, 19, 9])
    assert 9 < found[2] < 28
    assert np.isnan(degrees_of_freedom(rng.normal(size=(3, 1)), np.array([False, True, True]))).all()


def test_categories_with_one_image_or_undefined_draws_give_nothing():
    fine = Resampled(np.random.default_rng(0).normal(size=50), 9.0, 10)
    assert MeanOf.of(0.5, [fine, fine]).degrees == pytest.approx(18)
    assert MeanOf.of(0.5, [fine, replace(fine, fewest=1)]) is None
    assert MeanOf.of(0.5, [fine, replace(fine, degrees=float("nan"))]) is None
    assert MeanOf.of(0.5, [fine, replace(fine, drawn=np.append(fine.drawn[1:], np.nan))]) is None


def test_two_means_are_compared_as_by_the_t_test():
    for gap, apart in ((0.0195, False), (0.022, True)):
        best, other = mean_of(0.9, 0.01 / 2**0.5, 24), mean_of(0.9 - gap, 0.01 / 2**0.5, 24, seed=1)
        (found,) = against_best([best, other])
        assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, 24) * 0.01, rel=0.05)
        assert found.tied is not apart


@pytest.mark.parametrize("count", [3, 7])
def test_equal_means_are_compared_as_by_tukeys_test(count):
    means = [mean_of(0.9 - 1e-6 * place, 0.01, seed=place) for place in range(count)]
    expected = stats.studentized_range.ppf(0.95, count, np.inf) * 0.01
    for found in against_best(means):
        assert found.tied
        assert found.high - found.value == pytest.approx(expected, rel=0.06)
        assert found.detectable > expected


def test_those_far_below_do_not_make_the_others_harder_to_tell_apart():
    close = [mean_of(0.9, 0.01), mean_of(0.87, 0.01, seed=1)]
    (alone,) = against_best(close)
    among, *far = against_best([*close, *(mean_of(0.5, 0.01, seed=place) for place in range(2, 9))])
    assert not alone.tied
    assert among == alone
    assert not any(difference.tied for difference in far)


@settings(deadline=None)
@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=6), st.integers(0, 99))
def test_the_order_of_the_others_and_a_shift_of_all_play_no_part(gaps, seed):
    means = [mean_of(0.9 - gap, 0.02, 20, seed=seed + place) for place, gap in enumerate([0.0, *gaps])]
    found = against_best(means)
    assert against_best([means[0], *means[:0:-1]]) == found[::-1]
    moved = against_best([replace(mean, value=mean.value - 0.1, drawn=mean.drawn - 0.1) for mean in means])
    assert [one.tied for one in moved] == [one.tied for one in found]
    nearer = sorted(zip(gaps, found, strict=True), key=lambda pair: pair[0])
    assert all(one.low <= one.value <= one.high for _, one in nearer)
    assert all(abs(one.value + gap) < 1e-9 for gap, one in nearer)


def test_means_that_never_differ_have_no_detectable_difference():
    same = mean_of(0.9, 0.01)
    assert against_best([same, same]) == [Difference(0.0, 0.0, 0.0, None)]
    assert against_best([same, same])[0].tied


def test_a_detectable_difference_is_detected_four_times_in_five():
    rng = np.random.default_rng(0)
    spread = 0.01 / 2**0.5
    first, second = (mean_of(0.9, spread, seed=seed) for seed in (0, 1))
    (found,) = against_best([first, second])
    seen = 0
    for truth in found.detectable + 0.01 * rng.normal(size=400):
        (one,) = against_best([first, replace(second, value=first.value - abs(truth))])
        seen += not one.tied
    assert 0.74 < seen / 400 < 0.86
