"""Means over few-shot lists: how much a number depends on which samples a method was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.data.base import DATASETS
from harness.report.accuracy import accuracy_value
from harness.report.grid import Column, Grid, Row, Value, missing, rank_columns
from harness.report.measured import MeasuredGroup, MeasuredMethod
from harness.report.names import ACCURACY, MetricName
from harness.report.ties import share_lead
from harness.report.uncertainty import seed_interval
from harness.store.published import MEAN

__all__ = ["seed_grids", "typical_groups"]

_DEFAULT = "first"
_FEWEST = 2


@dataclass(frozen=True)
class _Family:
    """Groups that differ in the few-shot list only."""

    groups: tuple[MeasuredGroup, ...]

    @property
    def first(self) -> MeasuredGroup:
        return self.groups[0]

    @property
    def random(self) -> tuple[MeasuredGroup, ...]:
        """Those with a random list: ``first`` is no random one."""
        return tuple(group for group in self.groups if group.split != _DEFAULT)

    @property
    def title(self) -> str:
        group = self.first
        dataset = DATASETS[group.dataset].title if group.dataset in DATASETS else group.dataset
        protocol = group.protocol
        return f"{dataset}, {group.shots} training samples, preset {protocol.preset}, {protocol.weights} weights"

    def complete(self, label: str) -> list[tuple[MeasuredGroup, MeasuredMethod]]:
        """Return the random lists for which a method has all categories."""
        return [
            (group, method)
            for group in self.random
            for method in group.methods
            if method.label == label and len(method.ok) == len(group.categories)
        ]


def typical_groups(groups: Sequence[MeasuredGroup]) -> list[MeasuredGroup]:
    """Return one group for each dataset, protocol and number of samples: the list ``first``, or else the first one.

    Parameters
    ----------
    groups
        In order.
    """
    return [family.first for family in _families(groups)]


def seed_grids(groups: Sequence[MeasuredGroup], metrics: Sequence[str] = ()) -> list[Grid]:
    """Return accuracy over random few-shot lists, for each dataset, protocol and number of samples with several.

    Parameters
    ----------
    groups
        In order.
    metrics
        These accuracy metrics only; all where empty.
    """
    shown = [metric for metric in ACCURACY if not metrics or metric.id in metrics]
    return [_grid(family, shown) for family in _families(groups) if len(family.random) >= _FEWEST and shown]


def _families(groups: Sequence[MeasuredGroup]) -> list[_Family]:
    found: dict[tuple[str, str, str], list[MeasuredGroup]] = {}
    for group in groups:
        found.setdefault((group.dataset, group.protocol.digest, str(group.shots)), []).append(group)
    return [_Family(tuple(members)) for members in found.values()]


def _grid(family: _Family, metrics: Sequence[MetricName]) -> Grid:
    columns = [Column(metric.heading, {"metric": metric.id}, metric.lowest) for metric in metrics]
    labels = sorted({method.label for group in family.random for method in group.methods})
    series = [_series(family, label, metrics) for label in labels]
    rows = [_row(family, label, found, metrics) for label, found in zip(labels, series, strict=True)]
    keys = {key: value for key, value in family.first.keys.items() if key != "split"}
    splits = [group.split for group in family.random]
    grid = Grid(
        title=f"Over random training samples: {family.title}",
        label_headings=("method",),
        columns=tuple(columns),
        rows=rank_columns(rows, columns),
        caption=(
            f"splits {', '.join(splits)}: mean over them of the mean over categories, and half the width of its 95% "
            "interval (Student's t)"
        ),
        keys={"kind": "seeds", "split": "+".join(splits), **keys},
    )

    def tied(best: int, other: int, column: int) -> bool:
        pairs = zip(_numbers(series[best], column), _numbers(series[other], column), strict=True)
        return seed_interval([one - two for one, two in pairs]).holds_zero

    return share_lead(grid, tied)


def _series(family: _Family, label: str, metrics: Sequence[MetricName]) -> list[list[Value]]:
    """Return a method's means over categories, for each random split in which it has all of them."""
    found = family.complete(label)
    return [[accuracy_value(method, group.categories, metric) for metric in metrics] for group, method in found]


def _numbers(series: Sequence[Sequence[Value]], column: int) -> list[float]:
    return [number for values in series if (number := values[column].number) is not None]


def _row(family: _Family, label: str, series: Sequence[Sequence[Value]], metrics: Sequence[MetricName]) -> Row:
    covered = [group.split for group, _ in family.complete(label)]
    lacking = [group.split for group in family.random if group.split not in covered]
    told = f"without split {', '.join(lacking)}: not run, or not in all categories" if lacking else ""
    values = [_value(series, column, metric, ranked=not lacking) for column, metric in enumerate(metrics)]
    keys = {"method": label, "source": "measured", "category": MEAN}
    return Row((Value(label, note=told),), tuple(values), keys, rank_group="measured")


def _value(series: Sequence[Sequence[Value]], column: int, metric: MetricName, *, ranked: bool) -> Value:
    numbers = _numbers(series, column)
    if len(numbers) < max(len(series), _FEWEST):
        undefined = next((values[column].note for values in series if values[column].number is None), "")
        return missing(undefined or f"an interval takes {_FEWEST} splits, and {len(series)} is measured")
    interval = seed_interval(numbers)
    half = interval.high - interval.value
    return Value(f"{interval.value:.{metric.digits}f} ±{half:.{metric.digits}f}", interval.value, ranked=ranked)
