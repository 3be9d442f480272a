"""Distributions of raw times: a box and the single calls for each method, a panel for each window."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from harness.report.figures.colours import MUTED, colour_of, readable
from harness.report.figures.data import FigureData
from harness.report.figures.latency_data import WINDOWS, LatencyRow, Window
from harness.report.figures.style import Width, artist_id, broken, house_style, log_axis, new_frame
from harness.report.grid import range_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_latency"]

_ROW, _NEXT_LINE = 15.0, 7.0
_LETTER = 3.9
_MOST_CALLS = 200
"""Calls up to which every one is drawn; of more, those outside the whiskers."""

_FEWEST_TAILS = 59
"""Calls from which a 95th percentile is defined."""

_LOG_FROM = 5.0
_GOLDEN = 0.6180339887498949


@house_style()
def draw_latency(data: FigureData[LatencyRow], width: Width = "column") -> Figure:
    """Draw the times of every method.

    The box holds the middle half of the calls, its line is the median; whiskers go from the 5th to the 95th percentile,
    or to the ends where fewer than 59 calls are measured. Times of different devices are in blocks of their own.
    """
    rows, names = data.parts, [broken(row.label) for row in data.parts]
    places, headings, height = _places(rows)
    left = max(len(line) for name in names for line in name.split("\n")) * _LETTER + 8
    frame = new_frame(width, height, 21, data.title, panels=2, left=left, right=9, between=13)
    times = [time for row in rows for calls in row.times.values() for time in calls]
    for axes, (window, name) in zip(frame.axes, WINDOWS.items(), strict=True):
        _scale(axes, times, width)
        axes.set(ylim=(height, 0), xlabel=name)
        axes.set_yticks(places, names if axes is frame.axes[0] else [])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        for row, place in zip(rows, places, strict=True):
            _draw_row(axes, row, window, place)
    for text, row in zip(frame.axes[0].get_yticklabels(), rows, strict=True):
        text.set_color(readable(colour_of(row.label)))
    small: dict[str, Any] = {"va": "center", "color": MUTED, "fontsize": 6}
    for device, place in headings:
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
        words, gid = f"measured on {device}", artist_id("device", device)
        frame.axes[0].annotate(words, (5, place), xycoords=("figure points", "data"), bbox=ground, gid=gid, **small)
    frame.key.text(5, 10, _explained(rows), linespacing=1.25, **small)
    return frame.figure


def _places(rows: Sequence[LatencyRow]) -> tuple[list[float], list[tuple[str, float]], float]:
    """Return the height of each row and of each device's heading, from above, and the height of all."""
    places: list[float] = []
    headings: list[tuple[str, float]] = []
    y = 0.0
    for device, members in groupby(rows, key=lambda row: row.device):
        headings.append((device, y + _ROW / 2))
        y += _ROW
        for row in members:
            tall = _ROW + _NEXT_LINE * broken(row.label).count("\n")
            places.append(y + tall / 2)
            y += tall
    return places, headings, y + 2


def _scale(axes: Axes, times: Sequence[float], width: Width) -> None:
    from matplotlib.ticker import MaxNLocator

    low, high = min(times), max(times)
    if low > 0 and high > _LOG_FROM * low:
        log_axis(axes, low / 1.15, high * 1.15)
    else:
        axes.set_xlim(0, high * 1.05)
        axes.xaxis.set_major_locator(MaxNLocator(4 if width == "column" else 6, steps=(1, 2, 5, 10)))


def _draw_row(axes: Axes, row: LatencyRow, window: Window, place: float) -> None:
    colour, times = colour_of(row.label), row.times[window]
    least, low, first, middle, third, high, most = row.quantiles(window)
    if len(times) < _FEWEST_TAILS:
        low, high = least, most
    shown = [i for i, time in enumerate(times) if len(times) <= _MOST_CALLS or not low <= time <= high]
    spread = [place + 5 * (i * _GOLDEN % 1 - 0.5) + 0.5 for i in shown]
    calls, median = (artist_id(name, window, row.device, row.label) for name in ("calls", "median"))
    axes.scatter([times[i] for i in shown], spread, s=1.8, color=colour, alpha=0.55, linewidths=0, zorder=2, gid=calls)
    axes.plot([low, high], [place, place], color=colour, linewidth=0.8, zorder=2.5, solid_capstyle="butt")
    low_edge, high_edge = place - 4, place + 4
    axes.fill_between(
        [first, third], low_edge, high_edge, facecolor=f"{colour}30", edgecolor=colour, linewidth=0.7, zorder=2.2
    )
    dark = readable(colour)
    axes.plot(
        [middle, middle], [low_edge, high_edge], color=dark, linewidth=1.6, zorder=3, solid_capstyle="butt", gid=median
    )


def _explained(rows: Sequence[LatencyRow]) -> str:
    counts = [len(times) for row in rows for times in row.times.values()]
    calls = range_text(min(counts), max(counts))
    few, many = min(counts) < _FEWEST_TAILS, max(counts) >= _FEWEST_TAILS
    whiskers = " or ".join(["5% to 95%"] * many + ["all calls"] * few)
    dots = "calls" if max(counts) <= _MOST_CALLS else "calls outside"
    return (
        f"{calls} calls, batch 1; end to end: prepare and infer. Box: middle half,\n"
        f"line: median, whiskers: {whiskers}, dots: {dots}."
    )
