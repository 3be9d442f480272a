"""What a figure shows of a sample: its image, its cloud in relief, its ground truth, in the evaluation geometry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.contract import Sample
from harness.geometry import resize_nearest, square_pad
from harness.metrics.scoring import ground_truth

__all__ = ["BACKGROUND", "outline", "picture", "relief", "truth"]

BACKGROUND = 236
"""Grey level where a cloud has no point."""

_LIGHT = np.array([-0.45, -0.55, -0.7])
_AMBIENT = 0.25
_FILL_SIGMA = 1.2
"""Of the Gaussian that closes small holes and calms the noise of a sensor, in pixels at 224 x 224."""


def picture(sample: Sample, size: int) -> NDArray[np.uint8]:
    """Return the colour image, (size, size, 3)."""
    padded = Image.fromarray(square_pad(sample.rgb))
    return np.asarray(padded.resize((size, size), Image.Resampling.LANCZOS))


def truth(sample: Sample, size: int) -> NDArray[np.bool_]:
    """Return the ground truth, (size, size); nothing is anomalous where the sample carries no mask."""
    return np.zeros((size, size), bool) if sample.mask is None else ground_truth(sample, size)


def outline(mask: NDArray[np.bool_], width: int = 1) -> NDArray[np.bool_]:
    """Return the pixels of a mask that lie within ``width`` of its border, as (S, S) bool."""
    from scipy.ndimage import binary_erosion

    inner: NDArray[np.bool_] = binary_erosion(mask, iterations=width)
    return mask & ~inner


def relief(sample: Sample, size: int) -> NDArray[np.uint8]:
    """Return the cloud as a shaded surface, (size, size, 3): hue tells depth, brightness tells slope.

    The light comes from the upper left. Colours are those of cividis, near to far, over the sample's own depths.
    """
    points = resize_nearest(square_pad(sample.xyz), size).astype(np.float64)
    valid = (points != 0).all(-1)
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
