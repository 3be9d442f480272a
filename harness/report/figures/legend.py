"""A legend below the axes, in columns that fit a paper's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.report.figures.colours import MUTED
from harness.report.figures.style import POINTS, WIDTHS, Frame, Width

__all__ = ["Entry", "Legend"]

_LINE, _SYMBOL, _LETTER = 9.0, 15.0, 3.75
"""Height of a line, width of a symbol and mean width of a letter, points."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A symbol and what it means.

    Parameters
    ----------
    text
        Broken into lines where it is long.
    colour
        Of the symbol.
    line
        Dashes as matplotlib takes them; empty for none.
    marker
        Empty for none.
    size
        Of the marker, points.
    fill
        Of the marker; its colour where empty.
    thickness
        Of the line, points.
    """

    text: str
    colour: str = MUTED
    line: str | tuple[float, tuple[float, ...]] = ""
    marker: str = ""
    size: float = 3.6
    fill: str = ""
    thickness: float = 1.1


@dataclass(frozen=True)
class Legend:
    """What symbols mean, in a figure of some width.

    Parameters
    ----------
    width
        Of the figure.
    entries
        In columns, row by row.
    line
        Side by side, with symbols as wide as their markers: below the others, which stand in one column then, or to
        their right on a wide page.
    """

    width: Width
    entries: Sequence[Entry]
    line: Sequence[Entry] = ()

    @property
    def height(self) -> float:
        """What it needs, points."""
        rows, line = sum(map(_height, self._rows)), _height(self.line)
        return (rows + line if self.width == "column" else max(rows, line)) + 3

    def draw(self, frame: Frame) -> None:
        """Draw it into the strip below the axes."""
        wide, top = WIDTHS[self.width] * POINTS, frame.key.get_ylim()[1]
        x, y = (5.0, _height(self.line) / 2) if self.width == "column" else (wide / 2, top / 2)
        for entry in self.line:
            x = 8 + _draw(frame, entry, x, y, entry.size)
        each = (wide - 10) / max(map(len, self._rows))
        for row in self._rows:
            for column, entry in enumerate(row):
                _draw(frame, entry, 5 + column * each, top - _LINE / 2, _SYMBOL)
            top -= _height(row)

    @cached_property
    def _rows(self) -> list[Sequence[Entry]]:
        letters = max(len(line) for entry in self.entries for line in entry.text.split("\n"))
        fitting = int((WIDTHS[self.width] * POINTS - 10) / (letters * _LETTER + _SYMBOL + 11))
        columns = 1 if self.line else max(1, min(len(self.entries), fitting))
        return [self.entries[start : start + columns] for start in range(0, len(self.entries), columns)]


def _height(row: Sequence[Entry]) -> float:
    return max((max(_LINE * (1 + entry.text.count("\n")), entry.size + 4) for entry in row), default=0)


def _draw(frame: Frame, entry: Entry, x: float, y: float, symbol: float) -> float:
    """Draw an entry whose first line is centred at a height, and return where it ends on the right."""
    middle, start = x + symbol / 2, x + symbol + min(symbol, 5)
    if entry.line:
        frame.key.plot([x, x + symbol], [y, y], color=entry.colour, linestyle=entry.line, linewidth=entry.thickness)
    if entry.marker:
        fill = entry.fill or entry.colour
        marker: dict[str, Any] = {
            "marker": entry.marker,
            "markersize": entry.size,
            "markeredgewidth": 0.8,
            "markerfacecolor": fill,
        }
        frame.key.plot([middle], [y], color=entry.colour, **marker)
    for line in entry.text.split("\n"):
        text = frame.key.text(start, y, line, va="center_baseline")
        y -= _LINE
    return start + text.get_window_extent().width / frame.figure.dpi * POINTS
