"""Thresholds of nominal scores, what they decide, and the exact intervals of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.metrics.decisions import RATES, best_f1, decide, tail_threshold, threshold_at

SCORES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=60)
RATE = st.floats(0, 0.9)


@given(SCORES, RATE)
def test_a_threshold_is_the_conformal_order_statistic(scores, rate):
    found = threshold_at(scores, rate)
    above = [k for k in range(1, len(scores) + 1) if k / (len(scores) + 1) <= rate + 1e-12]
    assert found.value == sorted(scores)[-max(above, default=1)]
    assert found.nominal == len(scores)
    assert found.attainable <= rate + 1e-12 or found.attainable == 1 / (len(scores) + 1)


def test_rate_0_and_a_rate_that_so_few_scores_cannot_stand_for_take_the_largest_score():
    for rate in (0.0, 0.01):
        found = threshold_at(np.arange(20.0), rate)
        assert (found.value, found.attainable) == (19.0, pytest.approx(1 / 21))
    assert threshold_at(np.arange(20.0), 0.05).value == 19.0
    assert threshold_at(np.arange(19.0), 0.05).attainable == pytest.approx(0.05)


def test_the_expected_rate_of_false_alarms_is_the_one_that_is_stated():
    rng = np.random.default_rng(3)
    nominal, fresh = np.sort(rng.normal(size=(4000, 59)), axis=1), rng.normal(size=4000)
    for rate in RATES:
        found = [threshold_at(row, rate) for row in nominal]
        alarms = np.mean([score > one.value for score, one in zip(fresh, found, strict=True)])
        assert alarms == pytest.approx(found[0].attainable, abs=4 * np.sqrt(0.05 * 0.95 / 4000))


@pytest.mark.parametrize(
    ("scores", "rate"), [([], 0.1), ([1.0, np.nan], 0.1), ([np.inf], 0.1), ([1.0], 1.0), ([1.0], -0.1), ([1.0], np.nan)]
)
def test_no_threshold_of_no_scores_or_of_an_impossible_rate(scores, rate):
    for setter in (threshold_at, lambda scores, rate: tail_threshold(scores, rate, 0)):
        with pytest.raises(ValueError, match=r"nominal score|rate of false alarms"):
            setter(scores, rate)


def test_a_fitted_tail_needs_twenty_scores_that_differ_and_a_rate_above_0():
    assert "20" in tail_threshold(np.arange(19.0), 0.01, 0).reason
    assert "equal" in tail_threshold([0.0] * 10 + [1.0] * 20, 0.01, 0).reason
    assert tail_threshold(np.arange(40.0), 0.0, 0).value is None
    assert "not in the tail" in tail_threshold(np.arange(40.0), 0.5, 0).reason
    few = tail_threshold(np.random.default_rng(0).normal(size=20), 0.01, 0)
    assert (few.exceedances, few.reason) == (10, "")
    assert few.low <= few.value <= few.high


def test_a_fitted_tail_is_near_the_true_quantile_and_repeats_itself():
    scores = np.random.default_rng(1).gumbel(size=1000)
    found = tail_threshold(scores, 0.01, 5)
    assert found == tail_threshold(scores[::-1], 0.01, 5)
    assert found.low < stats.gumbel_r.isf(0.01) < found.high
    assert found.exceedances == 100


@given(st.lists(st.integers(0, 3).map(float), min_size=25, max_size=40), st.sampled_from(RATES))
def test_a_fitted_tail_of_many_ties_is_finite_or_has_a_reason(scores, rate):
    found = tail_threshold(scores, rate, 0)
    assert found.reason if found.value is None else np.isfinite([found.value, found.low, found.high]).all()


@given(st.data())
def test_decisions_equal_a_count_one_by_one(data):
    labels = data.draw(st.lists(st.integers(0, 1), min_size=1, max_size=30))
    scores = data.draw(st.lists(st.integers(0, 4).map(float), min_size=len(labels), max_size=len(labels)))
    pairs = list(zip(labels, scores, strict=True))

    def f1(found, alarms, missed):
        return 2 * found / (2 * found + alarms + missed)

    best = 0.0
    for threshold in (-1.0, 0.0, 1.0, 2.0, 3.0, 4.0):
        outcome = decide(threshold, labels, scores)
        assert (outcome.good, outcome.anomalous) == (labels.count(0), labels.count(1))
        assert outcome.false_alarms == sum(score > threshold for label, score in pairs if not label)
        assert outcome.missed == sum(score <= threshold for label, score in pairs if label)
        if 1 in labels:
            found = outcome.anomalous - outcome.missed
            assert outcome.f1 == pytest.approx(f1(found, outcome.false_alarms, outcome.missed))
            best = max(best, outcome.f1)
    if 1 in labels:
        assert best_f1(labels, scores) == pytest.approx(best)
    else:
        assert (best_f1(labels, scores), outcome.f1) == (None, None)
