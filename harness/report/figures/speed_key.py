"""The legend of the speed figure: what symbols, lines and areas mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import pi, sqrt
from textwrap import wrap

from harness.report.figures.colours import INK, MUTED
from harness.report.figures.speed_data import SpeedSeries
from harness.report.figures.style import POINTS, WIDTHS, Frame, Width, one_two_five

__all__ = ["FILL", "SpeedKey"]

FILL = {"o": pi / 4, "s": 1.0, "D": 1.0}
"""Area of a symbol of size 1 as matplotlib draws it."""

_LINE, _LETTERS = 9.0, 56
"""Height of a line, points; its letters."""

_STEPS = 3


@dataclass(frozen=True)
class SpeedKey:
    """The legend below the axes: series and fronts in lines; areas below them, or beside them on a wide page.

    Parameters
    ----------
    series
        In order.
    symbols
        Marker of each series, by its name.
    scale
        Square points of a MB.
    width
        Of the figure.
    """

    series: Sequence[SpeedSeries]
    symbols: Mapping[str, str]
    scale: float
    width: Width

    @cached_property
    def sizes(self) -> list[float]:
        """Up to three round numbers of MB that span what is shown."""
        known = [point.memory_mb for series in self.series for point in series.points if point.memory_mb]
        if not known:
            return []
        steps = one_two_five(min(known), max(known)) or one_two_five(max(known) / 10, max(known))[-1:]
        return steps if len(steps) <= _STEPS else [steps[0], steps[len(steps) // 2], steps[-1]]

    @property
    def fronts(self) -> list[SpeedSeries]:
        """The series that have a front."""
        return [series for series in self.series if len(series.front) > 1]

    @property
    def height(self) -> float:
        """What it needs, points."""
        lines = _LINE * (sum(len(_lines(series)) for series in self.series) + bool(self.fronts))
        areas = max(self._diameter(max(self.sizes)), _LINE) + 4 if self.sizes else 0.0
        return (lines + areas if self.width == "column" else max(lines, areas)) + 2

    def draw(self, frame: Frame) -> None:
        """Draw it into the strip below the axes."""
        key, y = frame.key, frame.key.get_ylim()[1] - _LINE / 2
        for series in self.series:
            symbol, fill = self.symbols[series.name], "none" if series.published else f"{MUTED}b0"
            key.scatter([12], [y], s=26 * FILL["o"] / FILL[symbol], marker=symbol, facecolors=fill, edgecolors=MUTED)
            for line in _lines(series):
                key.text(22, y, line, va="center_baseline")
                y -= _LINE
        if self.fronts:
            self._draw_fronts(frame, y)
            y -= _LINE
        if self.width == "column":
            self._draw_sizes(frame, 5, (y + _LINE / 2) / 2)
        else:
            self._draw_sizes(frame, WIDTHS[self.width] * POINTS / 2, key.get_ylim()[1] / 2)

    def _draw_fronts(self, frame: Frame, y: float) -> None:
        kinds = {series.published for series in self.fronts}
        styles = [(0, (3, 2))] * (True in kinds) + ["-"] * (False in kinds)
        for position, style in enumerate(styles):
            lift = (position - (len(styles) - 1) / 2) * 2.4
            frame.key.plot([5, 19], [y - lift] * 2, color=MUTED, linewidth=0.7, linestyle=style)
        frame.key.text(22, y, "Pareto front" + ("s" if len(self.fronts) > 1 else ""), va="center_baseline")

    def _draw_sizes(self, frame: Frame, x: float, y: float) -> None:
        for position, mb in enumerate(self.sizes):
            if not position:
                x = self._write(frame, x, y, "memory:") + 6
            diameter = self._diameter(mb)
            frame.key.scatter(
                [x + diameter / 2], [y], s=diameter**2, facecolors="none", edgecolors=MUTED, linewidths=0.9
            )
            x = self._write(frame, x + diameter + 3, y, f"{mb / 1000:g} GB" if mb >= 1000 else f"{mb:g} MB") + 8

    def _write(self, frame: Frame, x: float, y: float, words: str) -> float:
        """Write words and return where they end."""
        text = frame.key.text(x, y, words, va="center_baseline", color=INK)
        return x + text.get_window_extent(frame.renderer).width / frame.figure.dpi * POINTS

    def _diameter(self, mb: float) -> float:
        return sqrt(self.scale * mb / FILL["o"])


def _lines(series: SpeedSeries) -> list[str]:
    """Return the name of a series and what its frame rate is."""
    timed = "speed as its authors timed it" if series.published else "inference alone"
    return wrap(f"{series.name}: {timed}", _LETTERS)
