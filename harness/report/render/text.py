"""Tables as text: for a terminal, and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.report.grid import Column, Grid, Row, Value
from harness.report.presentation import with_short_labels
from harness.report.printable import printable

__all__ = ["TIE_MARK", "as_markdown", "as_rich", "escape_markdown"]

TIE_MARK = "≈"
"""Follows a number that can't be separated from the best of its column."""

_MARKUP = re.compile(
    r"\\(?=[!-/:-@\[-`{-~])|[`|]|(?<!\s)\*|\*(?!\s|$)|(?<![^\W_])_|_(?![^\W_])|<(?=[A-Za-z/!?])|&(?=#?\w+;)"
)
"""Characters that Markdown takes for markup where they stand; an underscore inside a word is none."""

_STYLES = {"published": "cyan", "difference": "dim"}
_PLACES = {1: "bold", 2: "underline"}
_SUPERSCRIPTS = str.maketrans("0123456789,", "⁰¹²³⁴⁵⁶⁷⁸⁹˒")
_GAPS = (2, 1)
"""Characters between two columns: the box has one; the narrower gap is taken where it saves a group of columns."""

_UNFOLDED = 1000
"""A width at which no label breaks."""

_LEAST_LABEL = 8
"""Characters that a column of labels keeps."""

_BROKEN_LABELS = 32
"""Characters that columns of labels keep together where breaking them more would show more numbers in a line."""

_INDENT = "  "


def as_markdown(grids: Sequence[Grid]) -> str:
    """Return tables for a pull request: pipe tables, best bold, runner-up underlined, footnotes below, short labels."""
    return "\n\n".join(_markdown(with_short_labels(grid)) for grid in grids)


def as_rich(grid: Grid) -> RenderableType:
    """Return a table for a terminal; where it is too narrow, groups of columns below each other."""
    return _Terminal(grid)


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows as it is: what would be markup gets a backslash, newlines are spaces."""
    return _MARKUP.sub(r"\\\g<0>", text.replace("\n", " "))


def _mark(value: Value, notes: Sequence[str]) -> str:
    return (TIE_MARK if value.tied else "") + (_note_mark(notes.index(value.note) + 1) if value.note else "")


def _note_mark(number: int) -> str:
    return str(number).translate(_SUPERSCRIPTS)


def _markdown(grid: Grid) -> str:
    notes = grid.notes
    heading = [escape_markdown(text) for text in (*grid.label_headings, *(column.heading for column in grid.columns))]
    rules = [*("---" for _ in grid.label_headings), *("---:" for _ in grid.columns)]
    lines = [[_markdown_value(value, notes) for value in (*row.labels, *row.values)] for row in grid.rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in (heading, rules, *lines))
    title, caption, warned = map(escape_markdown, (grid.title, grid.caption, grid.warning))
    warning = f"**{warned}**" if warned else ""
    numbered = enumerate(map(escape_markdown, notes), start=1)
    below = "\n".join(f"- {_note_mark(number)} {note}" for number, note in numbered)
    return "\n\n".join(part for part in (f"### {title}", caption, warning, table, below) if part)


def _markdown_value(value: Value, notes: Sequence[str]) -> str:
    text = escape_markdown(value.text)
    wrapped = {1: f"**{text}**", 2: f"<u>{text}</u>"}.get(value.place, text)
    return wrapped + _mark(value, notes)


class _Terminal:
    """A grid that is laid out for the width, and written in the characters, of the terminal that it is given."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        yield _Layouts(self._grid, options.encoding).render(options.max_width)


