"""The first screen of ``harness tables``: who is best in one setting, whether it is a tie, and what else there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.report.grid import Grid, Value
from harness.report.groups import Group, group_records
from harness.report.pivot import Cut, measured_on, pivot
from harness.report.seeds import typical_groups
from harness.report.ties import mark_ties
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


def overview(records: Iterable[Record], query: RecordQuery, intervals: Uncertainty) -> Overview:
    """Return the screen of the fullest setting that a query leaves, of equally full ones the newest.

    Parameters
    ----------
    records
        At least one that the query chooses is ok.
    query
        What was asked for.
    intervals
        Decides ties.
    """
    groups = typical_groups([group for group in group_records(records, query) if group.cells])
    group = max(groups, key=lambda candidate: (candidate.cells, _newest(candidate)))
    cuts = [Cut(quantity(id)) for id in _COLUMNS]
    grid = mark_ties(pivot(group, "overview", "Best methods", cuts, note=measured_on), intervals.tied)
    return Overview(grid, _verdict(grid), tuple(_other_settings(groups, group)))


def _verdict(grid: Grid) -> str:
    """Return who is best in the metric that separates methods best, or who share the lead."""
    position = _COLUMNS.index(_DECIDING)
    title = quantity(_DECIDING).title
    values = [
        (row.keys["method"], row.values[position]) for row in grid.rows if row.values[position].number is not None
    ]
    if not values:
        return f"{title} is undefined for every method."
    tied = [label for label, value in values if value.tied]
    if tied:
        return f"No single best method in {title}: {_listed(tied)} can't be separated on these test images."
    best = [(label, value) for label, value in values if value.place == 1]
    if len(values) == 1 or not best:
        return f"{_listed([_with_value(*pair) for pair in values])} in {title}: nothing to compare with."
    return f"Best in {title}: {_listed([_with_value(*pair) for pair in best])}."


def _with_value(label: str, value: Value) -> str:
    return f"{label} ({value.text})"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _other_settings(groups: Sequence[Group], shown: Group) -> Iterable[str]:
    others = [group for group in groups if group is not shown]
    if others:
        yield "Other settings:"
        for group in others[:_OTHERS]:
            yield f"  harness tables {group.options}    ({group.cells} cells)"
        if len(others) > _OTHERS:
            yield f"  and {len(others) - _OTHERS} more: harness status"
    yield "Other tables: harness tables --list, all of them: harness tables --table all"


def _newest(group: Group) -> str:
    return max(record.created for method in group.methods for record in method.ok.values())
