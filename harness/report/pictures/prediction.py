"""A picture of one prediction."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contract import Sample
from harness.geometry import square_pad

__all__ = ["draw_prediction"]


def draw_prediction(sample: Sample, anomaly_map: NDArray[np.floating[Any]], title: str) -> bytes:
    """Return a PNG with the image, the depth of its cloud, and the map, side by side in the evaluation geometry.

    Parameters
    ----------
    sample
        RGB and cleaned cloud.
    anomaly_map : (S, S) float
        Higher is more anomalous.
    title
        Printed above.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    depth = square_pad(sample.xyz)[..., 2].astype(float)
    depth[depth == 0] = np.nan
    figure = Figure(figsize=(11, 4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    image_axis, depth_axis, map_axis = figure.subplots(1, 3)
    image_axis.imshow(square_pad(sample.rgb))
    image_axis.set_title("RGB")
    shown = depth_axis.imshow(depth, cmap="viridis")
    depth_axis.set_title("cloud, z in m")
    figure.colorbar(shown, ax=depth_axis, shrink=0.8)
    shown = map_axis.imshow(anomaly_map, cmap="inferno")
    map_axis.set_title("anomaly map")
    figure.colorbar(shown, ax=map_axis, shrink=0.8)
    for axis in (image_axis, depth_axis, map_axis):
        axis.set_axis_off()
    figure.suptitle(title)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()
