"""The first screen of ``harness tables``: who is best in one setting, whether it is a tie, and what else there is."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.report.answer.answer import Answer
from harness.report.answer.field import choose_field
from harness.report.answer.make import answer_of
from harness.report.grid import Grid
from harness.report.groups import Group, group_records
from harness.report.pivot import Cut, measured_on, pivot
from harness.report.seeds import typical_groups
from harness.report.ties import mark_ties, numbers_of
from harness.report.uncertainty import Uncertainty
from harness.store.quantities import quantity
from harness.store.query import RecordQuery
from harness.store.record import Record

__all__ = ["Overview", "compare_hint", "overview"]

_COLUMNS = ("i_auroc", "p_auroc", "aupro_30", "aupro_1", "fps", "memory_mb", "peak_inference_mb")
_COMPARE = "Which is best, by how much, at what cost: {}"
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
        Who is best, and whether that is a tie.
    others
        Sentences that name the commands that show more: the whole answer, the other settings, the other tables.
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
    answer = answer_of(choose_field(group), intervals)
    options = _options(query, folders)
    return Overview(mark_ties(grid, intervals), answer.paragraphs[0], tuple(_more(groups, group, answer, options)))


def compare_hint(records: Iterable[Record], query: RecordQuery, folders: Sequence[Path] = ()) -> str:
    """Return the line that names the command for who is best, where two methods are measured in some setting, else "".

    Parameters
    ----------
    records
        From which the query chooses.
    query
        What was asked for.
    folders
        Results folders that the command must name; none where it finds the records without.
    """
    groups = [group for group in group_records(records, query) if sum(bool(method.ok) for method in group.methods) > 1]
    if not groups:
        return ""
    setting = groups[0].options.split() if len(groups) == 1 else []
    return _COMPARE.format(shlex.join(["harness", "compare", *setting, *_options(query, folders)]))


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


def _more(groups: Sequence[Group], shown: Group, answer: Answer, options: Sequence[str]) -> Iterable[str]:
    if len(answer.methods) > 1:
        yield _COMPARE.format(shlex.join(["harness", "compare", *shown.options.split(), *options]))
    others = [group for group in groups if group is not shown]
    if others:
        yield "Other settings:"
        for group in others[:_OTHERS]:
            command = shlex.join(["harness", "tables", *group.options.split(), *options])
            yield f"  {command}    ({group.cells} {'cell' if group.cells == 1 else 'cells'})"
        if len(others) > _OTHERS:
            yield f"  and {len(others) - _OTHERS} more: harness status"
    yield "Other tables: harness tables --list, all of them: harness tables --table all"


def _newest(group: Group) -> str:
    return max(record.created for method in group.methods for record in method.ok.values())
