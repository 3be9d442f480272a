"""Intervals of numbers, and which of several differ significantly from the best: arithmetic without any file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, isfinite, log, sqrt
from statistics import NormalDist, fmean, stdev

import numpy as np
from numpy.typing import NDArray

from harness.report.power import FEW_IMAGES, POWER, ROUNDING, Comparison, images_needed, t_quantile, t_stretch
from harness.report.replicates import Resampled

__all__ = [
    "Difference",
    "Interval",
    "MeanOf",
    "against_best",
    "mean_interval",
    "paired_with_best",
    "seed_interval",
    "share_interval",
]

_FEWEST = 2
"""Images of a kind without which nothing is known of the others."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number and where it may lie.

    Parameters
    ----------
    value
        The number itself.
    low, high
        Ends of the interval.
    """

    value: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """Whether zero lies inside or on an end."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class Difference(Interval):
    """How far a number is below the best one, with an interval that is corrected for selecting the best.

    Parameters
    ----------
    detectable
        The true difference that would be detected with a power of :data:`harness.report.power.POWER`; None where the
        two never differ.
    images
        Test images that both are computed from, in all categories; 0 where it is not about images.
    images_needed
        How many would tell the two apart, were the difference truly what was measured
        (:func:`harness.report.power.images_needed`); None where they are apart, or where that can't be said.
    """

    detectable: float | None = None
    images: int = 0
    images_needed: int | None = None

    @property
    def tied(self) -> bool:
        """Whether the difference is not significant, which does not make the two equal."""
        return self.holds_zero

    @property
    def why_unsaid(self) -> str:
        """Why the number of images is unknown that would tell a tie apart; empty where it is known."""
        if not self.tied or self.images_needed is not None:
            return ""
        if self.detectable is None or abs(self.value) < ROUNDING:
            return "the two are equal"
        return f"fewer than {FEW_IMAGES} images of a kind in a category"


@dataclass(frozen=True, slots=True, eq=False)
class MeanOf:
    """A mean over categories on resampled test sets.

    Parameters
    ----------
    value
        The mean of the recorded numbers.
    drawn : (r,) float64
        The mean in each draw.
    degrees
        Degrees of freedom of its variance.
    fewest
        Images of the rarer kind in the category that has the fewest.
    fixed
        How many categories have the same value in every draw.
    categories
        How many there are.
    images
        Test images in all of them.
    """

    value: float
    drawn: NDArray[np.float64]
    degrees: float
    fewest: int
    fixed: int
    categories: int
    images: int = 0

    @classmethod
    def of(cls, value: float, parts: Sequence[Resampled]) -> MeanOf | None:
        """Put categories together; None where one has undefined draws or a single image of a kind."""
        fewest = min(part.fewest for part in parts)
        if fewest < _FEWEST or not all(isfinite(part.degrees) and np.isfinite(part.drawn).all() for part in parts):
            return None
        variances = np.array([part.drawn.var() for part in parts])
        degrees = np.array([part.degrees for part in parts])
        moving = variances > 0
        total = float(
            variances.sum() ** 2 / (variances[moving] ** 2 / degrees[moving]).sum() if moving.any() else fewest - 1
        )
        drawn = np.mean([part.drawn for part in parts], axis=0)
        images = sum(part.images for part in parts)
        return cls(value, drawn, total, fewest, int((~moving).sum()), len(parts), images)


def mean_interval(mean: MeanOf, level: float = 0.95, *, by_images: bool = False) -> Interval | None:
    """Return the interval of a mean over categories of numbers in [0, 1]; None where the images give none.

    On the scale of the logarithm of the odds, value plus and minus Student's quantile times the standard deviation over
    the draws: near 1, where numbers are skewed, it reaches further down than up. Where the standard deviation is as
    large as the room that is left, the scale itself is used.

    A category where every draw is perfect has no spread. A number about whole images (``by_images``) is then bounded:
    with all of m pairs of a nominal and an anomalous image in order, the true share is above tail ** (1 / m) (Clopper
    and Pearson; near 1 the rule of three, 1 - 3 / m), and only images of the rarer kind make pairs that share no image.

    Parameters
    ----------
    mean
        On resampled test sets.
    level
        How often such an interval holds the true mean.
    by_images
        Whether the number is a share of pairs of images: I-AUROC.
    """
    spread, value = float(mean.drawn.std()), mean.value
    tail = (1 - level) if mean.fixed == mean.categories else (1 - level) / 2
    bound = 0.0
    if mean.fixed:
        if not by_images or (mean.fixed == mean.categories and value < 1):
            return None
        bound = mean.fixed / mean.categories * (1 - tail ** (1 / (mean.fixed * mean.fewest)))
    half = t_quantile(mean.degrees, level) * spread
    low, high = _on_odds(value, half) if spread < value * (1 - value) else (value - half, value + half)
    return Interval(value, max(low - bound, 0.0), min(high, 1.0))


def _on_odds(value: float, half: float) -> tuple[float, float]:
    middle, width = log(value / (1 - value)), half / (value * (1 - value))
    return 1 / (1 + exp(width - middle)), 1 / (1 + exp(-width - middle))


