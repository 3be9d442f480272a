"""The leaderboard as data: sections of rows that may be compared with each other, measured and published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from harness.data.base import DATASETS
from harness.data.splits import Shots
from harness.report.beside import note, same_parameters
from harness.report.grid import Column, Grid, Row, Value, missing, rank_columns
from harness.report.html.columns import ACCURACY_COLUMNS, COLUMNS, column_value, devices_of
from harness.report.measured import MeasuredGroup, MeasuredMethod, group_records, why_not_comparable
from harness.report.papertables import PAPER_TABLES
from harness.report.ties import Claim, Judge, mark_ties
from harness.store.published import MEAN, Published
from harness.store.record import Record

__all__ = ["AS_PUBLISHED", "AUTHORS", "Line", "Section", "make_sections"]

AUTHORS = "the authors' machine"
AS_PUBLISHED = "as published"
_ACCURACY = {column.id for column in ACCURACY_COLUMNS}


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
    method: MeasuredMethod | None = None


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
    group: MeasuredGroup | None = None

    @property
    def measured(self) -> bool:
        """Whether any of its rows is measured."""
        return any(not line.published for line in self.lines)


def make_sections(
    records: Iterable[Record], published: Published, dataset: str | None = None, judge: Judge | None = None
) -> tuple[Section, ...]:
    """Return measured sections, then those that are published only.

    Parameters
    ----------
    records
        Of any groups.
    published
        Stand in the sections that may be compared with them, and in sections of their own where there is none.
    dataset
        One dataset only.
    judge
        Tells whether two measured methods are tied; None marks the best by what is printed.
    """
    groups = [group for group in group_records(records) if dataset in (None, group.dataset)]
    sections = [_measured(group, published, judge) for group in groups]
    beside = {(section.dataset, section.shots) for section in sections if not section.warning}
    wanted = dict.fromkeys((row.dataset, row.shots) for row in published.rows if dataset in (None, row.dataset))
    return (*sections, *(_published(published, *key) for key in wanted if key not in beside))


def _measured(group: MeasuredGroup, published: Published, judge: Judge | None) -> Section:
    warning = why_not_comparable(group, published)
    lines = [_line(group, method) for method in sorted(group.methods, key=_place)]
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
        _ranked([*lines, *beside], judge),
        group,
    )


def _published(published: Published, dataset: str, shots: Shots) -> Section:
    info = DATASETS.get(dataset)
    title = info.title if info else dataset
    samples = "all training samples" if shots == "full" else f"{shots} training samples"
    categories = info.categories if info else ()
    lines = _ranked(_published_lines(published, dataset, shots, len(categories)))
    heading = f"{title}, {samples}, {AS_PUBLISHED}"
    return Section(dataset, shots, AS_PUBLISHED, AS_PUBLISHED, AS_PUBLISHED, heading, categories, "", lines)


@cache
def _paper_order() -> tuple[str, ...]:
    """Return the labels of all rows of the paper's tables."""
    return tuple(dict.fromkeys(label for table in PAPER_TABLES for label in table.methods))


def _place(method: MeasuredMethod) -> tuple[int, str]:
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


def _line(group: MeasuredGroup, method: MeasuredMethod) -> Line:
    values = tuple(column_value(method, group.categories, column) for column in COLUMNS)
    device = " and ".join(devices_of(method))
    return Line(method.label, False, device, values, len(method.ok), note(group, method), method)


def _published_lines(published: Published, dataset: str, shots: Shots, categories: int) -> list[Line]:
    rows = [row for row in published.rows if (row.dataset, row.shots) == (dataset, shots)]
    lines = []
    for label in sorted(dict.fromkeys(row.method for row in rows), key=_published_place):
        sources = dict.fromkeys(f"{row.source}, table {row.table}" for row in rows if row.method == label)
        values = []
        for column in COLUMNS:
            found = published.find(dataset, (label,), shots, MEAN, column.id)
            values.append(Value(found.text, found.value) if found else missing("not published"))
        told = f"published numbers ({'; '.join(sources)})"
        lines.append(Line(label, True, AUTHORS, tuple(values), categories, told))
    return lines


def _ranked(lines: Sequence[Line], judge: Judge | None = None) -> tuple[Line, ...]:
    """Return the lines with the best of each column marked.

    Rows compete where they cover the same categories; published ones among themselves; numbers that depend on the
    machine on equal machines only.
    """
    anywhere = _marked(lines, [_rivals(line) for line in lines], judge)
    by_device = _marked(lines, [f"{_rivals(line)} {line.device}" for line in lines], None)
    return tuple(
        replace(
            line,
            values=tuple(
                own if column.metric.of_machine else shared
                for shared, own, column in zip(first.values, second.values, COLUMNS, strict=True)
            ),
        )
        for line, first, second in zip(lines, anywhere, by_device, strict=True)
    )


def _marked(lines: Sequence[Line], rivals: Sequence[str], judge: Judge | None) -> tuple[Row, ...]:
    columns = tuple(Column(column.id, {"metric": column.id}, column.metric.lowest) for column in COLUMNS)
    rows = [
        Row((), _competing(line), {"line": str(index)}, rank_group=group)
        for index, (line, group) in enumerate(zip(lines, rivals, strict=True))
    ]

    def claim(row: Row, column: Column) -> Claim | None:
        method, metric = lines[int(row.keys["line"])].method, column.keys["metric"]
        return Claim(method, tuple(method.ok), metric) if method and metric in _ACCURACY else None

    return mark_ties(Grid("", (), columns, rank_columns(rows, columns)), claim, judge).rows


def _competing(line: Line) -> tuple[Value, ...]:
    return tuple(
        value if column.ranked else replace(value, ranked=False)
        for value, column in zip(line.values, COLUMNS, strict=True)
    )


def _rivals(line: Line) -> str:
    covered = "+".join(line.method.ok) if line.method else ""
    return f"{'published' if line.published else 'measured'} {covered}"
