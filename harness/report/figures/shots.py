"""Few-shot curves: a metric against the number of training samples, measured and published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.data.splits import Shots, shots_order
from harness.report.figures.colours import Look, looks_of
from harness.report.figures.data import FigureData, Series
from harness.report.figures.legend import Entry, Legend
from harness.report.figures.shots_data import ShotsPoint
from harness.report.figures.style import Width, accuracy_axis, artist_id, house_style, metric_label, new_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_shots"]

_HEIGHT = {"column": 150.0, "page": 200.0}
_DASHES = (0, (2.5, 1.5))
_SPREAD = 0.045
"""Distance between the points of neighbouring methods, so that intervals do not hide each other."""


@house_style()
def draw_shots(data: FigureData[Series[ShotsPoint]], width: Width = "column") -> Figure:
    """Draw a metric against the number of training samples.

    Published curves are dashed with hollow markers, measured ones filled, with the interval over splits as a bar.

    Curves have the gid ``measured/<label>`` or ``published/<label>``.
    """
    looks = looks_of(curve.label for curve in data.parts)
    measured, published = (any(curve.published == source for curve in data.parts) for source in (False, True))
    fill = "" if measured else "white"
    entries = [Entry(label, look.colour, marker=look.marker, fill=fill) for label, look in looks.items()]
    if measured and published:
        entries += [Entry("measured", line="-", marker="o")]
        entries += [Entry("as published", line=_DASHES, marker="o", fill="white")]
    legend = Legend(width, entries)
    frame = new_frame(width, _HEIGHT[width], legend.height, data.title)
    (axes,) = frame.axes
    sizes = sorted({point.shots for curve in data.parts for point in curve.points}, key=shots_order)
    for curve in data.parts:
        _draw_curve(axes, curve, sizes, looks[curve.label], sorted(looks).index(curve.label) - (len(looks) - 1) / 2)
    axes.set_xticks(range(len(sizes)), [str(shots).replace("full", "all") for shots in sizes])
    axes.set(xlim=(-0.25, len(sizes) - 0.75), xlabel="Training samples of a category")
    axes.set_ylabel(metric_label(data.shows))
    axes.grid(visible=False, axis="x")
    accuracy_axis(axes, *axes.get_ylim())
    legend.draw(frame)
    return frame.figure


def _draw_curve(axes: Axes, curve: Series[ShotsPoint], sizes: Sequence[Shots], look: Look, turn: float) -> None:
    across = [sizes.index(point.shots) + turn * _SPREAD for point in curve.points]
    axes.plot(
        across,
        [point.value for point in curve.points],
        color=look.colour,
        linestyle=_DASHES if curve.published else look.line,
        linewidth=0.9 if curve.published else 1.1,
        marker=look.marker,
        markersize=3.6,
        markeredgewidth=0.8,
        markerfacecolor="white" if curve.published else look.colour,
        zorder=2 if curve.published else 3,
        gid=artist_id("published" if curve.published else "measured", curve.label),
    )
    for x, point in zip(across, curve.points, strict=True):
        if point.low is not None and point.high is not None:
            ends = [point.low, point.high]
            axes.plot([x, x], ends, color=look.colour, linewidth=2.2, alpha=0.45, solid_capstyle="butt")
