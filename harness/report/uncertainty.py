"""How sure measured numbers are: a paired bootstrap over the test images of a results folder.

The test set is resampled: how would the number, or the difference of two methods, come out on other images of
the same kind? Training again with other samples or another seed is another question;
:func:`harness.report.intervals.seed_interval` answers it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from threadpoolctl import threadpool_limits

from harness.report.grid import NumberId
from harness.report.groups import MethodRecords
from harness.report.intervals import Difference, Interval, MeanOf, against_best, mean_interval
from harness.report.replicates import Resampled, bootstrap_cell
from harness.store.means import mean_over
from harness.store.quantities import quantity
from harness.store.record import Record
from harness.store.store import Store

__all__ = ["Uncertainty"]

_OF_IMAGES = "i_auroc"


class Uncertainty:
    """Bootstrap intervals of the measured methods of a results folder.

    In each of many replicates the test images of a category are drawn with replacement, nominal and anomalous
    ones apart, and the metric is computed again from their counts. The same images are drawn for every method that was
    tested on them, so that the difference of two methods is paired: what makes an image hard for both cancels. A mean
    over categories is a mean of replicates, drawn independently in each category. An image is drawn with all its
    defects: they are not independent samples.

    Parameters
    ----------
    store
        Where records and their counts lie.
    replicates
        How often a test set is drawn.
    level
        How often an interval holds what it is about.
    progress
        Called with how many cells are drawn and how many there are, by :meth:`prepare`.

    Notes
    -----
    Nominal and anomalous images are drawn apart (as in Robin et al., pROC, BMC Bioinformatics 2011) since a test set
    fixes how many there are of each: a replicate without one kind would have no I-AUROC. The draws give standard
    deviations and the quantile of the largest difference; :mod:`harness.report.intervals` makes intervals of these.
    """

    def __init__(
        self,
        store: Store,
        replicates: int = 1000,
        level: float = 0.95,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        if replicates < 1 or not 0 < level < 1:
            raise ValueError(f"{replicates} replicates at level {level}: at least one, and a level inside (0, 1).")
        self.store, self.replicates, self.level, self.progress = store, replicates, level, progress
        self._known: dict[tuple[str, str], Mapping[str, Resampled] | None] = {}

    def prepare(self, numbers: Iterable[NumberId]) -> None:
        """Draw the test sets of all cells that some numbers are about, and tell the progress of it.

        Parameters
        ----------
        numbers
            Those that will be asked for.
        """
        cells = {
            (record.cell.category, record.cell.id, number.defect): record
            for number in numbers
            for record in number.method.among(number.categories).values()
        }
        keys = sorted(cells)  # by category: its methods share the draws
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
            for done, _ in enumerate(pool.map(lambda key: self._of_record(cells[key], key[2]), keys), start=1):
                if self.progress is not None:
                    self.progress(done, len(keys))

    def of(self, number: NumberId) -> Interval | None:
        """Return the interval of a method's mean over those of some categories that it has numbers of.

        Parameters
        ----------
        number
            A method's mean of an accuracy metric.

        Returns
        -------
        Interval or None
            None where there is no number, a category has no counts, or its images give no interval.
        """
        mean = self._mean(number)
        return None if mean is None else mean_interval(mean, self.level, by_images=number.metric == _OF_IMAGES)

    def against_best(self, best: NumberId, others: Sequence[NumberId]) -> list[Difference | None]:
        """Return how far other methods are below the best one, paired over images, and whether that is significant.

        Parameters
        ----------
        best
            The best mean of an accuracy metric, the higher the better.
        others
            Means of the same metric over the same categories.

        Returns
        -------
        list
            One for each other. None where it can't be decided: one of the two has no number or no counts, or they
            were not tested on the same images.
        """
        means = [self._mean(number) if self.same_images(best, number) else None for number in others]
        known = [mean for mean in means if mean is not None]
        first = self._mean(best) if known else None
        if first is None:
            return [None] * len(others)
        intervals = iter(against_best([first, *known], self.level))
        return [None if mean is None else next(intervals) for mean in means]

    def same_images(self, first: NumberId, second: NumberId) -> bool:
        """Return whether two methods have numbers of the same categories, from the same test images.

        Records of earlier versions count an image with several defects under one name alone.
        """
        ours, theirs = (
            {
                name: (record.test_images.digest, record.test_images.defects.get(number.defect))
                for name, record in number.method.among(number.categories).items()
            }
            for number in (first, second)
        )
        return ours == theirs

    def without_counts(self, method: MethodRecords, categories: Sequence[str]) -> tuple[str, ...]:
        """Return those of some categories where a method has a number and left no counts that belong to it."""
        return tuple(name for name, record in method.among(categories).items() if self._of_record(record) is None)

    def few_images(self, numbers: Iterable[NumberId]) -> int:
        """Return the smallest number of nominal or anomalous images behind some numbers, 0 where none is known."""
        means = filter(None, map(self._mean, numbers))
        return min((mean.fewest for mean in means), default=0)

    def _mean(self, number: NumberId) -> MeanOf | None:
        """Return a number on resampled test sets; None where it is undefined or a category lacks them."""
        records = number.method.among(number.categories)
        value, _ = mean_over(quantity(number.metric), records, number.defect)
        parts = [self._of_record(record, number.defect) for record in records.values()]
        if value is None or not all(parts):
            return None
        return MeanOf.of(value, [part[number.metric] for part in parts if part is not None])

    def _of_record(self, record: Record, defect: str = "") -> Mapping[str, Resampled] | None:
        key = (str(self.store.counts_path(record.cell)), defect)
        if key not in self._known:
            self._known[key] = bootstrap_cell(self.store, record, self.replicates, defect)
        return self._known[key]
