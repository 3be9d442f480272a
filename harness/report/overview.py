"""The first screen of ``harness tables``: who is best in one setting, whether it is a tie, and what else there is."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.report.grid import Grid, Value
from harness.report.groups import Group, group_records
from harness.report.pivot import Cut, measured_on, pivot
from harness.report.seeds import typical_groups
from harness.report.ties import mark_ties, numbers_of
from harness.report.uncertainty import Uncertainty
from harness.store.quantities import quantity
from harness.store.query import RecordQuery
from harness.store.record import Record

__all__ = ["Overview", "overview"]

_COLUMNS = ("i_auroc", "p_auroc", "aupro_30", "aupro_1", "fps", "memory_mb", "peak_inference_mb")
_DECIDING = "aupro_1"
_OTHERS = 6
"""Settings that are named by the command that shows them."""


@dataclass(frozen=True, slots=True)
class Overview:
    """One screen.

    Parameters
    ----------
    grid
        The setting's methods.
    verdict
        Who is best, in one sentence.
    others
        Sentences that name the other settings and tables by the commands that show them.
    """

    grid: Grid
    verdict: str
    others: tuple[str, ...]


def overview(
    records: Iterable[Record], query: RecordQuery, intervals: Uncertainty, folders: Sequence[Path] = ()
) -> Overview:
    """Return the screen of the fullest setting that a query leaves, of equally full ones the newest.

    Parameters
    ----------
    records
        At least one that the query chooses is ok.
    query
        What was asked for.
    intervals
        Decides ties.
    folders
        Results folders that a command must name; none where it finds the records without.
    """
    groups = typical_groups([group for group in group_records(records, query) if group.cells])
    group = max(groups, key=lambda candidate: (candidate.cells, _newest(candidate)))
    cuts = [Cut(quantity(id)) for id in _COLUMNS]
    grid = pivot(group, "overview", "Best methods", cuts, note=measured_on)
    intervals.prepare(numbers_of([grid]))
    grid = mark_ties(grid, intervals)
    return Overview(grid, _verdict(grid), tuple(_other_settings(groups, group, _options(query, folders))))


def _verdict(grid: Grid) -> str:
    """Return who is best in the metric that separates methods best, or who share the lead.

    Methods are judged that cover the same categories; of several sets of them, the widest that two methods share.
    """
    position = _COLUMNS.index(_DECIDING)
    title = quantity(_DECIDING).title
    by_categories: dict[str, list[tuple[str, Value]]] = {}
    for row in grid.rows:
        value = row.values[position]
        if value.number is not None:
            by_categories.setdefault(value.over, []).append((row.keys["method"], value))
    if not by_categories:
        return f"{title} is undefined for every method."
    widths = {over: len(over.split("+")) for over in by_categories}
    over = max(by_categories, key=lambda over: (len(by_categories[over]) > 1, widths[over], len(by_categories[over])))
    values = by_categories[over]
    title += f" over {_count(widths[over], 'category', 'categories')}" if len(widths) > 1 else ""
    tied = [label for label, value in values if value.tied]
    if tied:
        seen = max((value.detectable for _, value in values if value.detectable is not None), default=None)
        not_equal = ""
        if seen is not None:
            not_equal = f", which does not make them equal: a true difference is seen 80% of the time from {seen:.3f}"
        names = _listed(tied)
        return f"No single best method in {title}: {names} can't be separated on these test images{not_equal}."
    best = [(label, value) for label, value in values if value.place == 1]
    if len(values) == 1 or not best:
        return f"{_listed([_with_value(*pair) for pair in values])} in {title}: nothing to compare with."
    return f"Best in {title}: {_listed([_with_value(*pair) for pair in best])}."


def _with_value(label: str, value: Value) -> str:
    return f"{label} ({value.text})"


def _count(number: int, noun: str, plural: str) -> str:
    return f"{number} {noun if number == 1 else plural}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _options(query: RecordQuery, folders: Sequence[Path]) -> list[str]:
    """Return the options beside a setting's own that a command needs to choose among the same records."""
    named = {
        "--methods": query.methods,
        "--categories": query.categories,
        "--device": (query.device,) if query.device else (),
        "--status": query.statuses,
    }
    options = [word for name, values in named.items() if values for word in (name, ",".join(values))]
    return options + [word for folder in folders for word in ("--results", str(folder))]


def _other_settings(groups: Sequence[Group], shown: Group, options: Sequence[str]) -> Iterable[str]:
    others = [group for group in groups if group is not shown]
    if others:
        yield "Other settings:"
        for group in others[:_OTHERS]:
            command = shlex.join(["harness", "tables", *group.options.split(), *options])
            yield f"  {command}    ({_count(group.cells, 'cell', 'cells')})"
        if len(others) > _OTHERS:
            yield f"  and {len(others) - _OTHERS} more: harness status"
    yield "Other tables: harness tables --list, all of them: harness tables --table all"


def _newest(group: Group) -> str:
    return max(record.created for method in group.methods for record in method.ok.values())
