"""When a sample is called an anomaly, and which part of its map is marked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from harness.errors import UsageError
from harness.metrics.decisions import Threshold, threshold_at
from harness.store.nominal import READ_BY_FIT, NominalScores

__all__ = ["FALSE_ALARMS", "DecisionRule", "Verdict", "decision_rule"]

Verdict = Literal["anomaly", "good", "undecided"]

FALSE_ALARMS = 0.01
"""Share of good parts that may be called anomalies, where nothing else is asked for."""

_UNKNOWN = "No threshold is known, for the file holds no scores of nominal samples: give one with --threshold T."


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
        Where the threshold comes from, in words; for one that was given, where the pixel threshold comes from, too.
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
    level = threshold_at(nominal.peaks, false_alarms) if nominal is not None and nominal.peaks else None
    pixel_threshold = None if level is None else level.value
    if threshold is not None:
        source = "" if nominal is None else nominal.source
        meaning = f"Above {threshold:g}, the threshold that was given. {_meaning_of_level(level, source)}"
        return DecisionRule(threshold, pixel_threshold, meaning)
    if nominal is None:
        return DecisionRule(None, None, _UNKNOWN)
    found = threshold_at(nominal.scores, false_alarms)
    return DecisionRule(found.value, pixel_threshold, _meaning(found, nominal.source))


def _meaning(found: Threshold, source: str) -> str:
    """Return what the threshold of scores means, a sentence."""
    what = "largest score of" if found.rate == 0 else "threshold set on"
    return f"{_share(found, source)} of good parts are expected above {found.value:g}, the {what} {_on(found, source)}."


def _meaning_of_level(found: Threshold | None, source: str) -> str:
    """Return what the threshold of maps means, a sentence."""
    if found is None:
        return "No regions are marked, for the file holds no peaks of nominal samples' maps."
    what = "highest peak of" if found.rate == 0 else "level set on"
    expected = f"{_share(found, source)} of good parts are expected to have regions"
    return f"{expected}, above {found.value:g}, the {what} {_on(found, source)}."


def _share(found: Threshold, source: str) -> str:
    """Return the expected share of good parts; scores that fit has lowered make it the least that is expected."""
    return f"{'At least ' if source.endswith(READ_BY_FIT) else ''}{_percent(found.attainable)}"


def _on(found: Threshold, source: str) -> str:
    few = f", which are too few for {_percent(found.rate)}" if 0 < found.rate < found.attainable else ""
    return f"{found.nominal} {source}{few}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%"