class _Layouts:
    """Ways to set a grid in a terminal."""

    def __init__(self, grid: Grid, encoding: str) -> None:
        self._encoding = encoding
        self._grid = grid.with_texts(self._printable)
        self._notes = self._grid.notes
        self._note_marks = {note: _note_mark(number) for number, note in enumerate(self._notes, start=1)} | {"": ""}
        self._label_widths: dict[tuple[int, int, bool], int] = {}
        self._styles = _STYLES if len({row.keys.get("source") for row in grid.rows}) > 1 else {}
        self._marks = [
            max((cell_len(self._mark(row.values[index])) for row in self._grid.rows), default=0)
            for index in range(len(grid.columns))
        ]

    def _printable(self, text: str) -> str:
        return printable(text, self._encoding)

    def _mark(self, value: Value) -> str:
        return self._printable((TIE_MARK if value.tied else "") + self._note_marks[value.note])

    def render(self, width: int) -> RenderableType:
        grid = self._grid
        parts: list[RenderableType] = [Text(grid.title, style="bold")]
        if grid.caption:
            parts.append(Text(grid.caption, style="dim"))
        if grid.warning:
            parts.append(Text(grid.warning, style="bold yellow"))
        layout = self._layout(width)
        for chunk in layout.chunks:
            parts += [Text(), self._table(chunk, layout, width)]
        parts += [self._footnote(number, note) for number, note in enumerate(self._notes, start=1)]
        return Group(*parts, Text())

    def _layout(self, width: int) -> _Layout:
        """Return the layout that fits, with the fewest groups of columns; whole labels, wide gaps if possible.

        Labels are broken inside a word only where a number would have to be cut otherwise.
        """
        soft = min(self._layouts(width, hard=False), key=lambda layout: layout[:3])
        return soft[3] if not soft[0] else min(self._layouts(width, hard=True), key=lambda layout: layout[:3])[3]

    def _layouts(self, width: int, *, hard: bool) -> Iterator[tuple[bool, int, int, _Layout]]:
        """Yield layouts, each after whether it cuts numbers, its groups of columns, and how bad it looks."""
        for gap in _GAPS:
            needed = self._needed(gap)
            most = max(needed, default=0)
            if hard:
                rooms = (max(width - sum(needed), _BROKEN_LABELS), width - most)
                folds = [self._hard_folds(room, gap) for room in rooms]
            else:
                whole = self._labels_width(_Layout((), self._folds(), gap))
                others = whole - self._label_width(0, _UNFOLDED, hard=False)
                folds = [self._folds(fold) for fold in (_UNFOLDED, width - sum(needed) - others, width // 3)]
            for cost, each in enumerate(folds):
                layout = _Layout((), each, gap, hard)
                left = self._labels_width(layout)
                layout = replace(layout, chunks=_chunks(needed, left, width))
                yield left + most > width, len(layout.chunks), cost, layout

    def _folds(self, first: int = _UNFOLDED) -> tuple[int, ...]:
        return (max(first, 1), *[_UNFOLDED] * (len(self._grid.label_headings) - 1))

    def _hard_folds(self, room: int, gap: int) -> tuple[int, ...]:
        """Return widths of the label columns that take no more than some room, or as little as they can."""
        count = len(self._grid.label_headings)
        folds = [self._label_width(index, _UNFOLDED, hard=False) for index in range(count)]
        while sum(folds) + gap * (count - 1) > room and max(folds) > _LEAST_LABEL:
            folds[folds.index(max(folds))] -= 1
        return tuple(folds)

    def _needed(self, gap: int) -> list[int]:
        """Return the characters of every column of numbers, with the gap before it."""
        return [self._column_width(index, column) + gap for index, column in enumerate(self._grid.columns)]

    def _column_width(self, index: int, column: Column) -> int:
        numbers = [cell_len(row.values[index].text) + self._marks[index] for row in self._grid.rows]
        return max([cell_len(line) for line in column.heading.split("\n")] + numbers)

    def _labels_width(self, layout: _Layout) -> int:
        """Return the characters of all label columns, with the gaps between them."""
        widths = [self._label_width(index, fold, hard=layout.hard) for index, fold in enumerate(layout.folds)]
        return sum(widths) + layout.gap * (len(widths) - 1)

    def _label_width(self, index: int, fold: int, *, hard: bool) -> int:
        key = (index, fold, hard)
        if key not in self._label_widths:
            labels = {line for row in self._grid.rows for line in self._label_lines(row, index, fold, hard=hard)}
            self._label_widths[key] = max(map(cell_len, (self._grid.label_headings[index], *labels)))
        return self._label_widths[key]

    def _label_lines(self, row: Row, index: int, fold: int, *, hard: bool) -> list[str]:
        mark = self._mark(row.labels[index])
        lines = _folded(row.labels[index].text, fold - cell_len(mark) if hard else fold, hard=hard)
        return [*lines[:-1], lines[-1] + mark]

    def _table(self, chunk: Sequence[int], layout: _Layout, width: int) -> Table:
        grid = self._grid
        needed = self._labels_width(layout) + sum(self._needed(layout.gap)[index] for index in chunk)
        table = Table(
            box=SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, layout.gap - 1, 0, 0),
            collapse_padding=True,
            header_style="bold",
            width=needed if needed > width else None,
        )
        for heading in grid.label_headings:
            table.add_column(heading, no_wrap=True, vertical="top")
        for index in chunk:
            table.add_column(grid.columns[index].heading, justify="right", no_wrap=True)
        for position, row in enumerate(grid.rows):
            if row.starts and position:
                table.add_section()
            lines = [self._label_lines(row, index, fold, hard=layout.hard) for index, fold in enumerate(layout.folds)]
            labels = (Text("\n".join(label), self._style(row)) for label in lines)
            table.add_row(*labels, *(self._number(row, index) for index in chunk))
        return table

    def _style(self, row: Row) -> str:
        return self._styles.get(row.keys.get("source", ""), "")

    def _number(self, row: Row, index: int) -> Text:
        value = row.values[index]
        mark = self._mark(value)
        text = Text(style=self._style(row))
        text.append(value.text, style=_PLACES.get(value.place, ""))
        return text.append(mark + " " * (self._marks[index] - cell_len(mark)))

    def _footnote(self, number: int, note: str) -> RenderableType:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True)
        mark = self._printable(_note_mark(number))
        grid.add_row(Text(mark, style="dim"), Text(note, style="dim"))
        return grid


@dataclass(frozen=True, slots=True)
class _Layout:
    """Groups of columns below each other, the widths at which labels break, characters between columns.

    ``hard`` says that labels break anywhere.
    """

    chunks: tuple[tuple[int, ...], ...]
    folds: tuple[int, ...]
    gap: int
    hard: bool = False


def _chunks(needed: Sequence[int], left: int, width: int) -> tuple[tuple[int, ...], ...]:
    """Return indices of columns, group by group, each as wide as it may be beside ``left`` characters of labels."""
    chunks: list[list[int]] = [[]]
    used = left
    for index, column in enumerate(needed):
        if chunks[-1] and used + column > width:
            chunks.append([])
            used = left
        chunks[-1].append(index)
        used += column
    return tuple(map(tuple, chunks))


def _folded(label: str, width: int, *, hard: bool) -> list[str]:
    """Break a long label after commas and before a bracket, or anywhere where ``hard``; what follows is indented."""
    lines = [""]
    for part in re.split(r"(?<=,)|(?= \()", label):
        if lines[-1].strip() and cell_len(lines[-1] + part) > width:
            lines.append(_INDENT)
            part = part.lstrip()
        lines[-1] += part
        if hard:
            lines[-1:] = _chopped(lines[-1], width)
    return lines


def _chopped(line: str, width: int) -> list[str]:
    """Cut a line at the width; what follows is indented."""
    lines = []
    while cell_len(line) > width:
        first = chop_cells(line, width)[0]
        lines.append(first)
        line = _INDENT + line[len(first) :]
    return [*lines, line]
