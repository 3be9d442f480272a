"""A table as data: what it shows, before any format is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from harness.report.groups import MethodRecords

__all__ = ["Column", "Grid", "NumberId", "Row", "Value", "competes", "missing", "range_text", "rank_columns", "rivals"]

_ONE_LINE = {ord("\n"): " ", ord("\t"): " "}


@dataclass(frozen=True, slots=True)
class Value:
    """One number of a table, or a dash with its reason.

    Parameters
    ----------
    text
        As printed.
    number
        The number itself; None for a dash.
    note
        What a reader must know of it: a footnote.
    place
        1 for the best of its column, 2 for the runner-up, else 0.
    tied
        True where it can't be separated from the best of its column; no number of that column has a place then.
    detectable
        Of a tied number, the true difference to the best one that would be detected with a power of 80%; None where
        it is unknown.
    images_needed
        Of a number that is tied with the best, how many test images would tell them apart
        (:func:`harness.report.power.images_needed`); None where it is unknown.
    ranked
        False where it does not compete.
    over
        What it is a mean over: it competes with numbers over the same categories only.
    low, high
        Ends of its interval, which data formats show; None where it has none.
    quantity
        Id of what it shows, where the column does not say.
    identity
        What was measured, where a bootstrap can compare it with others.
    """

    text: str
    number: float | None = None
    note: str = ""
    place: int = 0
    tied: bool = False
    detectable: float | None = None
    images_needed: int | None = None
    ranked: bool = True
    over: str = ""
    low: float | None = None
    high: float | None = None
    quantity: str = ""
    identity: NumberId | None = None


@dataclass(frozen=True, slots=True)
class NumberId:
    """What a measured accuracy is.

    Parameters
    ----------
    method
        Whose records it was taken from.
    categories
        What it is a mean over.
    metric
        Id of the quantity.
    defect
        One type of defect against all good images; all where empty.
    """

    method: MethodRecords
    categories: tuple[str, ...]
    metric: str
    defect: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers.

    Parameters
    ----------
    heading
        Lines between newlines.
    keys
        What distinguishes it from the others in data formats, for example ``{"metric": "i_auroc"}``.
    lowest
        True where the lowest number is the best one.
    """

    heading: str
    keys: Mapping[str, str]
    lowest: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of numbers.

    Parameters
    ----------
    labels
        What stands before the numbers, one for each of the table's ``label_headings``.
    values
        One for each column.
    keys
        What distinguishes it from the others in data formats, for example ``{"method": "cfm", "source": "measured"}``.
    starts
        Whether a rule is drawn above it.
    rank_group
        Rows of one group compete for best and runner-up; rows of the group ``""`` don't compete.
    """

    labels: tuple[Value, ...]
    values: tuple[Value, ...]
    keys: Mapping[str, str]
    starts: bool = False
    rank_group: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table with its title, notes and context.

    Parameters
    ----------
    title
        One line.
    label_headings
        Headings of the label columns.
    columns, rows
        What it shows; every row has one value for each column.
    caption
        Sentences below the title: what the numbers are.
    warning
        A sentence that keeps a reader from a wrong comparison; empty where there is none.
    keys
        What holds for every number, for example ``{"kind": "published", "dataset": "mvtec3d"}``.
    """

    title: str
    label_headings: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str = ""
    warning: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """Footnotes in the order in which a reader meets them, without repetitions."""
        notes = (value.note for row in self.rows for value in (*row.labels, *row.values))
        return tuple(dict.fromkeys(note for note in notes if note))

    def with_texts(self, change: Callable[[str], str]) -> Grid:
        """Return the table with every printed text changed; labels and values become one line each."""

        def changed(value: Value) -> Value:
            text, note = change(value.text.translate(_ONE_LINE)), change(value.note)
            return value if (text, note) == (value.text, value.note) else replace(value, text=text, note=note)

        return replace(
            self,
            title=change(self.title),
            caption=change(self.caption),
            warning=change(self.warning),
            label_headings=tuple(map(change, self.label_headings)),
            columns=tuple(replace(column, heading=change(column.heading)) for column in self.columns),
            rows=tuple(
                replace(row, labels=tuple(map(changed, row.labels)), values=tuple(map(changed, row.values)))
                for row in self.rows
            ),
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return one line for each number, with all that distinguishes it; raise PrerequisiteError without pandas."""
        from harness.report.frame import pandas_frame
        from harness.report.render.data import entries

        return pandas_frame(entries(self))

    def _repr_html_(self) -> str:
        """Return the table as a notebook shows it."""
        from harness.report.render.page import table_html

        return table_html(self)


def missing(reason: str) -> Value:
    """Return a dash with a footnote."""
    return Value("-", note=reason)


def range_text(low: int | str, high: int | str) -> str:
    """Return two whole numbers as ``5 to 10``, or as one where they are the same."""
    return f"{low}" if low == high else f"{low} to {high}"


def rank_columns(rows: Sequence[Row], columns: Sequence[Column]) -> tuple[Row, ...]:
    """Return the rows with best and runner-up of every column marked; ties share, by what is printed.

    A column where all that compete are equal has no best one.
    """
    values = [list(row.values) for row in rows]
    for position, column in enumerate(columns):
        for members in rivals(rows, position):
            places = _places((values[index][position] for index in members), column.lowest)
            for index in members:
                value = values[index][position]
                place = places.get(value.text, 0)
                if place != value.place:
                    values[index][position] = replace(value, place=place)
    return tuple(replace(row, values=tuple(changed)) for row, changed in zip(rows, values, strict=True))


def rivals(rows: Sequence[Row], position: int) -> tuple[tuple[int, ...], ...]:
    """Return which rows compete in a column: those of one rank group whose numbers are over the same categories."""
    groups: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        value = row.values[position]
        if row.rank_group and competes(value):
            groups.setdefault((row.rank_group, value.over), []).append(index)
    return tuple(map(tuple, groups.values()))


def _places(values: Iterable[Value], lowest: bool) -> dict[str, int]:
    printed = {value.text for value in values}
    if len(printed) < 2:
        return {}
    ordered = sorted(printed, key=_leading, reverse=not lowest)
    return {text: place for place, text in enumerate(ordered[:2], start=1)}


def competes(value: Value) -> bool:
    """Return whether a value is a number that may be the best of its column."""
    return value.number is not None and value.ranked


def _leading(text: str) -> float:
    """Return the number that a text begins with: an interval may follow after a space."""
    return float(text.partition(" ")[0])
