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
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.figure import Figure

__all__ = [
    "POINTS",
    "WIDTHS",
    "Frame",
    "Width",
    "accuracy_axis",
    "artist_id",
    "broken",
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

_STYLE = {
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
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "lines.linewidth": 1.1,
    "lines.markersize": 4.0,
    "pdf.fonttype": 42,
    "savefig.dpi": _DPI,
    "svg.fonttype": "path",
    "svg.hashsalt": "harness",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "xtick.labelsize": 6.5,
    "xtick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "xtick.minor.size": 0.0,
    "ytick.color": INK,
    "ytick.labelsize": 6.5,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.6,
    "ytick.minor.size": 0.0,
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
    """An empty figure with room for what belongs around the axes.

    Parameters
    ----------
    figure
        Its size is fixed.
    renderer
        Agg's, by which text is measured.
    axes
        From left to right.
    key
        A strip below the axes in points, origin at its lower left: for the legend.
    """

    figure: Figure
    renderer: RendererAgg
    axes: tuple[Axes, ...]
    key: Axes


def new_frame(
    width: Width,
    *,
    height: float,
    key: float,
    panels: int = 1,
    title: str = "",
    left: float = 40,
    right: float = 6,
    between: float = 12,
) -> Frame:
    """Return a figure of fixed margins.

    Parameters
    ----------
    width
        ``column`` or ``page``.
    height, key
        Of the axes and of the strip below them, points.
    panels
        Number of axes side by side.
    title
        Small, above; broken into lines where it is long. Empty for none.
    left, right, between
        Room for labels beside the panels and between them, points.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    wide = WIDTHS[width] * POINTS
    lines = wrap(title, int((wide - 10) / (_SMALL * _LETTER)))
    above = 1.35 * _SMALL * len(lines) + 6
    below = 28.0
    tall = above + height + below + key
    figure = Figure(figsize=(wide / POINTS, tall / POINTS))
    canvas: Any = FigureCanvasAgg(figure)
    each = (wide - left - right - between * (panels - 1)) / panels
    axes = tuple(
        figure.add_axes(
            (
                (left + index * (each + between)) / wide,
                (key + below) / tall,
                each / wide,
                height / tall,
            )
        )
        for index in range(panels)
    )
    strip = figure.add_axes((0, 0, 1, max(key, 1) / tall))
    strip.set(xlim=(0, wide), ylim=(0, max(key, 1)))
    strip.set_axis_off()
    if lines:
        figure.text(5 / wide, 1 - 3 / tall, "\n".join(lines), va="top", fontsize=_SMALL, color=MUTED, linespacing=1.25)
    return Frame(figure, canvas.get_renderer(), axes, strip)


def log_axis(axes: Axes, low: float, high: float, *, which: Literal["x", "y"] = "x") -> None:
    """Make an axis logarithmic with plain numbers at 1, 2 and 5 of each decade.

    Parameters
    ----------
    axes
        What to change.
    low, high
        Ends of the axis, above 0.
    which
        ``x`` or ``y``.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    box, inches = axes.get_position(), axes.get_figure(root=True).get_size_inches()  # type: ignore[union-attr]
    length = POINTS * (box.width * inches[0] if which == "x" else box.height * inches[1])
    axis.set_major_locator(FixedLocator(_ticks(low, high, length)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}"))


def accuracy_axis(axes: Axes, low: float, high: float) -> None:
    """Set the limits of the vertical axis, with round ticks of which none is above 1.

    Parameters
    ----------
    axes
        What to change.
    low, high
        Ends of the axis.
    """
    from matplotlib.ticker import FixedLocator, MaxNLocator

    ticks = MaxNLocator(6, steps=(1, 2, 5, 10)).tick_values(low, high)
    axes.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= min(high, 1 + 1e-9)]))
    axes.set_ylim(low, high)


def one_two_five(low: float, high: float) -> list[float]:
    """Return the numbers 1, 2 and 5 times a power of ten from ``low`` to ``high``, both above 0."""
    powers = range(floor(log10(low)), floor(log10(high)) + 1)
    found = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    return [value for value in found if low <= value <= high]


def _ticks(low: float, high: float, length: float) -> list[float]:
    """Return ticks with room for their labels on a logarithmic axis of some points: decades first, then 2, then 5."""
    kept: list[float] = []
    for digit in ("1", "2", "5"):
        for tick in one_two_five(low, high):
            apart = [abs(log10(tick / other)) / log10(high / low) * length for other in kept]
            if f"{tick:e}".startswith(digit) and min(apart, default=_TICK_ROOM) >= _TICK_ROOM:
                kept.append(tick)
    return sorted(kept)
