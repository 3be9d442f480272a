"""From scores to decisions: thresholds set on scores of nominal samples alone, and what they decide on a test set.

A sample is an anomaly where its score is above the threshold; a score equal to it is nominal. The rate of false alarms
is the share of nominal samples that are called anomalies.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.metrics.inputs import image_labels, image_scores

__all__ = [
    "FEWEST_IN_TAIL",
    "LEVEL",
    "RATES",
    "Outcome",
    "TailThreshold",
    "Threshold",
    "best_f1",
    "decide",
    "tail_threshold",
    "threshold_at",
]

RATES = (0.0, 0.01, 0.05)
"""Target rates of false alarms."""

FEWEST_IN_TAIL = 10
"""Scores of the upper tail without which no distribution is fitted to it."""

LEVEL = 0.95
"""How often the interval of a fitted threshold is meant to hold the true one."""

_TAIL_SHARE = 0.1
_SMALLEST_BODY = 0.5
_RESAMPLES = 1000
_PLOTTING = 0.35
_EXPONENTIAL = 1e-9
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold that is one of the nominal scores.

    Parameters
    ----------
    value
        A sample is an anomaly where its score is above it.
    rate
        Target rate of false alarms, in [0, 1).
    attainable
        Expected rate of false alarms, for continuous scores of samples that are exchangeable with the nominal ones: at
        most the target, except where there are too few scores for it; then 1 / (n + 1).
    nominal
        Number n of nominal scores that it is set on.
    """

    value: float
    rate: float
    attainable: float
    nominal: int


@dataclass(frozen=True, slots=True)
class TailThreshold:
    """A threshold from a distribution fitted to the largest nominal scores.

    Parameters
    ----------
    value
        The estimate; None where there is none, with a ``reason``.
    low, high
        Ends of its bootstrap interval at :data:`LEVEL`.
    exceedances
        How many scores the fit used.
    reason
        Why there is no estimate, as part of a sentence.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    exceedances: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a threshold decides on a test set.

    Parameters
    ----------
    false_alarms
        Good images above the threshold.
    good
        Good images.
    missed
        Anomalous images that are not above it.
    anomalous
        Anomalous images.
    """

    false_alarms: int
    good: int
    missed: int
    anomalous: int

    @property
    def f1(self) -> float | None:
        """Twice the found anomalies over this plus all errors, in [0, 1]; None without an anomalous image."""
        found = 2 * (self.anomalous - self.missed)
        return found / (found + self.false_alarms + self.missed) if self.anomalous else None


def threshold_at(nominal: ArrayLike, rate: float) -> Threshold:
    """Return the threshold whose expected rate of false alarms is at most a target, as split conformal prediction does.

    It is the k-th smallest of n nominal scores, k = ceil((n + 1) (1 - rate)): Papadopoulos et al., Inductive confidence
    machines for regression, ECML 2002; Angelopoulos and Bates, A gentle introduction to conformal prediction,
    arXiv 2107.07511, section 1. Where k is n + 1, as for a rate of 0, it is the largest score.

    Parameters
    ----------
    nominal : (n,) real
        Scores of nominal samples that the method was not fitted on.
    rate
        Target, in [0, 1).

    Raises
    ------
    ValueError
        Where there is no score, one is not finite, or the rate is outside [0, 1).
    """
    scores = _sorted(nominal)
    _require_rate(rate)
    above = max(floor((scores.size + 1) * rate + _ROUNDING), 1)
    return Threshold(float(scores[-above]), rate, above / (scores.size + 1), scores.size)


