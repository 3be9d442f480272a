"""How far each method is from the best one: differences with intervals, by a paired bootstrap over test images."""

from __future__ import annotations

from collections.abc import Sequence

from harness.registry import base_name
from harness.report.accuracy import accuracy_value
from harness.report.beside import group_grid, note
from harness.report.grid import Column, Grid, Row, Value, missing
from harness.report.measured import MeasuredGroup, MeasuredMethod
from harness.report.names import ACCURACY, MetricName
from harness.report.uncertainty import IntervalValue, Uncertainty
from harness.store.published import MEAN

__all__ = ["BEST", "difference_grid"]

BEST = "best"
"""Stands where a method is the best one of its column."""

_CAPTION = (
    "difference to the best method of each column with its 95% interval, by a bootstrap over the same test images; "
    "training again is another question"
)


def difference_grid(group: MeasuredGroup, intervals: Uncertainty, metrics: Sequence[str] = ()) -> Grid | None:
    """Return the difference of each method to the best one in each metric; None where no two methods may be compared.

    The best one is that with the best mean among the methods that have the most categories, as long as these are two
    or more. A method with other categories gets a dash, and so does one that left no counts.

    Parameters
    ----------
    group
        Measured under one protocol.
    intervals
        Of the results folder that the group was read from.
    metrics
        These accuracy metrics only; all where empty.
    """
    rivals = _rivals(group)
    if not rivals:
        return None
    shown = [metric for metric in ACCURACY if not metrics or metric.id in metrics]
    columns = [Column(metric.heading, {"metric": metric.id}, metric.lowest) for metric in shown]
    values = [_column(group, rivals, metric, intervals) for metric in shown]
    rows = [
        _row(group, method, tuple(column[index] for column in values)) for index, method in enumerate(group.methods)
    ]
    return group_grid(group, "differences", "Differences to the best", columns, rows, caption=_CAPTION)


def _row(group: MeasuredGroup, method: MeasuredMethod, values: tuple[Value, ...]) -> Row:
    covered = _covered(group, method)
    keys = {"method": method.label, "source": "measured"}
    keys["category"] = MEAN if covered == group.categories else "+".join(covered)
    return Row((Value(method.label, note=note(group, method)), Value("measured")), values, keys)


def _covered(group: MeasuredGroup, method: MeasuredMethod) -> tuple[str, ...]:
    return tuple(name for name in group.categories if name in method.ok)


def _rivals(group: MeasuredGroup) -> tuple[MeasuredMethod, ...]:
    """Return the methods that share the most categories with another one; none where no two have the same."""
    by_categories: dict[tuple[str, ...], list[MeasuredMethod]] = {}
    for method in group.methods:
        by_categories.setdefault(_covered(group, method), []).append(method)
    shared = [(len(names), len(found), found) for names, found in by_categories.items() if names and len(found) > 1]
    return tuple(max(shared, key=lambda one: one[:2])[2]) if shared else ()


def _column(
    group: MeasuredGroup, rivals: Sequence[MeasuredMethod], metric: MetricName, intervals: Uncertainty
) -> list[Value]:
    """Return the values of a metric, one for each method of a group."""
    measured = [accuracy_value(method, group.categories, metric) for method in group.methods]
    numbers = {
        index: value.number
        for index, (method, value) in enumerate(zip(group.methods, measured, strict=True))
        if value.number is not None and method in rivals
    }
    if not numbers:
        return [value if value.number is None else missing(_other_categories(rivals)) for value in measured]
    best = (min if metric.lowest else max)(numbers, key=lambda index: numbers[index])
    return [
        _value(group, method, group.methods[best], value, metric, intervals)
        for method, value in zip(group.methods, measured, strict=True)
    ]


def _value(
    group: MeasuredGroup,
    method: MeasuredMethod,
    best: MeasuredMethod,
    measured: Value,
    metric: MetricName,
    intervals: Uncertainty,
) -> Value:
    if measured.number is None:
        return measured
    if method is best:
        return Value(BEST, 0.0, ranked=False)
    names = _covered(group, best)
    if _covered(group, method) != names:
        return missing(_other_categories((best,)))
    found = intervals.difference(method, best, names, metric.id)
    if found is None:
        return missing(_why(method, best, names, intervals))
    texts = [_signed(number, metric.digits) for number in (found.value, found.low, found.high)]
    return IntervalValue(
        f"{texts[0]} [{texts[1]}, {texts[2]}]", found.value, ranked=False, low=found.low, high=found.high
    )


def _signed(number: float, digits: int) -> str:
    """Return a number with a sign where its printed digits are not all 0."""
    text = f"{number:+.{digits}f}"
    return text if float(text) else text[1:]


def _other_categories(best: Sequence[MeasuredMethod]) -> str:
    return f"other categories than {best[0].label}, the best one"


def _why(method: MeasuredMethod, best: MeasuredMethod, names: Sequence[str], intervals: Uncertainty) -> str:
    """Return why two methods with numbers have no interval."""
    if not intervals.same_images(method, best, names):
        return f"not tested on the same images as {best.label}, the best one"
    lacking = [one.label for one in (method, best) if intervals.without_counts(one, names)]
    if lacking:
        names_of = ",".join(dict.fromkeys(base_name(label) for label in lacking))
        told = f"no counts of the test images lie beside the records of {' and '.join(lacking)}"
        return f"{told}: the same run with '--rerun {names_of}' makes them"
    return "undefined on some of the test sets that were drawn"
