"""The house style of figures: sizes of a two-column paper, fonts, axes without junk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import floor, log10
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

from harness.report.figures.colours import INK, MUTED, RULE
from harness.store.quantities import quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "POINTS",
    "WIDTHS",
    "Frame",
    "Width",
    "accuracy_axis",
    "artist_id",
    "broken",
    "extent",
    "house_style",
    "log_axis",
    "metric_label",
    "new_frame",
    "one_two_five",
]

Width = Literal["column", "page"]

WIDTHS: dict[Width, float] = {"column": 3.3, "page": 6.9}
"""Inches: one column, and both columns of a two-column paper."""

POINTS = 72
"""Points to an inch."""

_DPI = 300
_SMALL = 6.0
_TICK_ROOM = 17.0
"""Points between the labels of two ticks."""

_LONG = 26
"""Letters from which a label is broken into lines."""

_LETTER = 0.52
"""Mean width of a letter in its font size, where lines of a title are broken."""

_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelpad": 3.0,
    "axes.labelsize": 7.0,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": _DPI,
    "font.family": "DejaVu Sans",
    "font.size": 6.5,
    "grid.color": RULE,
    "grid.linewidth": 0.4,
    "lines.linewidth": 1.1,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "harness",
    "text.color": INK,
    "text.parse_math": False,
    **{f"{axis}tick.color": INK for axis in "xy"},
    **{f"{axis}tick.labelsize": 6.5 for axis in "xy"},
    **{f"{axis}tick.major.size": 2.5 for axis in "xy"},
    **{f"{axis}tick.major.width": 0.6 for axis in "xy"},
    **{f"{axis}tick.minor.size": 0.0 for axis in "xy"},
}


def artist_id(*parts: str) -> str:
    """Return the id of an artist, also in an SVG file: parts between slashes, without spaces, which no id may hold."""
    return "/".join(parts).replace(" ", "_")


def broken(label: str) -> str:
    """Return a method's label, with line breaks after commas where it is long."""
    return label if len(label) <= _LONG else "\n".join(wrap(label.replace(",", ", "), _LONG))


def metric_label(metric: str) -> str:
    """Return the label of an axis: ``AUPRO@30% (official)`` for the id ``aupro_30_official``."""
    return quantity(metric).heading.replace("\n", " (") + ")" * ("\n" in quantity(metric).heading)


@contextmanager
def house_style() -> Iterator[None]:
    """Draw and save in this style, whatever the settings of the machine; it ends with the block."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        settings: Any = matplotlib.rcParams
        settings.update(_STYLE)
        yield


@dataclass(frozen=True, slots=True)
class Frame:
    """An empty figure of fixed size with room for what belongs around the axes.

    Parameters
    ----------
    figure
        With a canvas of Agg, by which text is measured.
    axes
        From left to right.
    key
        A strip below the axes in points, origin at its lower left: for the legend.
    """

    figure: Figure
    axes: tuple[Axes, ...]
    key: Axes


def new_frame(
    width: Width,
    height: float,
    key: float,
    title: str,
    *,
    panels: int = 1,
    left: float = 40,
    right: float = 6,
    between: float = 12,
) -> Frame:
    """Return a figure of fixed margins, so that axes are equally high whatever is written around them.

    Parameters
    ----------
    width
        ``column`` or ``page``.
    height, key
        Of the axes and of the strip below them, points.
    title
        Small, above; broken into lines where it is long. Empty for none.
    panels
        Number of axes side by side.
    left, right, between
        Room for labels beside the panels and between them, points.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    wide, below = WIDTHS[width] * POINTS, 28.0
    lines = wrap(title, int((wide - 10) / (_SMALL * _LETTER)))
    tall = 1.35 * _SMALL * len(lines) + 6 + height + below + key
    figure = Figure(figsize=(wide / POINTS, tall / POINTS))
    FigureCanvasAgg(figure)
    each = (wide - left - right - between * (panels - 1)) / panels
    axes = tuple(
        figure.add_axes(((left + panel * (each + between)) / wide, (key + below) / tall, each / wide, height / tall))
        for panel in range(panels)
    )
    strip = figure.add_axes((0, 0, 1, key / tall), xlim=(0, wide), ylim=(0, key))
    strip.set_axis_off()
    figure.text(5 / wide, 1 - 3 / tall, "\n".join(lines), va="top", fontsize=_SMALL, color=MUTED, linespacing=1.25)
    return Frame(figure, axes, strip)


def extent(axes: Axes) -> tuple[float, float]:
    """Return width and height of axes in points."""
    box, (wide, tall) = axes.get_position(), axes.get_figure(root=True).get_size_inches()  # type: ignore[union-attr]
    return POINTS * box.width * wide, POINTS * box.height * tall


def log_axis(axes: Axes, low: float, high: float) -> None:
    """Make the horizontal axis logarithmic between two ends, with plain numbers at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(_ticks(low, high, extent(axes)[0])))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}"))


def accuracy_axis(axes: Axes, low: float, high: float) -> None:
    """Set the ends of the vertical axis, with round ticks of which none is above 1."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    ticks = MaxNLocator(6, steps=(1, 2, 5, 10)).tick_values(low, high)
    axes.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= min(high, 1 + 1e-9)]))
    axes.set_ylim(low, high)


def one_two_five(low: float, high: float) -> list[float]:
    """Return the numbers 1, 2 and 5 times a power of ten from ``low`` to ``high``, both above 0."""
    powers = range(floor(log10(low)), floor(log10(high)) + 1)
    numbers = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    return [number for number in numbers if low <= number <= high]


def _ticks(low: float, high: float, length: float) -> list[float]:
    """Return ticks with room for their labels on a logarithmic axis of some points: decades first, then 2, then 5."""
    kept: list[float] = []
    for digit in ("1", "2", "5"):
        for tick in one_two_five(low, high):
            apart = [abs(log10(tick / other)) / log10(high / low) * length for other in kept]
            if f"{tick:e}".startswith(digit) and min(apart, default=_TICK_ROOM) >= _TICK_ROOM:
                kept.append(tick)
    return sorted(kept)
