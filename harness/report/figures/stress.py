"""A metric against the level of a condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.figures.colours import looks_of
from harness.report.figures.data import FigureData, Series
from harness.report.figures.legend import Entry, Legend
from harness.report.figures.stress_data import StressPoint
from harness.report.figures.style import Width, accuracy_axis, artist_id, house_style, metric_label, new_frame

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_stress"]

_HEIGHT = {"column": 150.0, "page": 200.0}
_DOTS = (0, (1, 2))
_SPREAD = 0.012
"""Distance between the points of neighbouring methods, as a part of the axis: intervals do not hide each other."""


@house_style()
def draw_stress(data: FigureData[Series[StressPoint]], width: Width = "column") -> Figure:
    """Draw a curve for each method; its gid is ``measured/<label>``.

    A bar is the interval of the difference to the number of samples as they are, whose height is dotted: the difference
    is significant where the bar does not reach it.
    """
    looks = looks_of(curve.label for curve in data.parts)
    legend = Legend(width, [Entry(label, look.colour, marker=look.marker) for label, look in looks.items()])
    frame = new_frame(width, _HEIGHT[width], legend.height, data.title)
    (axes,) = frame.axes
    levels = sorted({point.level for curve in data.parts for point in curve.points})
    ends_of_axis = (levels[0], levels[-1])
    step = _SPREAD * (levels[-1] - levels[0])
    for position, curve in enumerate(data.parts):
        look, turn = looks[curve.label], (position - (len(data.parts) - 1) / 2) * step
        across = [point.level + turn for point in curve.points]
        values = [point.value for point in curve.points]
        gid = artist_id("measured", curve.label)
        axes.plot(across, values, color=look.colour, linestyle=look.line, marker=look.marker, markersize=3.6, gid=gid)
        for height in (point.value for point in curve.points if point.neutral):
            axes.plot(ends_of_axis, [height] * 2, color=look.colour, linestyle=_DOTS, linewidth=0.7, alpha=0.7)
        for x, point in zip(across, curve.points, strict=True):
            if point.low is not None and point.high is not None:
                ends = [max(point.low, 0.0), min(point.high, 1.0)]
                axes.plot([x, x], ends, color=look.colour, linewidth=1.6, alpha=0.4)
    axes.set_xticks(levels, [f"{level:g}" for level in levels])
    condition, _, changed = data.title.partition(";")[0].partition(": ")  # the title says it whole
    axes.set_xlabel(f"{condition}, {changed.rpartition(', ')[2]}" if changed else "Level of the condition")
    axes.set_ylabel(metric_label(data.shows))
    axes.grid(visible=False, axis="x")
    accuracy_axis(axes, *axes.get_ylim())
    legend.draw(frame)
    return frame.figure
