"""Few-shot curves: a metric against the number of training samples, measured and published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.data.splits import SHOTS
from harness.report.figures.colours import Look, looks_of
from harness.report.figures.legend import Entry, draw_legend, legend_height
from harness.report.figures.shots_data import ShotsCurve, ShotsData
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
def draw_shots(data: ShotsData, width: Width = "column", *, title: bool = True) -> Figure:
    """Draw a metric against the number of training samples.

    Published curves are dashed with hollow markers, measured ones filled, with the interval over splits as a bar.

    Parameters
    ----------
    data
        At least one curve.
    width
        ``column`` or ``page`` of a two-column paper.
    title
        Whether to say above the axes what holds for all curves.

    Returns
    -------
    Figure
        Curves have the gid ``measured/<label>`` or ``published/<label>``.
    """
    looks = looks_of(curve.label for curve in data.curves)
    kinds = {curve.published for curve in data.curves}
    entries = [
        Entry(label, look.colour, marker=look.marker, hollow=False not in kinds) for label, look in looks.items()
    ]
    if len(kinds) > 1:
        entries += [Entry("measured", None, line="-", marker="o")]
        entries += [Entry("as published", None, line=_DASHES, marker="o", hollow=True)]
    frame = new_frame(
        width, height=_HEIGHT[width], key=legend_height(entries, width), title=data.title if title else ""
    )
    (axes,) = frame.axes
    for curve in data.curves:
        _draw_curve(axes, curve, looks, sorted(looks).index(curve.label) - (len(looks) - 1) / 2)
    shots = [one for one in SHOTS if any(point.shots == one for curve in data.curves for point in curve.points)]
    positions = [SHOTS.index(one) for one in shots]
    axes.set_xticks(positions, ["all" if one == "full" else str(one) for one in shots])
    axes.set_xlim(min(positions) - 0.25, max(positions) + 0.25)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("Training samples of a category")
    axes.set_ylabel(metric_label(data.metric))
    accuracy_axis(axes, *axes.get_ylim())
    draw_legend(frame.key, entries, width)
    return frame.figure


def _draw_curve(axes: Axes, curve: ShotsCurve, looks: Mapping[str, Look], turn: float) -> None:
    look = looks[curve.label]
    across = [SHOTS.index(point.shots) + turn * _SPREAD for point in curve.points]
    values = [point.value for point in curve.points]
    axes.plot(
        across,
        values,
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
            axes.plot(
                [x, x], [point.low, point.high], color=look.colour, linewidth=2.2, alpha=0.45, solid_capstyle="butt"
            )
