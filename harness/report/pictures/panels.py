"""Panels of a sample: its image, its cloud in relief, its ground truth and maps, as arrays with their colours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.contract import Sample
from harness.geometry import resize_nearest, square_pad, valid_points
from harness.metrics.scoring import ground_truth, resize_map

__all__ = ["BACKGROUND", "FEATURE", "HEAT", "OUTLINE", "Panel", "outline", "relief", "sample_panels", "value_range"]

HEAT, FEATURE, _TRUTH = "inferno", "viridis", "gray"
"""Colour maps of anomaly maps, of features and of the ground truth."""

OUTLINE = (0, 229, 255)
"""RGB of the line around the ground truth."""

BACKGROUND = 236
"""Grey level where a cloud has no point."""

_LIGHT = np.array([-0.45, -0.55, -0.7])
_AMBIENT = 0.25
_FILL_SIGMA = 1.2
"""Of the Gaussian that closes small holes and smooths sensor noise, in pixels at 224 x 224."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """A square picture in the evaluation geometry.

    Parameters
    ----------
    values : (S, S, 3) uint8, or (S, S)
        RGB, or values for a colour map; NaN has no colour.
    colours
        Name of the colour map; empty for RGB.
    limits
        Values at its two ends.
    truth : (T, T) bool
        The ground truth whose border is drawn; None for no line.
    note
        A short text for the lower right corner.
    """

    values: NDArray[Any]
    colours: str = ""
    limits: tuple[float, float] = (0.0, 1.0)
    truth: NDArray[np.bool_] | None = None
    note: str = ""

    def pixels(self) -> NDArray[np.uint8]:
        """Return RGB with the outline drawn in, without the note.

        Its size is that of ``values`` or, where there is one, of ``truth``, to which values are resized bilinearly.
        """
        import matplotlib as mpl

        rgb: NDArray[np.uint8] = self.values
        if self.colours:
            low, high = self.limits
            values = self.values if self.truth is None else resize_map(self.values, len(self.truth))
            rgb = mpl.colormaps[self.colours]((values - low) / (high - low), bytes=True)[..., :3]
        if self.truth is not None:
            rgb = rgb.copy()
            rgb[outline(self.truth)] = OUTLINE
        return rgb


def sample_panels(sample: Sample, size: int, truth_size: int | None = None) -> dict[str, Panel]:
    """Return the panels ``rgb``, ``cloud`` (:func:`relief`) and ``truth`` of a sample.

    Parameters
    ----------
    sample
        With a cleaned cloud. Where it is anomalous and carries no mask, the ground truth says so in a note.
    size
        Of image and cloud, pixels.
    truth_size
        Of the ground truth; ``size`` where None.
    """
    padded, side = Image.fromarray(square_pad(sample.rgb)), truth_size or size
    truth = np.zeros((side, side), bool) if sample.mask is None else ground_truth(sample.mask, side)
    note = "no mask" if sample.mask is None and sample.anomalous else ""
    return {
        "rgb": Panel(np.asarray(padded.resize((size, size), Image.Resampling.LANCZOS))),
        "cloud": Panel(relief(sample, size)),
        "truth": Panel(truth, _TRUTH, note=note),
    }


def value_range(maps: Iterable[NDArray[Any]], percentiles: tuple[float, float] = (0, 100)) -> tuple[float, float]:
    """Return the lowest and highest finite value of some maps, or two percentiles; never two equal numbers."""
    values = np.concatenate([values[np.isfinite(values)] for values in maps])
    if not len(values):
        return 0.0, 1.0
    low, high = np.percentile(values, percentiles)
    return float(low), float(high if high > low else low + 1)


def outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a mask on its border, as (S, S) bool."""
    from scipy.ndimage import binary_erosion

    inner: NDArray[np.bool_] = binary_erosion(mask)
    return mask & ~inner


def relief(sample: Sample, size: int) -> NDArray[np.uint8]:
    """Return the cloud as a shaded surface, (size, size, 3): hue shows depth, brightness shows slope.

    The light comes from the upper left. Colours are those of cividis, near to far, over the sample's own depths.
    """
    points = resize_nearest(square_pad(sample.xyz), size).astype(np.float64)
    valid = valid_points(points)
    if not valid.any():
        return np.full((size, size, 3), BACKGROUND, np.uint8)
    filled, known = _filled(points, valid, _FILL_SIGMA * size / 224)
    depth = filled[..., 2]
    near, far = np.percentile(depth[valid], (1, 99))
    colours = _cividis(1 - np.clip((depth - near) / max(far - near, 1e-9), 0, 1))
    shaded = np.clip(colours * _brightness(filled)[..., None], 0, 1)
    shaded[~known] = BACKGROUND / 255
    return np.round(shaded * 255).astype(np.uint8)


def _filled(
    points: NDArray[np.float64], valid: NDArray[np.bool_], sigma: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return smoothed points, and where there are enough of them."""
    from scipy.ndimage import binary_closing, gaussian_filter

    weight = gaussian_filter(valid.astype(np.float64), sigma)
    summed = np.stack([gaussian_filter(points[..., axis] * valid, sigma) for axis in range(3)], -1)
    known = binary_closing(valid, iterations=2) | valid
    middle = points[valid].mean(0)
    return np.where(weight[..., None] > 1e-3, summed / np.maximum(weight, 1e-3)[..., None], middle), known


def _brightness(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ambient and diffuse light on a surface seen from the camera, about 1 where it faces the light."""
    slopes = []
    for axis in (1, 0):
        step = np.gradient(points, axis=axis)
        slopes.append(step[..., 2] / np.maximum(np.hypot(step[..., 0], step[..., 1]), 1e-9))
    normal = np.stack([*slopes, -np.ones_like(slopes[0])], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    diffuse = np.maximum(normal @ (_LIGHT / np.linalg.norm(_LIGHT)), 0)
    return np.asarray(_AMBIENT + (1.25 - _AMBIENT) * diffuse)


def _cividis(values: NDArray[np.float64]) -> NDArray[np.float64]:
    import matplotlib as mpl

    return np.asarray(mpl.colormaps["cividis"](0.15 + 0.85 * values))[..., :3]