def tail_threshold(nominal: ArrayLike, rate: float, seed: int) -> TailThreshold:
    """Return the threshold of a target rate by a generalised Pareto distribution of the largest scores.

    Peaks over threshold: Coles, An introduction to statistical modeling of extreme values, 2001, section 4.3. The
    distribution is that of a tenth of the scores, at least :data:`FEWEST_IN_TAIL`, above the next smaller one; it is
    fitted by probability-weighted moments, the better estimator for few scores: Hosking and Wallis, Parameter and
    quantile estimation for the generalized Pareto distribution, Technometrics 29 (1987). The interval has the
    percentiles of fits to resampled scores, those of the tail being drawn from the fitted distribution. With few scores
    it is too short: docs/explanations/decisions.md has its measured coverage.

    It needs fewer scores than :func:`threshold_at` for a low rate, at the price of an assumption on the tail: it
    stands beside that threshold and never replaces it.

    Parameters
    ----------
    nominal : (n,) real
        Scores of nominal samples that the method was not fitted on.
    rate
        Target, in [0, 1).
    seed
        Of the resampling.

    Raises
    ------
    ValueError
        As :func:`threshold_at`.
    """
    scores = _sorted(nominal)
    _require_rate(rate)
    peaks = max(FEWEST_IN_TAIL, -floor(-scores.size * _TAIL_SHARE))
    if reason := _why_no_tail(scores, peaks, rate):
        return TailThreshold(reason=reason)
    fit = _Tail.fitted(scores[None], peaks)
    redrawn = fit.redrawn(scores, np.random.default_rng(seed))
    low, high = np.quantile(_Tail.fitted(redrawn, peaks).threshold(rate), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return TailThreshold(float(fit.threshold(rate)[0]), float(low), float(high), peaks)


@dataclass(frozen=True, slots=True, eq=False)
class _Tail:
    """Generalised Pareto distributions of the scores above a start, one for each of r samples of scores.

    Parameters
    ----------
    start, shape, scale : (r,) float64
        Parameters of each; a shape below 0 has a largest score.
    share
        Of the scores that lie above the start.
    """

    start: NDArray[np.float64]
    shape: NDArray[np.float64]
    scale: NDArray[np.float64]
    share: float

    @classmethod
    def fitted(cls, scores: NDArray[np.float64], peaks: int) -> _Tail:
        """Fit the largest ``peaks`` of each row of (r, n) ascending scores by probability-weighted moments."""
        start = scores[:, -peaks - 1]
        excess = scores[:, -peaks:] - start[:, None]
        below = (np.arange(1, peaks + 1) - _PLOTTING) / peaks
        mean, weighted = excess.mean(axis=1), (excess * (1 - below)).mean(axis=1)
        spread = np.where(mean > 0, mean - 2 * weighted, 1.0)
        return cls(start, 2 - mean / spread, 2 * mean * weighted / spread, peaks / scores.shape[1])

    def threshold(self, rate: float) -> NDArray[np.float64]:
        """Return the score that a share ``rate`` of all scores exceeds, below the share of the tail: (r,) float64."""
        return self._exceeded(rate / self.share, self.shape, self.scale) + self.start

    def redrawn(self, scores: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Return rows of resampled scores, those of the tail drawn from the first distribution: (r, n), ascending."""
        drawn = scores[rng.integers(scores.size, size=(_RESAMPLES, scores.size))]
        excess = self._exceeded(rng.random(drawn.shape), self.shape[:1], self.scale[:1])
        return np.sort(np.where(drawn > self.start[0], self.start[0] + excess, drawn), axis=1)

    @staticmethod
    def _exceeded(
        share: float | NDArray[np.float64], shape: NDArray[np.float64], scale: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the excess that a share of excesses exceeds."""
        straight = np.abs(shape) < _EXPONENTIAL
        curved, log = np.where(straight, 1.0, shape), np.log(share)
        return np.asarray(scale * np.where(straight, -log, np.expm1(-curved * log) / curved))


def _why_no_tail(scores: NDArray[np.float64], peaks: int, rate: float) -> str:
    """Return why no tail can be fitted to so many peaks; empty where it can."""
    if rate == 0:
        return "a fitted tail has no threshold without any false alarm"
    if peaks > scores.size * _SMALLEST_BODY:
        return f"{scores.size} nominal scores are too few: {round(FEWEST_IN_TAIL / _SMALLEST_BODY)} are needed"
    if rate >= peaks / scores.size:
        return f"{rate:.0%} is not in the tail, the upper {peaks / scores.size:.0%} of the scores"
    if scores[-peaks] == scores[-1]:
        return f"the {peaks} largest scores are equal"
    return ""


def decide(threshold: float, labels: ArrayLike, scores: ArrayLike) -> Outcome:
    """Return what a threshold decides on a test set.

    Parameters
    ----------
    threshold
        An image is an anomaly where its score is above it.
    labels : (n,) of 0 and 1
        1 for anomalous images.
    scores : (n,) real
        Higher is more anomalous.

    Raises
    ------
    ValueError
        Where a label is neither 0 nor 1, a score is not finite, or the lengths differ.
    """
    anomalous = image_labels(labels)
    alarms = image_scores(scores, anomalous.size) > threshold
    return Outcome(
        int((alarms & ~anomalous).sum()),
        int((~anomalous).sum()),
        int((~alarms & anomalous).sum()),
        int(anomalous.sum()),
    )


def best_f1(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Return the highest F1 of all thresholds, equal scores being decided alike.

    The threshold is chosen with the labels of the test set itself: no threshold that is set beforehand is expected to
    reach it.

    Parameters
    ----------
    labels, scores
        As of :func:`decide`.

    Returns
    -------
    float or None
        In [0, 1]; None without an anomalous image.

    Raises
    ------
    ValueError
        As :func:`decide`.
    """
    anomalous = image_labels(labels)
    ranked = image_scores(scores, anomalous.size)
    if not anomalous.any():
        return None
    order = np.argsort(ranked)[::-1]
    found = np.cumsum(anomalous[order])
    last_of_ties = np.append(np.diff(ranked[order]) != 0, True)
    alarms = np.arange(1, ranked.size + 1)
    return float((2 * found / (alarms + found[-1]))[last_of_ties].max())


def _sorted(nominal: ArrayLike) -> NDArray[np.float64]:
    """Return nominal scores in ascending order; raise ValueError where there is none or one is not finite."""
    scores = np.sort(np.asarray(nominal, dtype=np.float64).ravel())
    if not scores.size:
        raise ValueError("a threshold needs at least one nominal score")
    if not np.isfinite(scores).all():
        raise ValueError("a nominal score is not finite")
    return scores


def _require_rate(rate: float) -> None:
    if not 0 <= rate < 1:
        raise ValueError(f"a rate of false alarms lies in [0, 1), and {rate} does not")
