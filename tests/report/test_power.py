"""How many test images a difference needs: against closed forms, and against test sets of that size."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, inf, sqrt

import numpy as np
import pytest
from bench.simulated_sets import TestSet, auroc_pairs, overlap_pairs
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.report.intervals import Difference, MeanOf, against_best
from harness.report.power import FEW_IMAGES, Comparison, images_needed, images_text, rounded_up

Z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
SIZES = (25, 40)
BASE = 0.8


def with_lead(rng, sizes, lead):
    """Return pairs in order of two methods, the first better by a lead; both find half of what is hard equally hard."""
    labels = np.arange(sum(sizes)) >= sizes[0]
    shared = rng.normal(size=labels.size)
    tables = []
    for truth in (BASE + lead, BASE):
        scores = sqrt(0.5) * (shared + rng.normal(size=labels.size)) + sqrt(2) * stats.norm.ppf(truth) * labels
        tables.append((scores[~labels, np.newaxis] < scores[labels]).astype(np.float64))
    return tables


def means_of(images, tables):
    """Return the means over categories of two methods, from a table of each in each category."""
    values = np.mean([[table.mean() for table in pair] for pair in tables], axis=0)
    return [MeanOf.of(float(values[place]), [images.resampled(pair[place]) for pair in tables]) for place in (0, 1)]


def told(means):
    """Return the difference of two methods, the better one first, and whether the first is found to be ahead."""
    best, other = sorted(means, key=lambda mean: -mean.value)
    (found,) = against_best([best, other])
    return found, best is means[0] and not found.tied


def test_with_many_images_the_number_is_that_of_the_normal_test():
    comparison = Comparison(0.02, stats.norm.ppf(0.975), inf, 0.95)
    assert comparison.times_as_many(0.01) == pytest.approx((Z * 2) ** 2)
    assert images_needed(comparison, -0.01, 100, 50) == rounded_up(100 * (Z * 2) ** 2)


@given(st.floats(1e-4, 0.2), st.floats(1.9, 4), st.floats(9, 500), st.floats(0.01, 1.0))
def test_on_as_many_images_the_difference_is_detectable(spread, quantile, degrees, share):
    comparison = Comparison(spread, quantile, degrees, 0.95)
    difference = share * comparison.detectable()
    assert comparison.detectable(comparison.times_as_many(difference)) == pytest.approx(difference, rel=0.01)


@given(st.floats(0.001, 0.3), st.floats(0.001, 0.3), st.floats(9, 99))
def test_a_smaller_difference_needs_more_images(first, second, degrees):
    comparison = Comparison(0.1, 2.0, degrees, 0.95)
    numbers = [comparison.times_as_many(difference) for difference in sorted((first, second))]
    assert numbers[0] >= numbers[1] >= 1


@pytest.mark.parametrize(("difference", "fewest"), [(0.0, 50), (1e-17, 50), (0.01, FEW_IMAGES - 1)])
def test_nothing_is_said_of_equal_numbers_and_of_few_images(difference, fewest):
    assert images_needed(Comparison(0.02, 2.0, 30, 0.95), difference, 100, fewest) is None
    assert images_text(None) == "cannot be said"


@pytest.mark.parametrize(("value", "why"), [(0.0, "equal"), (1e-17, "equal"), (-0.01, "fewer than 10 images")])
def test_it_is_said_why_nothing_can_be_said(value, why):
    assert why in Difference(value, -0.1, 0.1, 0.2, 100).why_unsaid
    assert Difference(value, -0.1, 0.1, 0.2, 100, 1300).why_unsaid == ""
    assert Difference(-0.2, -0.3, -0.1, 0.2, 100).why_unsaid == "", "no tie"


def test_numbers_have_two_digits_and_an_end():
    assert [rounded_up(number) for number in (3.01, 12.0, 121, 1299, 99.5)] == [3.1, 12, 130, 1300, 100]
    assert images_text(1300) == "about 1,300"
    assert images_text(100_000) == "about 100,000"
    assert images_text(110_000) == "more than 100,000"


@pytest.mark.parametrize("categories", [1, 4])
def test_the_median_is_that_of_the_true_variance_of_an_auroc(categories):
    """The variance is that over many test sets; most pairs of methods are tied, the others need no further image."""
    lead, reference = 0.05 / sqrt(categories), (80, 120)
    rng = np.random.default_rng(0)
    pairs = [with_lead(rng, reference, lead) for _ in range(2000)]
    spread = np.std([first.mean() - second.mean() for first, second in pairs])
    expected = sum(reference) * (Z * spread / lead) ** 2
    images, lead_of = TestSet(*SIZES), []
    for _ in range(60):
        means = means_of(images, [with_lead(rng, SIZES, lead) for _ in range(categories)])
        (found,) = against_best([means[0], replace(means[1], value=means[0].value - lead)])
        lead_of.append(found.images_needed)
    assert np.median(lead_of) == pytest.approx(expected, rel=0.25)


def test_the_median_is_that_of_the_measured_difference_too():
    """Observed differences scatter around the true one; one that is no tie needs no further image."""
    lead, rng = 0.08, np.random.default_rng(1)
    spread = np.std([np.subtract(*(pair.mean() for pair in with_lead(rng, (80, 120), lead))) for _ in range(2000)])
    expected = 200 * (Z * spread / lead) ** 2
    images = TestSet(*SIZES)
    found = [told(means_of(images, [with_lead(rng, SIZES, lead)]))[0] for _ in range(120)]
    numbers = [one.images_needed if one.tied else one.images for one in found]
    assert expected > 2.1 * sum(SIZES), "half of the test sets show a tie"
    assert np.median([number or inf for number in numbers]) == pytest.approx(expected, rel=0.25)


def test_a_metric_of_pixels_needs_what_the_variance_of_its_overlaps_says():
    """Nominal images play no part in it, so its variance is that of a mean over anomalous ones."""
    rng, gap = np.random.default_rng(2), 0.01
    first, second = overlap_pairs(rng, (2, 20_000), 0.9, 2)
    spread = (first[0] - second[0]).std()
    expected = sum(SIZES) / SIZES[1] * (Z * spread / gap) ** 2
    images, numbers = TestSet(*SIZES), []
    for _ in range(60):
        best, other = means_of(images, [overlap_pairs(rng, SIZES, 0.9, 2)])
        (found,) = against_best([best, replace(other, value=best.value - gap)])
        numbers.append(found.images_needed)
    assert np.median(numbers) == pytest.approx(expected, rel=0.25)


def test_on_that_many_images_the_lead_is_found_four_times_in_five():
    lead, rng = 0.1, np.random.default_rng(3)
    images, numbers = TestSet(*SIZES), []
    for _ in range(40):
        best, other = means_of(images, [with_lead(rng, SIZES, lead)])
        (found,) = against_best([best, replace(other, value=best.value - lead)])
        numbers.append(found.images_needed or found.images)
    times = np.median(numbers) / sum(SIZES)
    sizes = tuple(ceil(size * times) for size in SIZES)
    assert times > 1.5
    more = TestSet(*sizes)
    seen = np.mean([told(means_of(more, [with_lead(rng, sizes, lead)]))[1] for _ in range(200)])
    assert 0.72 < seen < 0.9


def test_draws_of_more_images_scatter_by_the_root_of_their_number():
    """The spread on more images need not be drawn: m of n images with replacement say the same."""
    labels = np.arange(sum(SIZES)) >= SIZES[0]
    rng, ratios = np.random.default_rng(4), []
    images = TestSet(*SIZES)
    for _ in range(20):
        first, second = auroc_pairs(rng, SIZES, 0.9, 2)
        spreads = []
        for times in (1, 4):
            drawn = np.zeros((1000, labels.size))
            for kind in (False, True):
                places = np.flatnonzero(labels == kind)
                equal = np.full(places.size, 1 / places.size)
                drawn[:, places] = rng.multinomial(times * (places.size - 1), equal, size=1000)
            spreads.append((images.values(drawn, first) - images.values(drawn, second)).std())
        ratios.append(spreads[0] / spreads[1])
    assert np.median(ratios) == pytest.approx(2, rel=0.1)
