"""Eight operations that change the colours of a training image, for synthetic anomalies.

They stand for those of the imgaug library that the authors' code uses. Autocontrast, hue, saturation and the cartoon
are Pillow's or made of its filters; brightness changes all channels alike, where imgaug draws a colour space first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from scipy import ndimage

__all__ = ["OPERATIONS", "recoloured"]

_Pixels = NDArray[np.uint8]
_DRAWN = 3
"""Operations of an image, of eight."""

_BLUR = 50
_ELASTIC_SIGMA = 5.0


def recoloured(rgb: _Pixels, draw: np.random.Generator) -> _Pixels:
    """Return an image (H, W, 3) after three of the operations, drawn without replacement, in random order."""
    for name in draw.choice(list(OPERATIONS), _DRAWN, replace=False):
        rgb = OPERATIONS[name](rgb, draw)
    return rgb


def _blur(rgb: _Pixels, draw: np.random.Generator) -> _Pixels:
    return np.asarray(Image.fromarray(rgb).filter(ImageFilter.BoxBlur((_BLUR - 1) / 2)))


def _gamma(rgb: _Pixels, draw: np.random.Generator) -> _Pixels:
    return _clipped(255 * (rgb / 255) ** draw.uniform(0.5, 2, 3))


def _brightness(rgb: _Pixels, draw: np.random.Generator) -> _Pixels:
    return _clipped(rgb * draw.uniform(0.75, 1.7) + draw.uniform(-50, 50))


def _hue_and_saturation(rgb: _Pixels, draw: np.random.Generator) -> _Pixels:
    hue, saturation = draw.integers(-50, 50, 2, endpoint=True)
    hsv = np.asarray(Image.fromarray(rgb).convert("HSV")).astype(int)
    turned = np.stack([(hsv[..., 0] + hue) % 256, np.clip(hsv[..., 1] + saturation, 0, 255), hsv[..., 2]], -1)
    return np.asarray(Image.fromarray(turned.astype(np.uint8), "HSV").convert("RGB"))


def _autocontrast(rgb: _Pixels, draw: np.random.Generator) -> _Pixels:
    return np.asarray(ImageOps.autocontrast(Image.fromarray(rgb), cutoff=int(draw.integers(0, 20, endpoint=True))))


def _elastic(rgb: _Pixels, draw: np.random.Generator) -> _Pixels:
    alpha = draw.uniform(2.5, 7.5)
    moved = [
        axis + alpha * ndimage.gaussian_filter(draw.uniform(-1, 1, axis.shape), _ELASTIC_SIGMA)
        for axis in np.indices(rgb.shape[:2])
    ]
    channels = [ndimage.map_coordinates(rgb[..., channel], moved, order=1, mode="nearest") for channel in range(3)]
    return np.stack(channels, -1)


def _inversion(rgb: _Pixels, draw: np.random.Generator) -> _Pixels:
    return 255 - rgb if draw.random() < 0.05 else rgb


def _cartoon(rgb: _Pixels, draw: np.random.Generator) -> _Pixels:
    """Flat, strong colours with dark edges."""
    flat = ImageOps.posterize(Image.fromarray(rgb).filter(ImageFilter.MedianFilter(5)), 3)
    edges = np.asarray(flat.convert("L").filter(ImageFilter.FIND_EDGES)) > 64
    strong = np.array(ImageEnhance.Color(flat).enhance(2.0))
    strong[edges] = 0
    return strong


def _clipped(values: NDArray[np.floating]) -> _Pixels:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


OPERATIONS: dict[str, Callable[[_Pixels, np.random.Generator], _Pixels]] = {
    "average blur": _blur,
    "gamma": _gamma,
    "brightness": _brightness,
    "hue and saturation": _hue_and_saturation,
    "autocontrast": _autocontrast,
    "elastic": _elastic,
    "inversion": _inversion,
    "cartoon": _cartoon,
}
"""From an image (H, W, 3) uint8 and a generator of its draws to the changed image, by name."""
