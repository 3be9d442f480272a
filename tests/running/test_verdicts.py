"""Thresholds of a fitted method, and what they are said to mean."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import UsageError
from harness.running.verdicts import decision_rule
from harness.store.nominal import NominalScores

COUNT = 199
SCORES = tuple(float(value) for value in np.random.default_rng(0).permutation(np.arange(1, COUNT + 1)))
NOMINAL = NominalScores(
    tuple(map(str, range(COUNT))), SCORES, "validation samples", tuple(score + 0.5 for score in SCORES)
)


def test_thresholds_are_order_statistics_of_scores_and_of_peaks() -> None:
    rule = decision_rule(NOMINAL, 0.05)
    assert (rule.threshold, rule.pixel_threshold) == (190.0, 190.5)
    assert [rule.verdict(score) for score in (1.0, 190.0, 190.1)] == ["good", "good", "anomaly"]
    assert "5% of good parts" in rule.meaning
    assert "199 validation samples" in rule.meaning
    largest = decision_rule(NOMINAL, 0.0)
    assert (largest.threshold, "largest score" in largest.meaning) == (199.0, True)


def test_it_is_said_where_there_are_too_few_samples() -> None:
    few = NominalScores(("a", "b", "c"), (1.0, 3.0, 2.0), "training samples held out of the fit")
    rule = decision_rule(few, 0.01)
    assert (rule.threshold, rule.pixel_threshold) == (3.0, None)
    assert "25% of good parts" in rule.meaning
    assert "too few for 1%" in rule.meaning


def test_a_threshold_that_is_given_decides_and_regions_keep_their_level() -> None:
    rule = decision_rule(NOMINAL, 0.05, 3.25)
    assert (rule.threshold, rule.pixel_threshold) == (3.25, 190.5)
    assert "given" in rule.meaning


def test_without_nominal_samples_nothing_is_decided() -> None:
    rule = decision_rule(None)
    assert (rule.verdict(1e9), rule.pixel_threshold) == ("undecided", None)
    assert "--threshold" in rule.meaning
    assert decision_rule(None, threshold=2.0).verdict(1e9) == "anomaly"


@pytest.mark.parametrize(("rate", "threshold"), [(1.0, None), (-0.1, None), (float("nan"), None), (0.1, float("inf"))])
def test_what_is_no_share_or_no_threshold_is_refused(rate: float, threshold: float | None) -> None:
    with pytest.raises(UsageError):
        decision_rule(NOMINAL, rate, threshold)
