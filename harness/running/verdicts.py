"""When a sample is called an anomaly, and which part of its map is marked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from harness.errors import UsageError
from harness.metrics.decisions import Threshold, threshold_at
from harness.store.nominal import NominalScores

__all__ = ["FALSE_ALARMS", "DecisionRule", "Verdict", "decision_rule"]

Verdict = Literal["anomaly", "good", "undecided"]

FALSE_ALARMS = 0.01
"""Share of good parts that may be called anomalies, where nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """Thresholds of a fitted method.

    Parameters
    ----------
    threshold
        A sample is an anomaly where its score is above it; None where it is not known.
    pixel_threshold
        What is above it on a map is marked as a region; None where it is not known.
    meaning
        Where both come from, a sentence.
    """

    threshold: float | None
    pixel_threshold: float | None
    meaning: str

    def verdict(self, score: float) -> Verdict:
        """Return what a score means; ``undecided`` where no threshold is known."""
        if self.threshold is None:
            return "undecided"
        return "anomaly" if score > self.threshold else "good"


def decision_rule(
    nominal: NominalScores | None, false_alarms: float = FALSE_ALARMS, threshold: float | None = None
) -> DecisionRule:
    """Set the thresholds of a fitted method.

    Both are set as :func:`harness.metrics.decisions.threshold_at` does: that of scores on the scores of nominal
    samples, that of maps on their peaks, so that as many good parts are expected to have any region marked.

    Parameters
    ----------
    nominal
        What the method scores samples that it was not fitted on; None where there were none.
    false_alarms
        Share of good parts that may be called anomalies, in [0, 1).
    threshold
        Of scores, instead of that of the nominal ones.

    Raises
    ------
    UsageError
        Where the share or the threshold can't be one.
    """
    if not 0 <= false_alarms < 1:
        raise UsageError(f"The share of false alarms is {false_alarms}: give a number from 0 to below 1.")
    if threshold is not None and not math.isfinite(threshold):
        raise UsageError(f"The threshold is {threshold}: give a number on the scale of the scores.")
    peaks = nominal.peaks if nominal is not None else ()
    level = threshold_at(peaks, false_alarms).value if peaks else None
    if threshold is not None:
        return DecisionRule(threshold, level, f"Above {threshold:g}, the threshold that was given.")
    if nominal is None:
        return DecisionRule(
            None,
            None,
            "No threshold is known, for the method's cell had no nominal samples to set one on: give one with "
            "--threshold T.",
        )
    found = threshold_at(nominal.scores, false_alarms)
    return DecisionRule(found.value, level, _meaning(found, nominal.source))


def _meaning(found: Threshold, source: str) -> str:
    """Return in words what a threshold stands for."""
    expected = f"{_percent(found.attainable)} of good parts are expected above {found.value:g}"
    on = f"{found.nominal} {source}"
    if found.rate == 0:
        return f"{expected}, the largest score of {on}."
    few = f", which are too few for {_percent(found.rate)}" if found.attainable > found.rate else ""
    return f"{expected}, the threshold set on {on}{few}."


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%"
