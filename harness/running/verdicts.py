"""When a sample is called an anomaly, and which part of its map is marked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from harness.errors import UsageError

__all__ = ["DecisionRule", "Verdict", "decision_rule"]

Verdict = Literal["anomaly", "good", "undecided"]


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


def decision_rule(threshold: float | None = None) -> DecisionRule:
    """Return the rule of a threshold that the user gives, or that which decides nothing.

    Raises
    ------
    UsageError
        Where the threshold is not finite.
    """
    if threshold is None:
        return DecisionRule(None, None, "No threshold is known: give one with --threshold T.")
    if not math.isfinite(threshold):
        raise UsageError(f"The threshold is {threshold}: give a number on the scale of the scores.")
    return DecisionRule(threshold, None, f"Above {threshold:g}, the threshold that was given.")
