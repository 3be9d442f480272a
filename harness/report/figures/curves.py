"""PRO and ROC curves of pixels: the whole range that is integrated, and its first percent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.figures.colours import MUTED, looks_of
from harness.report.figures.curves_data import LIMITS, MeanCurve
from harness.report.figures.data import FigureData
from harness.report.figures.legend import Entry, Legend
from harness.report.figures.style import Width, artist_id, house_style, new_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_curves"]

_HEIGHT = {"column": 120.0, "page": 170.0}
_ENDS = {"pro": (0.3, 0.01), "roc": (1.0, 0.01)}
"""Where the panels end: the area below a PRO curve, divided by the end, is AUPRO@30% and AUPRO@1%."""

_TICKS = {1.0: (0, 25, 50, 75, 100), 0.3: (0, 10, 20, 30), 0.01: (0, 0.25, 0.5, 0.75, 1)}
_NAMES = {"pro": "Per-region overlap", "roc": "True positive rate of pixels"}


@house_style()
def draw_curves(data: FigureData[MeanCurve], width: Width = "column") -> Figure:
    """Draw curves in two panels; the limits of 1% and 30% are marked.

    Curves have the gid ``<end of the panel in %>/<label>``.
    """
    looks = looks_of(curve.label for curve in data.parts)
    legend = Legend(width, [Entry(label, look.colour, line=look.line) for label, look in looks.items()])
    frame = new_frame(width, _HEIGHT[width], legend.height, data.title, panels=2, left=34, right=9, between=14)
    for axes, end in zip(frame.axes, _ENDS[data.shows], strict=True):
        for curve in data.parts:
            rates, values = curve.up_to(end)
            look, gid = looks[curve.label], artist_id(f"{100 * end:g}", curve.label)
            axes.plot(100 * rates, values, color=look.colour, linestyle=look.line, gid=gid)
        axes.set(xlim=(0, 100 * end), ylim=(0, 1.02), xlabel="False positive rate (%)")
        axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
        axes.set_xticks(_TICKS[end], [f"{tick:g}" for tick in _TICKS[end]])
        _mark_limits(axes, end)
    frame.axes[0].set_ylabel(_NAMES[data.shows])
    frame.axes[1].set_yticklabels([])
    legend.draw(frame)
    return frame.figure


def _mark_limits(axes: Axes, end: float) -> None:
    for limit in LIMITS.values():
        if limit <= end:
            axes.axvline(100 * limit, color=MUTED, linewidth=0.6, linestyle=(0, (1, 1.5)), zorder=1, clip_on=False)
            axes.annotate(
                f"{100 * limit:g}%",
                (100 * limit, 0.02),
                xytext=(-2 if limit == end else 2, 0),
                textcoords="offset points",
                ha="right" if limit == end else "left",
                color=MUTED,
                fontsize=6,
            )
