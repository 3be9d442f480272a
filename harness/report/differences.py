"""How far each method is from the best one: differences with intervals, by a paired bootstrap over test images."""

from __future__ import annotations

from collections.abc import Sequence

from harness.registry import base_name
from harness.report.grid import Grid, NumberId, Value, missing
from harness.report.groups import Group, MethodRecords
from harness.report.intervals import Difference
from harness.report.own_tables import chosen_metrics
from harness.report.pivot import Cut, group_grid, measured_value, method_rows
from harness.report.uncertainty import Uncertainty
from harness.store.quantities import Quantity

__all__ = ["BEST", "difference_grid", "difference_value", "why_undecided"]

BEST = "best"
"""Stands where a method is the best one of its column."""

_CAPTION = (
    "difference to the best method of each column with its 95% interval, by a bootstrap over the same test images, "
    "corrected for selecting the best; variation between trainings is not included"
)


def difference_grid(group: Group, intervals: Uncertainty, metrics: Sequence[str] = ()) -> Grid | None:
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
    shown = chosen_metrics(metrics)
    intervals.prepare(NumberId(method, group.categories, metric.id) for method in rivals for metric in shown)
    columns = [Cut(metric).column for metric in shown]
    values = [_column(group, rivals, metric, intervals) for metric in shown]
    rows = [
        row
        for index, method in enumerate(group.methods)
        for row in method_rows(group, method, [column[index] for column in values])
    ]
    return group_grid(group, "differences", "Differences to the best", columns, rows, caption=_CAPTION)


def _covered(group: Group, method: MethodRecords) -> tuple[str, ...]:
    return tuple(method.among(group.categories))


def _rivals(group: Group) -> tuple[MethodRecords, ...]:
    """Return the methods that share the most categories with another one; none where no two have the same."""
    by_categories: dict[tuple[str, ...], list[MethodRecords]] = {}
    for method in group.methods:
        by_categories.setdefault(_covered(group, method), []).append(method)
    shared = [(len(names), len(same), same) for names, same in by_categories.items() if names and len(same) > 1]
    return tuple(max(shared, key=lambda candidate: candidate[:2])[2]) if shared else ()


def _column(group: Group, rivals: Sequence[MethodRecords], metric: Quantity, intervals: Uncertainty) -> list[Value]:
    """Return the values of a metric, one for each method of a group."""
    measured = [measured_value(group, method, Cut(metric)) for method in group.methods]
    numbers = {
        index: value.number
        for index, (method, value) in enumerate(zip(group.methods, measured, strict=True))
        if value.number is not None and method in rivals
    }
    if not numbers:
        return [value if value.number is None else missing(_other_categories(rivals)) for value in measured]
    best = (min if metric.lowest else max)(numbers, key=lambda index: numbers[index])
    names = _covered(group, group.methods[best])
    others = [index for index in numbers if index != best]
    ids = [NumberId(group.methods[index], names, metric.id) for index in (best, *others)]
    differences = dict(zip(others, intervals.against_best(ids[0], ids[1:]), strict=True))

    def value(index: int, method: MethodRecords) -> Value:
        if measured[index].number is None:
            return measured[index]
        if index == best:
            return Value(BEST, 0.0, ranked=False)
        if _covered(group, method) != names:
            return missing(_other_categories((group.methods[best],)))
        difference = differences[index]
        if difference is None:
            return missing(why_undecided(method, group.methods[best], names, intervals))
        return difference_value(difference, metric)

    return [value(index, method) for index, method in enumerate(group.methods)]


def difference_value(difference: Difference, metric: Quantity) -> Value:
    """Return a difference of a metric as tables print it, without an interval where every draw gives the same two.

    Parameters
    ----------
    difference
        Of a method to the best one.
    metric
        Whose digits are printed.
    """
    number = _signed(difference.value, metric.digits)
    if difference.detectable is None:
        return Value(number, difference.value, note="the same on all test sets that were drawn", ranked=False)
    ends = [_signed(end, metric.digits) for end in (difference.low, difference.high)]
    text = f"{number} [{', '.join(ends)}]"
    return Value(text, difference.value, ranked=False, low=difference.low, high=difference.high)


def _signed(number: float, digits: int) -> str:
    """Return a number with a sign where its printed digits are not all 0."""
    text = f"{number:+.{digits}f}"
    return text if float(text) else text[1:]


def _other_categories(best: Sequence[MethodRecords]) -> str:
    return f"other categories than {best[0].label}, the best one"


def why_undecided(method: MethodRecords, best: MethodRecords, names: tuple[str, ...], intervals: Uncertainty) -> str:
    """Return why the difference of two methods that have numbers has no interval.

    Parameters
    ----------
    method, best
        The two.
    names
        Categories that both have.
    intervals
        Of the results folder that they were read from.
    """
    first, second = (NumberId(either, names, BEST) for either in (method, best))
    if not intervals.same_images(first, second):
        return f"not tested on the same images as {best.label}, the best one"
    lacking = [either.label for either in (method, best) if intervals.without_counts(either, names)]
    if lacking:
        names_of = ",".join(dict.fromkeys(map(base_name, lacking)))
        where = f"no counts of the test images are stored with the records of {' and '.join(lacking)}"
        return f"{where}: the same run with '--rerun {names_of}' makes them"
    return "undefined on some of the test sets that were drawn, or a single image of a kind"
