"""A table as data: what it shows, before any format is chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

__all__ = ["Column", "Grid", "Row", "Value", "competes", "missing", "rank_columns"]

_EMPTY: Mapping[str, str] = {}


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
        True where it can't be told from the best of its column; no number of that column has a place then.
    ranked
        False where it does not compete, for example a mean that lacks some categories.
    """

    text: str
    number: float | None = None
    note: str = ""
    place: int = 0
    tied: bool = False
    ranked: bool = True


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers.

    Parameters
    ----------
    heading
        Lines between newlines.
    keys
        What tells it from the others in data formats, for example ``{"metric": "i_auroc"}``.
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
        What tells it from the others in data formats, for example ``{"method": "cfm", "source": "measured"}``.
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
        found = (value.note for row in self.rows for value in (*row.labels, *row.values))
        return tuple(dict.fromkeys(note for note in found if note))


def missing(reason: str) -> Value:
    """Return a dash with a footnote."""
    return Value("-", note=reason)


def rank_columns(rows: Sequence[Row], columns: Sequence[Column]) -> tuple[Row, ...]:
    """Return the rows with best and runner-up of every column marked; ties share, by what is printed.

    Only rows of one ``rank_group`` compete, and a column where all that compete are equal has no best one.
    """
    values = [list(row.values) for row in rows]
    for group in {row.rank_group for row in rows} - {""}:
        members = [index for index, row in enumerate(rows) if row.rank_group == group]
        for position, column in enumerate(columns):
            places = _places((values[index][position] for index in members), column.lowest)
            for index in members:
                value = values[index][position]
                place = places.get(value.text, 0) if competes(value) else 0
                if place != value.place:
                    values[index][position] = replace(value, place=place)
    return tuple(replace(row, values=tuple(changed)) for row, changed in zip(rows, values, strict=True))


def _places(values: Iterable[Value], lowest: bool) -> dict[str, int]:
    printed = {value.text for value in values if competes(value)}
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
