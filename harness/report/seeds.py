"""Means over few-shot lists: how much a number depends on which samples a method was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

from harness.report.grid import Grid, Row, Value, missing, rank_columns
from harness.report.groups import Group, MethodRecords, shared_title
from harness.report.intervals import Difference, paired_with_best, seed_interval
from harness.report.own_tables import chosen_metrics
from harness.report.pivot import Cut, measured_value
from harness.report.power import t_quantile
from harness.report.ties import detectable_text, mark_tied_with_best
from harness.store.published import MEAN
from harness.store.quantities import Quantity

__all__ = ["seed_grids", "typical_groups"]

_DEFAULT = "first"
_FEWEST = 2


@dataclass(frozen=True)
class _Family:
    """Groups that differ in the few-shot list only."""

    groups: tuple[Group, ...]

    @property
    def first(self) -> Group:
        return self.groups[0]

    @property
    def random(self) -> tuple[Group, ...]:
        """Those with a random list: ``first`` is not random."""
        return tuple(group for group in self.groups if group.split != _DEFAULT)

    @property
    def title(self) -> str:
        return shared_title([self.first], "shots")

    def complete(self, label: str) -> list[tuple[Group, MethodRecords]]:
        """Return the random lists for which a method has all categories."""
        return [
            (group, method)
            for group in self.random
            for method in group.methods
            if method.label == label and len(method.ok) == len(group.categories)
        ]


def typical_groups(groups: Sequence[Group]) -> list[Group]:
    """Return one group for each dataset, protocol and number of samples: the list ``first``, or else the first one.

    Parameters
    ----------
    groups
        In order.
    """
    return [family.first for family in _families(groups)]


def seed_grids(groups: Sequence[Group], metrics: Sequence[str] = ()) -> list[Grid]:
    """Return accuracy over random few-shot lists, for each dataset, protocol and number of samples with several.

    Parameters
    ----------
    groups
        In order.
    metrics
        These accuracy metrics only; all where empty.
    """
    shown = chosen_metrics(metrics)
    return [_grid(family, shown) for family in _families(groups) if len(family.random) >= _FEWEST and shown]


def _families(groups: Sequence[Group]) -> list[_Family]:
    families: dict[tuple[str, str, str], list[Group]] = {}
    for group in groups:
        families.setdefault((group.dataset, group.protocol.digest, str(group.shots)), []).append(group)
    return [_Family(tuple(members)) for members in families.values()]


def _grid(family: _Family, metrics: Sequence[Quantity]) -> Grid:
    columns = [Cut(metric).column for metric in metrics]
    labels = sorted({method.label for group in family.random for method in group.methods})
    series = [_series(family, label, metrics) for label in labels]
    rows = [_row(family, label, values, metrics) for label, values in zip(labels, series, strict=True)]
    keys = {key: value for key, value in family.first.keys.items() if key != "split"}
    splits = [group.split for group in family.random]
    grid = Grid(
        title=f"Over random training samples: {family.title}",
        label_headings=("method",),
        columns=tuple(columns),
        rows=rank_columns(rows, columns),
        caption=(
            f"splits {', '.join(splits)}: mean over them of the mean over categories, and half the width of its 95% "
            f"interval (Student's t: {t_quantile(len(splits) - 1, 0.95) / sqrt(len(splits)):.2f} standard deviations); "
            "for other training samples of the same pool, on the same test images"
        ),
        keys={"kind": "seeds", "split": "+".join(splits), **keys},
    )

    def tied(best: int, others: Sequence[int], column: int) -> dict[int, Difference | None]:
        first, *rest = (_numbers(series[index], column) for index in (best, *others))
        differences = dict(zip(others, paired_with_best(first, rest), strict=True))
        return {index: difference for index, difference in differences.items() if difference.tied}

    marked = mark_tied_with_best(grid, tied)
    return replace(marked, caption="; ".join(filter(None, (marked.caption, detectable_text(marked)))))


def _series(family: _Family, label: str, metrics: Sequence[Quantity]) -> list[list[Value]]:
    """Return a method's means over categories, for each random split in which it has all of them."""
    complete = family.complete(label)
    return [[measured_value(group, method, Cut(metric)) for metric in metrics] for group, method in complete]


def _numbers(series: Sequence[Sequence[Value]], column: int) -> list[float]:
    return [number for values in series if (number := values[column].number) is not None]


def _row(family: _Family, label: str, series: Sequence[Sequence[Value]], metrics: Sequence[Quantity]) -> Row:
    covered = [group.split for group, _ in family.complete(label)]
    lacking = [group.split for group in family.random if group.split not in covered]
    note = f"without split {', '.join(lacking)}: not run, or not in all categories" if lacking else ""
    values = [_value(series, column, metric, ranked=not lacking) for column, metric in enumerate(metrics)]
    keys = {"method": label, "source": "measured", "category": MEAN}
    return Row((Value(label, note=note),), tuple(values), keys, rank_group="measured")


def _value(series: Sequence[Sequence[Value]], column: int, metric: Quantity, *, ranked: bool) -> Value:
    numbers = _numbers(series, column)
    if len(numbers) < max(len(series), _FEWEST):
        undefined = next((values[column].note for values in series if values[column].number is None), "")
        return missing(undefined or f"an interval takes {_FEWEST} splits, and {len(series)} is measured")
    interval = seed_interval(numbers)
    half = interval.high - interval.value
    return Value(f"{interval.value:.{metric.digits}f} ±{half:.{metric.digits}f}", interval.value, ranked=ranked)
