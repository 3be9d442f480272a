"""A sample as it is read: its image, its depths, and what the removal of the background leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.contract import Sample
from harness.geometry import valid_points
from harness.report.figures.colours import INK
from harness.report.figures.style import house_style
from harness.report.pictures.panels import OUTLINE, outline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_sample"]

_WIDTH = 9.0
_MILLIMETRES = 1000


def draw_sample(raw: Sample, cleaned: Sample, *, metres: bool = True) -> Figure:
    """Draw a sample in three panels: the image with its mask's outline, all depths, and the depths that stay.

    Parameters
    ----------
    raw, cleaned
        The sample before and after its background is removed.
    metres
        False where the dataset offers a depth without unit in place of points.
    """
    from matplotlib.figure import Figure

    height, width = raw.rgb.shape[:2]
    with house_style():
        figure = Figure(figsize=(_WIDTH, 0.7 + 0.28 * _WIDTH * height / width), dpi=150, layout="constrained")
        image, before, after = figure.subplots(1, 3)
        _draw_image(image, raw)
        scale, unit = (_MILLIMETRES, "z in mm") if metres else (1, "depth, without unit")
        _draw_depth(figure, before, raw.xyz * scale, "as measured", unit)
        _draw_depth(figure, after, cleaned.xyz * scale, "without background", unit)
        said = _extent(cleaned.xyz) if metres else "a depth without unit, and no points"
        figure.suptitle(f"{raw.category}, {raw.id}: {said}", fontsize=8, color=INK)
    return figure


def _draw_image(axes: Axes, sample: Sample) -> None:
    rgb = sample.rgb.copy()
    marked = sample.mask is not None and bool(sample.mask.any())
    if sample.mask is not None and marked:
        rgb[outline(sample.mask)] = OUTLINE
    said = "with its mask" if marked else "no mask" if sample.mask is None else "nominal"
    _frame(axes, f"image {sample.rgb.shape[1]}x{sample.rgb.shape[0]}, {said}")
    axes.imshow(rgb)


def _draw_depth(figure: Figure, axes: Axes, xyz: NDArray[np.float32], title: str, unit: str) -> None:
    valid = valid_points(xyz)
    depth = np.where(valid, xyz[..., 2], np.nan)
    _frame(axes, f"{title}: {valid.mean():.0%} of the pixels")
    if not valid.any():
        return
    low, high = np.nanpercentile(depth, (1, 99))
    drawn = axes.imshow(depth, cmap="viridis", vmin=low, vmax=high, interpolation="nearest")
    bar = figure.colorbar(drawn, ax=axes, shrink=0.8)
    bar.set_label(unit, fontsize=6)
    bar.ax.tick_params(labelsize=6)


def _frame(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=7)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)


def _extent(xyz: NDArray[np.float32]) -> str:
    """Return the size of what stays, in millimetres."""
    points = xyz[valid_points(xyz)] * _MILLIMETRES
    if not len(points):
        return "nothing is left of the cloud"
    size = np.percentile(points, 99.5, axis=0) - np.percentile(points, 0.5, axis=0)
    return f"what stays is {size[0]:.3g} mm wide, {size[1]:.3g} mm high and {size[2]:.3g} mm deep"
