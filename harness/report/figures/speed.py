"""Figure 1 of Costanzino et al. (CVPR 2024): accuracy against frame rate, marker area as memory, Pareto fronts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log10, pi, sqrt
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.report.figures.colours import MUTED, colour_of, readable
from harness.report.figures.data import FigureData, Series
from harness.report.figures.legend import Entry, Legend
from harness.report.figures.placement import place_labels
from harness.report.figures.speed_data import SpeedPoint, front_of
from harness.report.figures.style import (
    POINTS,
    Frame,
    Width,
    accuracy_axis,
    artist_id,
    broken,
    extent,
    house_style,
    log_axis,
    metric_label,
    new_frame,
    one_two_five,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

__all__ = ["draw_speed"]

_HEIGHT = {"column": 165.0, "page": 230.0}
_LARGEST = {"column": 30.0, "page": 40.0}
"""Diameter of the marker with the most memory, points."""

_DOT, _DOT_FROM = 2.0, 9.0
"""Diameter of a dot in the middle of markers, and the marker's from which there is one; a smaller marker than the dot
is drawn as the dot. Points."""

_SYMBOLS = ("o", "s", "D")
"""Of the measured series, one for each device; the published one is round."""

_FILL = {"o": pi / 4, "s": 1.0, "D": 1.0}
"""Area of a symbol of size 1 as matplotlib draws it."""

_REACH = {"o": 0.5, "s": sqrt(0.5), "D": sqrt(0.5)}
"""Farthest point of a symbol of size 1 from its centre."""

_DASHES = (0, (3, 2))
_LETTERS = 56
"""Letters from which a name in the legend is broken into lines."""

_STEPS = 3
_LOG_FROM = 5.0
"""Ratio of the fastest to the slowest from which the axis is logarithmic."""

_ROOM = 7.0
_GAP = 1.2
"""Space around labels, points."""


@dataclass(frozen=True, slots=True)
class _Marker:
    """A point of the figure as it is drawn."""

    point: SpeedPoint
    series: Series[SpeedPoint]
    symbol: str
    size: float

    @property
    def reach(self) -> float:
        """Radius of a circle around it, points."""
        return max(self.size * _REACH[self.symbol], _DOT / 2) + 0.4


@house_style()
def draw_speed(data: FigureData[Series[SpeedPoint]], width: Width = "column") -> Figure:
    """Draw accuracy against frame rate.

    Published markers are hollow, measured ones filled, with a symbol for each device; the area is the memory of
    parameters and bank. A line is the Pareto front of one series: speeds of different devices share none.

    Markers have the gid ``<series>/<label>``, labels ``label/<series>/<label>``; spaces are ``_``.
    """
    unused = iter(_SYMBOLS * len(data.parts))
    symbols = {series.label: "o" if series.published else next(unused) for series in data.parts}
    most = max((point.memory_mb or 0 for series in data.parts for point in series.points), default=0) or 1
    scale = _LARGEST[width] ** 2 * _FILL["o"] / most
    markers = [
        _Marker(point, series, symbol, sqrt((point.memory_mb or 0) * scale / _FILL[symbol]))
        for series, symbol in zip(data.parts, symbols.values(), strict=True)
        for point in series.points
    ]
    legend = Legend(width, *_entries(data.parts, symbols, scale))
    frame = new_frame(width, _HEIGHT[width], legend.height, data.title)
    (axes,) = frame.axes
    _scale_axes(axes, markers)
    axes.set(xlabel="Frame rate (frames a second)", ylabel=metric_label(data.shows))
    for series in data.parts:
        if len(front := front_of(series)) > 1:
            corners = zip(*((point.fps, point.value) for point in front), strict=True)
            line, gid = _DASHES if series.published else "-", artist_id("front", series.label)
            axes.plot(*corners, color=MUTED, linewidth=0.7, linestyle=line, zorder=1.5, gid=gid)
    fronts = list(axes.lines)
    for marker in sorted(markers, key=lambda marker: -marker.size):
        _draw_marker(axes, marker)
    _draw_labels(frame, axes, markers, fronts)
    legend.draw(frame)
    return frame.figure


def _entries(
    all_series: Sequence[Series[SpeedPoint]], symbols: Mapping[str, str], scale: float
) -> tuple[list[Entry], list[Entry]]:
    """Return what symbols and lines mean, and up to three round numbers of MB that span what is shown, as areas."""
    entries = []
    for series in all_series:
        timed = "speed as its authors timed it" if series.published else "inference alone"
        text = "\n".join(wrap(f"{series.label}: {timed}", _LETTERS))
        symbol, fill = symbols[series.label], "white" if series.published else f"{MUTED}b0"
        entries.append(Entry(text, marker=symbol, size=sqrt(20 / _FILL[symbol]), fill=fill))
    fronts = dict.fromkeys(series.published for series in all_series if len(front_of(series)) > 1)
    for published in fronts:
        which = f", {'published' if published else 'measured'}" if len(fronts) > 1 else ""
        entries.append(Entry(f"Pareto front{which}", line=_DASHES if published else "-", thickness=0.7))
    known = [point.memory_mb for series in all_series for point in series.points if point.memory_mb]
    if not known:
        return entries, []
    steps = one_two_five(min(known), max(known)) or one_two_five(max(known) / 10, max(known))[-1:]
    sizes = steps if len(steps) <= _STEPS else [steps[0], steps[len(steps) // 2], steps[-1]]
    areas = {f"{mb / 1000:g} GB" if mb >= 1000 else f"{mb:g} MB": sqrt(scale * mb / _FILL["o"]) for mb in sizes}
    rings = [Entry(text, marker="o", size=size, fill="white") for text, size in areas.items()]
    return entries, [Entry("memory:", size=0), *rings]


def _scale_axes(axes: Axes, markers: Sequence[_Marker]) -> None:
    """Choose limits so that every marker is inside, and a logarithmic axis where speeds differ much."""
    wide, tall = extent(axes)
    room = max(marker.reach for marker in markers) + _ROOM
    speeds = [marker.point.fps for marker in markers]
    if max(speeds) > _LOG_FROM * min(speeds):
        low, high = _limits([log10(fps) for fps in speeds], room / wide, 0.3)
        log_axis(axes, 10**low, 10**high)
    else:
        axes.set_xlim(*_limits(speeds, room / wide, 0.2 * max(speeds)))
    accuracy_axis(axes, *_limits([marker.point.value for marker in markers], room / tall, 0.01))


def _limits(values: Sequence[float], room: float, least: float) -> tuple[float, float]:
    """Return limits that leave a part ``room`` of the axis free on both sides, for at least a span of ``least``."""
    middle = (min(values) + max(values)) / 2
    half = max(max(values) - min(values), least) / 2 / (1 - 2 * min(room, 0.4))
    return middle - half, middle + half


def _draw_marker(axes: Axes, marker: _Marker) -> None:
    colour = colour_of(marker.point.label)
    at = ([marker.point.fps], [marker.point.value])
    known = marker.point.memory_mb is not None
    axes.scatter(
        *at,
        s=marker.size**2 if known else 16,
        marker=marker.symbol if known else "x",
        facecolors=colour if not known else "none" if marker.series.published else f"{colour}b0",
        edgecolors=None if not known else colour,
        linewidths=0.9,
        zorder=2,
        clip_on=False,
        gid=artist_id(marker.series.label, marker.point.label),
    )
    if known and not _DOT < marker.size < _DOT_FROM:
        dot = "white" if marker.size > _DOT and not marker.series.published else colour
        axes.scatter(*at, s=_DOT**2, color=dot, linewidths=0, zorder=3, clip_on=False)


def _draw_labels(frame: Frame, axes: Axes, markers: Sequence[_Marker], fronts: Sequence[Line2D]) -> None:
    """Write the name of each method beside its marker, in its colour."""
    unit, to_data = frame.figure.dpi / POINTS, axes.transData.inverted().transform
    texts = [_label(axes, marker) for marker in markers]
    extents = [text.get_window_extent() for text in texts]
    centres = axes.transData.transform([(marker.point.fps, marker.point.value) for marker in markers])
    window = axes.get_window_extent()
    boxes, far = place_labels(
        [(*centre, marker.reach * unit) for centre, marker in zip(centres, markers, strict=True)],
        [(extent.width, extent.height) for extent in extents],
        (window.x0 + 2 * unit, window.y0 + 2 * unit, window.x1, window.y1),
        gap=_GAP * unit,
        avoid=_along(fronts, 6 * unit),
    )
    for marker, text, centre, box, leader in zip(markers, texts, centres, boxes, far, strict=True):
        text.set_position(tuple(to_data(box[:2])))
        if leader:
            ends = zip(to_data(centre), to_data(centre.clip(box[:2], box[2:])), strict=True)
            axes.plot(*ends, color=colour_of(marker.point.label), linewidth=0.4, zorder=2.5)


def _label(axes: Axes, marker: _Marker) -> Text:
    point = marker.point
    return axes.text(
        point.fps,
        point.value,
        broken(point.label),
        color=readable(colour_of(point.label)),
        fontstyle="italic" if marker.series.published else "normal",
        va="bottom",
        zorder=4,
        gid=artist_id("label", marker.series.label, point.label),
    )


def _along(lines: Sequence[Line2D], step: float) -> NDArray[np.float64]:
    """Return points on lines, about a step apart, in pixels."""
    points = [np.empty((0, 2))]
    for line in lines:
        for start, end in pairwise(line.get_transform().transform(line.get_xydata())):
            points.append(np.linspace(start, end, max(1, int(np.hypot(*(end - start)) / step)) + 1))
    return np.vstack(points)
