"""A legend below the axes, in columns that fit a paper's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.report.figures.colours import MUTED
from harness.report.figures.style import POINTS, WIDTHS, Width

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Entry", "draw_legend", "legend_height"]

_LINE, _SYMBOL, _LETTER = 9.0, 20.0, 3.75


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the legend.

    Parameters
    ----------
    text
        What it says.
    colour
        Of the symbol; a neutral one where None.
    line
        Dashes as matplotlib takes them; empty for none.
    marker
        Empty for none.
    hollow
        Whether the marker is filled with white.
    """

    text: str
    colour: str | None
    line: str | tuple[float, tuple[float, ...]] = ""
    marker: str = ""
    hollow: bool = False


def legend_height(entries: Sequence[Entry], width: Width) -> float:
    """Return the height in points that the entries need."""
    return -(-len(entries) // _columns(entries, width)) * _LINE + 3


def draw_legend(key: Axes, entries: Sequence[Entry], width: Width) -> None:
    """Draw the entries, row by row.

    Parameters
    ----------
    key
        Strip whose unit is the point.
    entries
        In order.
    width
        Of the figure.
    """
    columns = _columns(entries, width)
    each = (WIDTHS[width] * POINTS - 10) / columns
    for index, entry in enumerate(entries):
        x, y = 5 + index % columns * each, key.get_ylim()[1] - _LINE * (index // columns + 0.5)
        colour = entry.colour or MUTED
        if entry.line:
            key.plot([x, x + _SYMBOL - 5], [y, y], color=colour, linestyle=entry.line, linewidth=1.1)
        if entry.marker:
            fill = "white" if entry.hollow else colour
            key.plot(
                [x + (_SYMBOL - 5) / 2],
                [y],
                color=colour,
                marker=entry.marker,
                markersize=3.6,
                markeredgewidth=0.8,
                markerfacecolor=fill,
            )
        key.text(x + _SYMBOL, y, entry.text, va="center_baseline")


def _columns(entries: Sequence[Entry], width: Width) -> int:
    longest = max(len(entry.text) for entry in entries) * _LETTER + _SYMBOL + 6
    return max(1, min(len(entries), int((WIDTHS[width] * POINTS - 10) / longest)))
