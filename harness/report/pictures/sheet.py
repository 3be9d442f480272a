"""A sheet of square panels in rows and columns, measured in inches, so that labels fit whatever their number."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.report.pictures.panels import OUTLINE, Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ColourBar", "draw_sheet"]

_PANEL, _GAP = 1.2, 0.05
_LINE, _CHARACTER, _MARGIN = 0.125, 0.068, 0.06
_BAR, _BAR_ROOM = 0.07, 0.3
_FONT = 7.5
_DPI = 250
_CHARACTERS_AN_INCH = 19


@dataclass(frozen=True, slots=True)
class ColourBar:
    """A bar of colour below some columns, with the values at its ends.

    Parameters
    ----------
    first, last
        The columns.
    colours
        Name of the colour map.
    limits
        Values at its two ends.
    """

    first: int
    last: int
    colours: str
    limits: tuple[float, float]


def draw_sheet(
    labels: Sequence[str],
    headings: Sequence[str],
    rows: Sequence[Sequence[Panel]],
    caption: str,
    bars: Sequence[ColourBar] = (),
) -> Figure:
    """Draw panels under headings, with a label before each row, bars of colour below columns, and a caption.

    Parameters
    ----------
    labels
        Of the rows, lines between newlines.
    headings
        Of the columns.
    rows
        Panels, one for each heading.
    caption
        Printed below, wrapped.
    bars
        Below the panels.
    """
    wide = len(headings) * (_PANEL + _GAP) - _GAP
    left = 2 * _MARGIN + _CHARACTER * max(len(line) for label in labels for line in label.split("\n"))
    lines = textwrap.wrap(caption, int((wide + left) * _CHARACTERS_AN_INCH))
    top = _MARGIN + _LINE * max(heading.count("\n") + 1 for heading in headings)
    bottom = top + len(rows) * (_PANEL + _GAP)
    below = (_BAR_ROOM if bars else 0) + _LINE * len(lines) + 2 * _MARGIN
    page = _Page(left + wide + _MARGIN, bottom + below)
    across = [left + column * (_PANEL + _GAP) for column in range(len(headings))]
    for x, heading in zip(across, headings, strict=True):
        page.text(x + _PANEL / 2, top - 0.04, heading, "center", "bottom")
    for position, (label, panels) in enumerate(zip(labels, rows, strict=True)):
        y = top + position * (_PANEL + _GAP)
        page.text(left - 0.06, y + _PANEL / 2, label, "right", "center")
        for x, panel in zip(across, panels, strict=True):
            _draw_panel(page.axes(x, y, _PANEL, _PANEL), panel)
    for bar in bars:
        x, y, length = across[bar.first], bottom + 0.02, (bar.last - bar.first) * (_PANEL + _GAP) + _PANEL
        axes = page.axes(x, y, length, _BAR)
        axes.imshow(np.linspace(0, 1, 256)[None], aspect="auto", cmap=bar.colours, extent=(0, 1, 0, 1))
        for value, place, side in ((bar.limits[0], x, "left"), (bar.limits[1], x + length, "right")):
            page.text(place, y + _BAR + 0.02, f"{value:.3g}", side, "top", size=6)
    page.text(_MARGIN, page.height - _MARGIN, "\n".join(lines), "left", "bottom", size=6.5, color="#444444")
    return page.figure


def _draw_panel(axes: Any, panel: Panel) -> None:
    axes.set_facecolor("#ececec")
    size = len(panel.values)
    options: dict[str, Any] = {"interpolation": "nearest" if panel.values.dtype == bool else "antialiased"}
    if panel.colours:
        options |= {"cmap": panel.colours, "vmin": panel.limits[0], "vmax": panel.limits[1]}
    axes.imshow(panel.values, extent=(0, size, size, 0), **options)
    if panel.truth is not None and panel.truth.any():
        centres = (np.arange(len(panel.truth)) + 0.5) * size / len(panel.truth)
        colour = [channel / 255 for channel in OUTLINE]
        axes.contour(centres, centres, panel.truth.astype(float), levels=[0.5], colors=[colour], linewidths=0.6)
    if panel.note:
        box = {"boxstyle": "square,pad=0.15", "facecolor": "black", "alpha": 0.55, "linewidth": 0}
        place = {"transform": axes.transAxes, "ha": "right", "va": "bottom"}
        axes.text(0.985, 0.02, panel.note, color="white", fontsize=6, bbox=box, **place)


class _Page:
    """A figure whose places are in inches from its upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=_DPI)

    def axes(self, x: float, y: float, wide: float, high: float) -> Any:
        """Return axes without ticks."""
        box = (x / self.width, 1 - (y + high) / self.height, wide / self.width, high / self.height)
        axes = self.figure.add_axes(box)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_linewidth(0.4)
            spine.set_color("#808080")
        return axes

    def text(
        self, x: float, y: float, text: str, across: str, along: str, *, size: float = _FONT, color: str = "black"
    ) -> None:
        """Write a text at a place; the anchor is named as matplotlib names it."""
        place = (x / self.width, 1 - y / self.height)
        self.figure.text(*place, text, ha=across, va=along, fontsize=size, color=color, linespacing=1.15)
