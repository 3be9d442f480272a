"""A sheet of square panels in rows and columns, measured in inches, so that labels fit whatever their number."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import PrerequisiteError, UsageError
from harness.files.atomic import write_atomically

__all__ = ["FORMATS", "Sheet", "check_format"]

FORMATS = ("png", "svg", "pdf")

_PANEL, _GAP = 1.2, 0.05
_LINE, _CHARACTER, _MARGIN = 0.125, 0.068, 0.06
_BAR, _BAR_ROOM = 0.07, 0.3
_FONT = 7.5
_DPI = 250
_CHARACTERS_AN_INCH = 19
_OUTLINE = "#00e5ff"


def check_format(path: Path) -> str:
    """Return the format that a file's name asks for; raise UsageError for any but those of :data:`FORMATS`."""
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise UsageError(f"A figure is written as {', '.join(FORMATS)}, not '{path.name}': write '--to figure.png'.")
    return form


class Sheet:
    """Panels under headings, with a label before each row, bars of colour below columns, and a caption.

    Parameters
    ----------
    rows
        Label of each row, lines between newlines.
    headings
        Of each column.
    caption
        Printed below, wrapped.
    bars
        Whether there is room for bars of colour below the panels.
    """

    def __init__(self, rows: Sequence[str], headings: Sequence[str], caption: str, *, bars: bool) -> None:
        from matplotlib.figure import Figure

        wide = len(headings) * (_PANEL + _GAP) - _GAP
        self._left = 2 * _MARGIN + _CHARACTER * max(len(line) for row in rows for line in row.split("\n"))
        lines = textwrap.wrap(caption, int((wide + self._left) * _CHARACTERS_AN_INCH))
        self._top = _MARGIN + _LINE * max(heading.count("\n") + 1 for heading in headings)
        self._width = self._left + wide + _MARGIN
        self._bars = self._top + len(rows) * (_PANEL + _GAP)
        below = (_BAR_ROOM if bars else 0) + _LINE * len(lines) + 2 * _MARGIN
        self._height = self._bars + below
        self.figure: Any = Figure(figsize=(self._width, self._height), dpi=_DPI)
        for column, heading in enumerate(headings):
            self._text(
                self._left + column * (_PANEL + _GAP) + _PANEL / 2, self._top - 0.04, heading, "center", "bottom"
            )
        for row, label in enumerate(rows):
            self._text(self._left - 0.06, self._top + row * (_PANEL + _GAP) + _PANEL / 2, label, "right", "center")
        self._text(_MARGIN, self._height - _MARGIN, "\n".join(lines), "left", "bottom", size=6.5, color="#444444")

    def show(
        self,
        row: int,
        column: int,
        values: NDArray[Any],
        *,
        colours: str | None = None,
        limits: tuple[float, float] = (0.0, 1.0),
        outline: NDArray[np.bool_] | None = None,
        note: str = "",
    ) -> None:
        """Draw one panel.

        Parameters
        ----------
        row, column
            Where.
        values : (S, S, 3) uint8, or (S, S)
            A picture, or values for a colour map; NaN is drawn in light grey.
        colours
            Name of the colour map.
        limits
            Values at its two ends.
        outline : (S, S) bool
            A region whose border is drawn.
        note
            Printed into the lower right corner.
        """
        x, y = self._left + column * (_PANEL + _GAP), self._top + row * (_PANEL + _GAP)
        axis = self._axes(x, y, _PANEL, _PANEL)
        axis.set_facecolor("#ececec")
        size = len(values)
        extent = (0, size, size, 0)
        smooth = "nearest" if values.dtype == bool else "antialiased"
        options: dict[str, Any] = {"cmap": colours, "vmin": limits[0], "vmax": limits[1]} if values.ndim == 2 else {}
        axis.imshow(values, interpolation=smooth, extent=extent, **options)
        if outline is not None and outline.any():
            centres = (np.arange(len(outline)) + 0.5) * size / len(outline)
            axis.contour(centres, centres, outline.astype(float), levels=[0.5], colors=_OUTLINE, linewidths=0.6)
        if note:
            box = {"boxstyle": "square,pad=0.15", "facecolor": "black", "alpha": 0.55, "linewidth": 0}
            place = {"transform": axis.transAxes, "ha": "right", "va": "bottom"}
            axis.text(0.985, 0.02, note, color="white", fontsize=6, bbox=box, **place)

    def bar(self, columns: tuple[int, int], colours: str, limits: tuple[float, float]) -> None:
        """Draw a bar of colour below some columns, with the values at its ends.

        Parameters
        ----------
        columns
            First and last.
        colours
            Name of the colour map.
        limits
            Values at its two ends.
        """
        x = self._left + columns[0] * (_PANEL + _GAP)
        wide = (columns[1] - columns[0]) * (_PANEL + _GAP) + _PANEL
        y = self._bars + 0.02
        axis = self._axes(x, y, wide, _BAR)
        axis.imshow(np.linspace(0, 1, 256)[None], aspect="auto", cmap=colours, extent=(0, 1, 0, 1))
        for value, place, side in ((limits[0], x, "left"), (limits[1], x + wide, "right")):
            self._text(place, y + _BAR + 0.02, f"{value:.3g}", side, "top", size=6)

    def save(self, path: Path) -> None:
        """Write the figure atomically, in the format of the file's name; raise PrerequisiteError where it can't be."""
        form = check_format(path)
        stream = BytesIO()
        self.figure.savefig(stream, format=form, metadata={"Date": None} if form == "svg" else None)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, stream.getvalue())
        except OSError as error:
            raise PrerequisiteError(
                f"The figure {path} can't be written ({error.strerror}): name another file with --to."
            ) from error

    def _axes(self, x: float, y: float, wide: float, high: float) -> Any:
        """Return axes without ticks; the place is in inches from the upper left corner."""
        box = (x / self._width, 1 - (y + high) / self._height, wide / self._width, high / self._height)
        axis = self.figure.add_axes(box)
        axis.set_xticks([])
        axis.set_yticks([])
        for spine in axis.spines.values():
            spine.set_linewidth(0.4)
            spine.set_color("#808080")
        return axis

    def _text(
        self, x: float, y: float, text: str, across: str, along: str, *, size: float = _FONT, color: str = "black"
    ) -> None:
        place = (x / self._width, 1 - y / self._height)
        self.figure.text(*place, text, ha=across, va=along, fontsize=size, color=color, linespacing=1.15)
