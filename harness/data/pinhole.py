"""The pinhole camera: from a depth image to points."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.data.images import GIVE_ANOTHER, read_text, reading
from harness.errors import DataError

__all__ = ["Pinhole", "camera_of", "read_camera"]

_NAMES = ("fx", "fy", "cx", "cy")
_OTHER_NAMES = {"cx": "ppx", "cy": "ppy"}
"""As librealsense calls them."""

_DISTORTION = re.compile(r"([kps]\d+|d|dist\w*|coeffs?|coefficients)", re.IGNORECASE)
"""Names under which cameras' files keep the coefficients of a lens."""


@dataclass(frozen=True, slots=True)
class Pinhole:
    """A camera without distortion; pixel centres lie at whole numbers.

    Parameters
    ----------
    fx, fy
        Focal lengths, pixels.
    cx, cy
        Principal point, pixels from the centre of the first pixel.
    """

    fx: float
    fy: float
    cx: float
    cy: float

    def points(self, depth: NDArray[Any]) -> NDArray[np.float64]:
        """Return the points (H, W, 3) seen at depths (H, W), in their unit: right, down, forward."""
        height, width = depth.shape
        points = np.empty((height, width, 3))
        points[..., 0] = (np.arange(width) - self.cx) / self.fx * depth
        points[..., 1] = (np.arange(height)[:, np.newaxis] - self.cy) / self.fy * depth
        points[..., 2] = depth
        return points


def read_camera(path: Path, size: tuple[int, int] | None, unit: float, hint: str = GIVE_ANOTHER) -> Pinhole:
    """Read a camera from a JSON file with ``fx``, ``fy``, ``cx`` and ``cy`` (``ppx`` and ``ppy`` of a RealSense).

    Parameters
    ----------
    path
        May hold other names, too. Where it has ``width``, ``height`` and ``depth_scale`` (metres per unit), they must
        be those of the depth image.
    size, unit
        Height and width of the depth image (None: not known yet), and metres per unit of its values.
    hint
        What the user can do about a bad file: the end of the error's sentence.

    Raises
    ------
    DataError
        Where the file is missing, no JSON, lacks a number, is of another image, or holds coefficients of a distorting
        lens that are not all zero.
    """
    text = read_text(path, hint)
    with reading(path, "JSON", hint):
        content = msgspec.json.decode(text, type=dict[str, object])
    camera = camera_of(content, str(path), hint)
    expected = dict(zip(("height", "width"), map(float, size or ()), strict=False)) | {"depth_scale": unit}
    for name, value in expected.items():
        said = _number(content.get(name, value))
        if not math.isclose(said, value, rel_tol=1e-6):
            raise DataError(f"{path} says {name} {said:g} where the depth image has {value:g}: {hint}.")
    return camera


def camera_of(content: Mapping[str, object], where: str, hint: str = GIVE_ANOTHER) -> Pinhole:
    """Return the camera of named values; raise DataError as :func:`read_camera` does, with ``where`` they stand."""
    numbers = [_number(content.get(name, content.get(_OTHER_NAMES.get(name, "")))) for name in _NAMES]
    if not all(map(math.isfinite, numbers)) or min(numbers[:2]) <= 0:
        raise DataError(f"{where} has no numbers fx, fy (above zero), cx and cy of a camera, in pixels: {hint}.")
    bent = [name for name, value in content.items() if _DISTORTION.fullmatch(name) and any(_numbers(value))]
    if bent:
        raise DataError(
            f"{where} describes a lens that distorts ({', '.join(bent)[:100]}): undistort images and depth first, and "
            "set its coefficients to zero."
        )
    return Pinhole(*numbers)


def _number(value: object) -> float:
    """Return a finite number, else NaN."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300:
        return float(value)
    return math.nan


def _numbers(value: object) -> Iterator[float]:
    """Yield the numbers in nested lists and mappings; anything else counts as 0."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _numbers(part)
    elif isinstance(value, int | float):
        yield float(value) if abs(value) < 1e300 else math.inf
