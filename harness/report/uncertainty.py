"""Intervals of measured numbers: a paired bootstrap over test images, and Student's t over seeds.

The test set is resampled: how would the number, or the difference of two methods, come out on other images of
the same kind? Training again with other samples or another seed is another question; :func:`seed_interval` answers it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

from harness.report.groups import MethodRecords
from harness.report.replicates import bootstrap_cell
from harness.store.quantities import mean_over, quantity
from harness.store.record import Record
from harness.store.store import Store

__all__ = ["Interval", "Uncertainty", "seed_interval"]


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


class Uncertainty:
    """Bootstrap intervals of the measured methods of a results folder.

    In each of many replicates the test images of a category are drawn with replacement, nominal and anomalous
    ones apart, and the metric is computed again from their counts. The same images are drawn for every method that was
    tested on them, so that the difference of two methods is paired: what makes an image hard for both cancels. A mean
    over categories is a mean of replicates, drawn independently in each category. Ends of an interval are percentiles.

    Parameters
    ----------
    store
        Where records and their counts lie.
    replicates
        How often a test set is drawn.
    level
        Share of the replicates inside an interval.

    Notes
    -----
    Nominal and anomalous images are drawn apart (as in Robin et al., pROC, BMC Bioinformatics 2011) since a test set
    fixes how many there are of each: a replicate without one kind would have no I-AUROC. Percentile intervals: Efron
    and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 and 13.
    """

    def __init__(self, store: Store, replicates: int = 2000, level: float = 0.95) -> None:
        if replicates < 1 or not 0 < level < 1:
            raise ValueError(f"{replicates} replicates at level {level}: at least one, and a level inside (0, 1).")
        self.store, self.replicates, self.level = store, replicates, level
        self._known: dict[tuple[str, str], dict[str, NDArray[np.float64]] | None] = {}

    def of(self, method: MethodRecords, categories: Sequence[str], metric: str, defect: str = "") -> Interval | None:
        """Return the interval of a method's mean over those of some categories that it has numbers of.

        Parameters
        ----------
        method
            Its records.
        categories
            Where to look, as in :func:`harness.store.quantities.mean_over`.
        metric
            Id of an accuracy metric.
        defect
            One type of defect against all nominal images; all where empty.

        Returns
        -------
        Interval or None
            None where there is no number, or a category has no counts.
        """
        value, _ = mean_over(quantity(metric), method.among(categories), defect)
        drawn = self._drawn(method, [name for name in categories if name in method.ok], metric, defect)
        return None if value is None or drawn is None else self._interval(value, drawn)

    def difference(
        self, first: MethodRecords, second: MethodRecords, categories: Sequence[str], metric: str, defect: str = ""
    ) -> Interval | None:
        """Return the interval of the mean of the first method less that of the second, paired over images.

        Parameters
        ----------
        first, second
            Their records.
        categories
            Where to look.
        metric
            Id of an accuracy metric.
        defect
            One type of defect against all nominal images; all where empty.

        Returns
        -------
        Interval or None
            None where one has no number or no counts, or where they were not tested on the same images.
        """
        covered = [name for name in categories if name in first.ok]
        if not self.same_images(first, second, categories):
            return None
        ours, theirs = (self._drawn(method, covered, metric, defect) for method in (first, second))
        means = [mean_over(quantity(metric), method.among(covered), defect)[0] for method in (first, second)]
        if ours is None or theirs is None or means[0] is None or means[1] is None:
            return None
        return self._interval(means[0] - means[1], ours - theirs)

    def tied(
        self, first: MethodRecords, second: MethodRecords, categories: Sequence[str], metric: str, defect: str = ""
    ) -> bool | None:
        """Return whether the interval of the difference of two methods holds zero; None where it can't be decided."""
        interval = self.difference(first, second, categories, metric, defect)
        return None if interval is None else interval.holds_zero

    def same_images(self, first: MethodRecords, second: MethodRecords, categories: Sequence[str]) -> bool:
        """Return whether two methods have numbers of the same of some categories, from the same test images."""
        covered = [name for name in categories if name in first.ok]
        if covered != [name for name in categories if name in second.ok]:
            return False
        return all(first.ok[name].test_images.digest == second.ok[name].test_images.digest for name in covered)

    def without_counts(self, method: MethodRecords, categories: Sequence[str]) -> tuple[str, ...]:
        """Return those of some categories where a method has a number and left no counts that belong to it."""
        return tuple(name for name in categories if name in method.ok and self._of_record(method.ok[name]) is None)

    def _interval(self, value: float, drawn: NDArray[np.float64]) -> Interval:
        tail = (1 - self.level) / 2
        low, high = np.quantile(drawn, [tail, 1 - tail])
        return Interval(value, float(low), float(high))

    def _drawn(
        self, method: MethodRecords, covered: Sequence[str], metric: str, defect: str = ""
    ) -> NDArray[np.float64] | None:
        """Return the replicates of a mean, (replicates,); None where a category lacks them."""
        parts = []
        for name in covered:
            record = method.ok[name]
            replicates = self._of_record(record, defect)
            if replicates is None or not np.isfinite(replicates.get(metric, np.nan)).all():
                return None
            parts.append(replicates[metric])
        return np.mean(parts, axis=0) if parts else None

    def _of_record(self, record: Record, defect: str = "") -> dict[str, NDArray[np.float64]] | None:
        key = (str(self.store.counts_path(record.cell)), defect)
        if key not in self._known:
            self._known[key] = bootstrap_cell(self.store, record, self.replicates, defect)
        return self._known[key]


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
    from scipy.special import stdtrit

    mean = fmean(values)
    half = float(stdtrit(len(values) - 1, (1 + level) / 2)) * stdev(values) / sqrt(len(values))
    return Interval(mean, mean - half, mean + half)