def against_best(means: Sequence[MeanOf], level: float = 0.95) -> list[Difference]:
    """Return how far each of several means is below the first one, which is the best, and which differ significantly.

    All are drawn on the same test images. With several equal means the best in the sample is ahead by luck, so a
    difference must exceed what the largest of all pairwise differences reaches by chance: the ``level`` quantile, over
    the draws, of the largest standardised difference of any two. The furthest one is tested first; where it
    differs, the next is tested among those that are left. So no mean that equals the best is said to differ in more
    than 1 - ``level`` of cases, however many there are: Hansen, Lunde and Nason, The model confidence set,
    Econometrica 79 (2011). Quantiles are stretched from the normal to Student's distribution.

    Parameters
    ----------
    means
        The best, then the others.
    level
        How often none that equals the best is said to differ.

    Returns
    -------
    list of Difference
        Each mean but the first less the first. The interval excludes zero exactly where the mean differs significantly.
    """
    best, *others = means
    moved = np.array([mean.drawn - mean.drawn.mean() for mean in means])
    spreads = np.array([(row - moved[0]).std() for row in moved[1:]])
    degrees = [min(best.degrees, mean.degrees) for mean in others]
    stretches = [t_stretch(free, level) for free in degrees]
    gaps = np.array([mean.value - best.value for mean in others])
    with np.errstate(invalid="ignore", divide="ignore"):
        distances = np.where(spreads > 0, np.abs(gaps) / (spreads * stretches), np.where(gaps == 0, 0.0, np.inf))
    nearest = np.argsort(distances, kind="stable")
    quantiles = _quantiles(moved, nearest, level)
    critical, quantile, apart = np.zeros(len(others)), 0.0, True
    for place in nearest[::-1]:
        quantile = quantiles[place] if apart else quantile
        critical[place], apart = quantile, apart and bool(distances[place] > quantile)
    return [
        _difference(best, mean, Comparison(spread, quantile, free, level))
        for mean, spread, quantile, free in zip(others, spreads.tolist(), critical.tolist(), degrees, strict=True)
    ]


def _quantiles(moved: NDArray[np.float64], nearest: NDArray[np.int64], level: float) -> NDArray[np.float64]:
    """Return, for each rival, the quantile of the largest difference among the best, it, and all that are nearer."""
    largest = np.zeros(moved.shape[1])
    quantiles = np.zeros(len(nearest))
    members = moved[:1]
    for place in nearest:
        row = moved[1 + place]
        apart = np.abs(members - row)
        spreads = np.sqrt((apart**2).mean(axis=1, keepdims=True))
        largest = np.maximum(
            largest, np.divide(apart, spreads, out=np.zeros_like(apart), where=spreads > 0).max(axis=0)
        )
        quantiles[place] = np.quantile(largest, level)
        members = np.vstack([members, row])
    return quantiles


def _difference(best: MeanOf, mean: MeanOf, comparison: Comparison) -> Difference:
    gap, half = mean.value - best.value, comparison.half_width()
    found = Difference(gap, gap - half, gap + half, comparison.detectable() if comparison.spread else None, best.images)
    if not found.tied:
        return found
    return replace(found, images_needed=images_needed(comparison, gap, best.images, min(best.fewest, mean.fewest)))


def paired_with_best(best: Sequence[float], others: Sequence[Sequence[float]], level: float = 0.95) -> list[Difference]:
    """Return how far other methods are from the best one over the same seeds or splits, by paired t intervals.

    With Bonferroni's correction for all pairs of methods, since the best one was picked among them.

    Parameters
    ----------
    best, others
        One number for each seed, at least two.
    level
        How often none that equals the best is said to differ.
    """
    count = len(others) + 1
    each = 1 - (1 - level) / (count * (count - 1) / 2)
    differences = []
    for numbers in others:
        interval = seed_interval([number - ahead for number, ahead in zip(numbers, best, strict=True)], each)
        half = interval.high - interval.value
        detectable = half * (1 + NormalDist().inv_cdf(POWER) / t_quantile(len(best) - 1, each))
        differences.append(Difference(interval.value, interval.low, interval.high, detectable if half > 0 else None))
    return differences


def seed_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Return the mean over seeds or splits with its t interval.

    Parameters
    ----------
    values
        One number for each seed, at least two; taken to be normally distributed.
    level
        How often such an interval holds the true mean.

    Raises
    ------
    ValueError
        Where there are fewer than two values.
    """
    if len(values) < 2:
        raise ValueError(f"an interval over seeds takes at least 2 values, not {len(values)}")
    mean = fmean(values)
    half = t_quantile(len(values) - 1, level) * stdev(values) / sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def share_interval(count: int, total: int, level: float = 0.95) -> Interval:
    """Return a share with its exact interval: Clopper and Pearson, Biometrika 26 (1934).

    Parameters
    ----------
    count, total
        How many of how many independent ones; at least one.
    level
        How often such an interval holds the true share, at the least.

    Raises
    ------
    ValueError
        Where there is none, or more are counted than there are.
    """
    from scipy.special import betaincinv

    if not 0 <= count <= total or not total:
        raise ValueError(f"{count} of {total} is not a share")
    tail = (1 - level) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return Interval(count / total, low, high)
