"""The leaderboard as data: sections of rows that may be compared with each other, measured and published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from operator import attrgetter

from harness.data.registry import DATASETS, dataset_title
from harness.data.splits import Shots
from harness.report.compare import same_parameters, why_not_comparable
from harness.report.grid import Grid, NumberId, Row, Value, missing, rank_columns
from harness.report.groups import Group, MethodRecords, group_records, samples_title
from harness.report.html.columns import COLUMNS
from harness.report.pivot import CONTENDED, Cut, label_of, measured_value
from harness.report.ties import TieTest, mark_ties
from harness.store.means import busy_reason, machine_of, machines_of
from harness.store.paper import PAPER_TABLES
from harness.store.published import MEAN, Published
from harness.store.query import RecordQuery
from harness.store.record import Record

__all__ = ["AS_PUBLISHED", "AUTHORS", "Line", "Section", "make_sections"]

AUTHORS = "the authors' machine"
AS_PUBLISHED = "as published"


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the leaderboard.

    Parameters
    ----------
    label
        Method and the parameters that a user named.
    published
        Whether its numbers are printed ones.
    device
        The machine of its speed and peaks.
    values
        One for each column.
    categories
        How many categories the numbers are means over.
    note
        What a reader must know of it.
    method
        Its records; None where published.
    """

    label: str
    published: bool
    device: str
    values: tuple[Value, ...]
    categories: int
    note: str
    method: MethodRecords | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under one protocol on the same samples.

    Parameters
    ----------
    dataset, shots, split, preset, weights
        What the rows have in common.
    title
        The same in words.
    categories
        All of the dataset.
    warning
        Why no number may be compared with published ones; empty where they may.
    lines
        Measured rows, then published ones, both in the order of the paper's tables.
    group
        What was measured; None where all rows are published.
    """

    dataset: str
    shots: Shots
    split: str
    preset: str
    weights: str
    title: str
    categories: tuple[str, ...]
    warning: str
    lines: tuple[Line, ...]
    group: Group | None = None

    @property
    def measured(self) -> bool:
        """Whether any of its rows is measured."""
        return any(not line.published for line in self.lines)


def make_sections(
    records: Iterable[Record], published: Published, query: RecordQuery | None = None, test: TieTest | None = None
) -> tuple[Section, ...]:
    """Return measured sections, the one with the most cells first, then those that are published only.

    Parameters
    ----------
    records
        Of any groups.
    published
        Stand in the sections that may be compared with them, and in sections of their own where there is none.
    query
        Chooses among both; all where None.
    test
        Decides whether two measured methods are tied; None marks the best by what is printed.
    """
    query = query or RecordQuery()
    rows = [row for row in published.rows if query.keeps_label(row.method)]
    chosen = replace(published, rows=tuple(row for row in rows if not query.shots or row.shots in query.shots))
    groups = sorted(group_records(records, query), key=attrgetter("cells"), reverse=True)
    if test is not None:
        test.prepare(NumberId(method, tuple(method.ok), "") for group in groups for method in group.methods)
    sections = [_measured(group, chosen, test) for group in groups]
    beside = {(section.dataset, section.shots) for section in sections if not section.warning}
    wanted = dict.fromkeys((row.dataset, row.shots) for row in chosen.rows if query.dataset in ("", row.dataset))
    return (*sections, *(_published(chosen, *key) for key in wanted if key not in beside))


def _measured(group: Group, published: Published, test: TieTest | None) -> Section:
    warning = why_not_comparable(group, published)
    machine = _main_machine(group)
    lines = [_line(group, method, machine) for method in sorted(group.methods, key=_place)]
    beside = [] if warning else _published_lines(published, group.dataset, group.shots, len(group.categories))
    return Section(
        group.dataset,
        group.shots,
        group.split,
        group.protocol.preset,
        group.protocol.weights,
        group.title,
        group.categories,
        warning,
        _ranked([*lines, *beside], test),
        group,
    )


def _published(published: Published, dataset: str, shots: Shots) -> Section:
    info = DATASETS.get(dataset)
    categories = info.categories if info else ()
    lines = _ranked(_published_lines(published, dataset, shots, len(categories)))
    heading = f"{dataset_title(dataset)}, {samples_title(shots)}, {AS_PUBLISHED}"
    return Section(dataset, shots, AS_PUBLISHED, AS_PUBLISHED, AS_PUBLISHED, heading, categories, "", lines)


@cache
def _paper_order() -> tuple[str, ...]:
    """Return the labels of all rows of the paper's tables."""
    return tuple(dict.fromkeys(label for table in PAPER_TABLES for label in table.methods))


def _place(method: MethodRecords) -> tuple[int, str]:
    """Return where a measured method stands in the paper's order, whatever its epochs; others follow by label."""
    cell, order = method.cell, _paper_order()
    preset = cell.protocol.preset
    for place, label in enumerate(order):
        if same_parameters(label, cell, preset, but=("epochs",)):
            return place, method.label
    return len(order), method.label


def _published_place(label: str) -> int:
    order = _paper_order()
    return order.index(label) if label in order else len(order)


def _main_machine(group: Group) -> str:
    """Return the machine that most cells of a group were measured on: all speeds of its board are from there."""
    machines = [machine_of(record) for record in group.ok]
    return max(dict.fromkeys(machines), key=machines.count, default="")


def _line(group: Group, method: MethodRecords, machine: str) -> Line:
    machines = machines_of(method.ok.values())
    values = tuple(
        missing(f"measured on {' and '.join(machines)}, the other speeds on {machine}")
        if column.quantity.of_machine and machines not in ((), (machine,))
        else measured_value(group, method, Cut(column.quantity), by_machine=True)
        for column in COLUMNS
    )
    why = busy_reason(method.among(group.categories)) if group.query.contended else ""
    busy = (CONTENDED,) if why else ()
    note = label_of(group, method, f"{CONTENDED}, {why}" if why else "").note
    device = ", ".join((" and ".join(machines), *busy))
    return Line(method.label, False, device, values, len(method.ok), note, method)


def _published_lines(published: Published, dataset: str, shots: Shots, categories: int) -> list[Line]:
    rows = [row for row in published.rows if (row.dataset, row.shots) == (dataset, shots)]
    lines = []
    for label in sorted(dict.fromkeys(row.method for row in rows), key=_published_place):
        sources = dict.fromkeys(f"{row.source}, table {row.table}" for row in rows if row.method == label)
        values = []
        for column in COLUMNS:
            row = published.find(dataset, (label,), shots, MEAN, column.id)
            values.append(Value(row.text, row.value) if row else missing("not published"))
        note = f"published numbers ({'; '.join(sources)})"
        lines.append(Line(label, True, AUTHORS, tuple(values), categories, note))
    return lines


def _ranked(lines: Sequence[Line], test: TieTest | None = None) -> tuple[Line, ...]:
    """Return the lines with the best of each column marked.

    Rows compete where they cover the same categories; published ones among themselves; numbers that depend on the
    machine on equal machines only.
    """
    columns = tuple(Cut(column.quantity).column for column in COLUMNS)
    rows = [Row((), line.values, {}, rank_group="published" if line.published else "measured") for line in lines]
    marked = mark_ties(Grid("", (), columns, rank_columns(rows, columns)), test)
    return tuple(replace(line, values=row.values) for line, row in zip(lines, marked.rows, strict=True))
