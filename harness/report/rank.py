"""Mean ranks of measured methods over categories, and which of them do not differ significantly from the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

from harness.report.grid import Column, Grid, Row, Value, missing
from harness.report.groups import Group, MethodRecords
from harness.report.intervals import Difference
from harness.report.own_tables import chosen_metrics
from harness.report.pivot import group_grid, lacking, remarks
from harness.report.ties import mark_tied_with_best
from harness.store.published import MEAN
from harness.store.quantities import Quantity

__all__ = ["Ranking", "critical_difference", "rank_grid", "rank_methods"]

_LEVEL = 0.95
_FEWEST = 2
_FEWEST_SIGNS = 6
"""Categories from which on two methods can differ: all of 5 in one order have a chance of 1 in 16."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Ranks of methods in a metric.

    Parameters
    ----------
    means
        Mean rank of each method over categories, 1 for the best; float64.
    p_value
        Of the Friedman test that all methods are equal; of two methods, that of the exact sign test.
    difference
        Mean ranks that are further apart are significantly different; 0 of two methods, where the p-value decides.
    """

    means: tuple[float, ...]
    p_value: float
    difference: float

    @property
    def decides(self) -> bool:
        """Whether some methods differ significantly."""
        return self.p_value < 1 - _LEVEL

    def tied(self, method: int) -> bool:
        """Return whether a method does not differ significantly from the one with the lowest mean rank."""
        return not self.decides or self.means[method] - min(self.means) <= self.difference


def rank_grid(group: Group, metrics: Sequence[str] = ()) -> Grid | None:
    """Return the mean rank of every method in every accuracy metric; None where there is nothing to rank.

    Only methods with all categories that anyone has are ranked. Methods that the Friedman test and the Nemenyi test
    can't tell from the best one are marked as tied.

    Parameters
    ----------
    group
        Measured under one protocol.
    metrics
        These accuracy metrics only; all where empty.
    """
    categories = tuple(name for name in group.categories if any(name in method.ok for method in group.methods))
    complete = [method for method in group.methods if all(name in method.ok for name in categories)]
    shown = chosen_metrics(metrics)
    if len(complete) < _FEWEST or len(categories) < _FEWEST or not shown:
        return None
    rankings = {metric.id: _ranking(complete, categories, metric) for metric in shown}
    columns = [Column(metric.heading, {"metric": f"rank_{metric.id}"}, lowest=True) for metric in shown]
    rows = [_row(group, method, complete, categories, rankings) for method in group.methods]
    grid = group_grid(group, "rank", "Mean rank", columns, rows)
    decided = [ranking for ranking in rankings.values() if ranking is not None]
    by_column = [rankings[metric.id] for metric in shown]

    def tied(best: int, others: Sequence[int], column: int) -> dict[int, Difference | None]:
        ranking = by_column[column]
        places = {index: complete.index(group.methods[index]) for index in others}
        return {index: None for index, place in places.items() if ranking is not None and ranking.tied(place)}

    return replace(mark_tied_with_best(grid, tied), caption=_caption(len(complete), categories, decided))


def rank_methods(values: NDArray[np.float64]) -> Ranking:
    """Rank methods in each category and tell which differences of mean ranks are significant.

    The Friedman test with the correction for ties, followed by the Nemenyi test: Demsar, Statistical comparisons of
    classifiers over multiple data sets, JMLR 7 (2006), section 3.2.2. Two methods are compared by the exact two-sided
    sign test over the categories in which they differ (section 3.1.4).

    Parameters
    ----------
    values
        (methods, categories) float64, higher is better; at least two of each.

    Returns
    -------
    Ranking
        Equal values share the mean of their ranks.
    """
    from scipy.stats import binomtest, friedmanchisquare, rankdata

    count, categories = values.shape
    ranks = rankdata(-values, axis=0)
    means = tuple(ranks.mean(axis=1).tolist())
    if bool((ranks == ranks[0]).all()):
        return Ranking(means, 1.0, critical_difference(count, categories))
    if count == _FEWEST:
        wins, losses = int((values[0] > values[1]).sum()), int((values[0] < values[1]).sum())
        return Ranking(means, float(binomtest(wins, wins + losses).pvalue), 0.0)
    return Ranking(means, float(friedmanchisquare(*values).pvalue), critical_difference(count, categories))


@cache
def critical_difference(methods: int, categories: int) -> float:
    """Return how far apart two mean ranks must be to differ at the 5% level: the Nemenyi test.

    Quantile of the studentized range with infinite degrees of freedom over the square root of 2, times
    ``sqrt(k (k + 1) / (6 N))`` for k methods and N categories (Demsar 2006, section 3.2.2).

    Parameters
    ----------
    methods, categories
        At least two methods and one category.
    """
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(_LEVEL, methods, inf)) / sqrt(2)
    return quantile * sqrt(methods * (methods + 1) / (6 * categories))


def _ranking(methods: Sequence[MethodRecords], categories: Sequence[str], metric: Quantity) -> Ranking | None:
    values = [[metric.number(method.ok[name]) for name in categories] for method in methods]
    if any(value is None for line in values for value in line):
        return None
    return rank_methods(np.array(values, dtype=np.float64) * (-1 if metric.lowest else 1))


def _row(
    group: Group,
    method: MethodRecords,
    complete: Sequence[MethodRecords],
    categories: Sequence[str],
    rankings: dict[str, Ranking | None],
) -> Row:
    values = []
    for ranking in rankings.values():
        if method not in complete:
            absent = [method.why_missing(name) for name in categories if name not in method.ok]
            values.append(missing(f"not ranked without {', '.join(absent)}"))
        elif ranking is None:
            values.append(missing("undefined in some category of some method"))
        else:
            mean = ranking.means[complete.index(method)]
            values.append(Value(f"{mean:.2f}", mean))
    keys = {"method": method.label, "source": "measured", "category": MEAN}
    footnote = "; ".join(filter(None, (lacking(group, method), remarks(group, method))))
    labels = (Value(method.label, note=footnote), Value("measured"))
    return Row(labels, tuple(values), keys, rank_group="ranked")


def _caption(methods: int, categories: Sequence[str], rankings: Sequence[Ranking]) -> str:
    counted = f"{methods} methods ranked in {len(categories)} categories, 1 is best"
    undecided = sum(not ranking.decides for ranking in rankings)
    if methods == _FEWEST:
        if len(categories) < _FEWEST_SIGNS:
            return f"{counted}; too few categories: the exact sign test needs {_FEWEST_SIGNS} to tell two methods apart"
        return f"{counted}; the exact sign test (5% level) finds no difference in {undecided} of {len(rankings)}"
    difference = critical_difference(methods, len(categories))
    if difference >= methods - 1:
        return (
            f"{counted}; too few categories: the critical difference of the Nemenyi test ({difference:.2f}) is "
            f"more than any two mean ranks can be apart, so none is significantly different"
        )
    counted += f"; mean ranks differ at the 5% level where they are more than {difference:.2f} apart (Nemenyi test)"
    return counted + (f"; the Friedman test finds no difference in {undecided} of {len(rankings)}" if undecided else "")
