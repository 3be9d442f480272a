"""A legend below the axes: entries in columns that fit a paper's, then a line of entries side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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
    """

    text: str
    colour: str = MUTED
    line: str | tuple[float, tuple[float, ...]] = ""
    marker: str = ""
    size: float = 3.6
    fill: str = ""

    @property
    def height(self) -> float:
        """What it needs, points."""
        return max(_LINE * (1 + self.text.count("\n")), self.size + 4)


@dataclass(frozen=True)
class Legend:
    """What symbols mean, in a figure of some width.

    Parameters
    ----------
    width
        Of the figure.
    entries
        In columns, row by row.
    below
        Side by side in one line, with symbols as wide as their markers.
    """

    width: Width
    entries: Sequence[Entry]
    below: Sequence[Entry] = ()

    @property
    def height(self) -> float:
        """What it needs, points."""
        rows = [*self._rows, self.below]
        return sum(max(entry.height for entry in row) for row in rows if row) + 3

    def draw(self, frame: Frame) -> None:
        """Draw it into the strip below the axes."""
        top = frame.key.get_ylim()[1]
        each = (WIDTHS[self.width] * POINTS - 10) / max(map(len, self._rows))
        for row in self._rows:
            for column, entry in enumerate(row):
                _draw(frame, entry, 5 + column * each, top - _LINE / 2, _SYMBOL)
            top -= max(entry.height for entry in row)
        x = 5.0
        for entry in self.below:
            x = 8 + _draw(frame, entry, x, top - max(entry.height for entry in self.below) / 2, entry.size)

    @cached_property
    def _rows(self) -> list[Sequence[Entry]]:
        letters = max(len(line) for entry in self.entries for line in entry.text.split("\n"))
        columns = int((WIDTHS[self.width] * POINTS - 10) / (letters * _LETTER + _SYMBOL + 11))
        columns = max(1, min(len(self.entries), columns))
        return [self.entries[start : start + columns] for start in range(0, len(self.entries), columns)]


def _draw(frame: Frame, entry: Entry, x: float, y: float, symbol: float) -> float:
    """Draw an entry whose first line is centred at a height, and return where it ends on the right."""
    if entry.line:
        frame.key.plot([x, x + symbol], [y, y], color=entry.colour, linestyle=entry.line, linewidth=1.1)
    if entry.marker:
        frame.key.plot(
            [x + symbol / 2],
            [y],
            color=entry.colour,
            marker=entry.marker,
            markersize=entry.size,
            markeredgewidth=0.8,
            markerfacecolor=entry.fill or entry.colour,
        )
    for line in entry.text.split("\n"):
        text = frame.key.text(x + symbol + (5 if symbol == _SYMBOL else 3), y, line, va="center_baseline")
        y -= _LINE
    return x + symbol + 3 + text.get_window_extent(frame.renderer).width / frame.figure.dpi * POINTS
