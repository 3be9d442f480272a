"""Thresholds of a fitted method, and what they are said to mean."""

from __future__ import annotations

from dataclasses import replace

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


def test_scores_that_fit_has_read_promise_the_least_alone() -> None:
    rule = decision_rule(replace(NOMINAL, source="validation samples (which fit also read)"), 0.05)
    assert rule.meaning.startswith("At least 5% of good parts")
    assert decision_rule(NOMINAL, 0.05).meaning.startswith("5% of good parts")


def test_a_threshold_that_is_given_decides_and_regions_keep_their_level() -> None:
    rule = decision_rule(NOMINAL, 0.05, 3.25)
    assert (rule.threshold, rule.pixel_threshold) == (3.25, 190.5)
    given, of_regions = rule.meaning.split(". ")
    assert given == "Above 3.25, the threshold that was given"
    assert "5% of good parts" in of_regions
    assert "regions, above 190.5, the level set on 199 validation samples" in of_regions
    assert "highest peak of 199 validation samples" in decision_rule(NOMINAL, 0.0, 3.25).meaning
    assert "too few for 0.1%" in decision_rule(NOMINAL, 0.001, 3.25).meaning


def test_without_nominal_samples_nothing_is_decided() -> None:
    rule = decision_rule(None)
    assert (rule.verdict(1e9), rule.pixel_threshold) == ("undecided", None)
    assert "--threshold" in rule.meaning
    assert "the file holds no scores of nominal samples" in rule.meaning
    given = decision_rule(None, threshold=2.0)
    assert given.verdict(1e9) == "anomaly"
    assert "No regions are marked" in given.meaning


@pytest.mark.parametrize(("rate", "threshold"), [(1.0, None), (-0.1, None), (float("nan"), None), (0.1, float("inf"))])
def test_what_is_no_share_or_no_threshold_is_refused(rate: float, threshold: float | None) -> None:
    with pytest.raises(UsageError):
        decision_rule(NOMINAL, rate, threshold)
