"""Random rotations, flips, shifts and scales of square images, without interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Augmentation", "Warp", "augmentation_for", "warped"]


@dataclass(frozen=True, slots=True)
class Warp:
    """A similarity of the image plane about the middle of the image.

    Parameters
    ----------
    angle
        Degrees.
    scale
        Factor of all lengths.
    shift
        Down and to the right, shares of the side.
    flips
        Whether rows, and whether columns, are reversed first.
    """

    angle: float = 0.0
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    flips: tuple[bool, bool] = (False, False)

    def sources(self, side: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the flat source pixel of every pixel, and whether it lies in the image: both (side, side)."""
        middle = (side - 1) / 2
        down, right = (np.arange(side) - middle - share * side for share in self.shift)
        down, right = down[:, None] / self.scale, right[None, :] / self.scale
        cos, sin = np.cos(np.deg2rad(self.angle)), np.sin(np.deg2rad(self.angle))
        place = np.stack([cos * down - sin * right, sin * down + cos * right])
        place *= np.where(self.flips, -1.0, 1.0)[:, None, None]
        rows, columns = np.rint(place + middle).astype(np.intp)
        inside = (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
        return np.where(inside, rows * side + columns, 0), inside


def warped(image: NDArray[Any], warp: Warp) -> NDArray[Any]:
    """Return a square image (S, S, ...) after a warp: nearest pixels, and zeros from outside."""
    source, inside = warp.sources(len(image))
    result = image.reshape(-1, *image.shape[2:])[source]
    result[~inside] = 0
    return result


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far training samples of a category are moved, and where its masks begin.

    Parameters
    ----------
    angle
        Largest rotation, degrees.
    shift
        Largest shift, share of the side.
    scales
        Smallest and largest scale.
    flips
        Whether images are reversed.
    threshold
        Of the noise that masks are made of.
    """

    angle: float = 45.0
    shift: float = 0.1
    scales: tuple[float, float] = (0.8, 1.25)
    flips: bool = True
    threshold: float = 0.4

    def drawn(self, draw: np.random.Generator) -> Warp:
        """Draw a warp."""
        flips = draw.random(2) < 0.5 if self.flips else (False, False)
        down, right = draw.uniform(-self.shift, self.shift, 2)
        return Warp(
            angle=draw.uniform(-self.angle, self.angle),
            scale=draw.uniform(*self.scales),
            shift=(float(down), float(right)),
            flips=(bool(flips[0]), bool(flips[1])),
        )


_STANDARD = Augmentation()
_GENTLE = Augmentation(angle=10, shift=0.05, scales=(0.9, 1.1), flips=False)
_CANDY = Augmentation(angle=90, shift=0.025, scales=(0.9, 1.1))
_THIN_CANDY = Augmentation(angle=90, shift=0.025, scales=(0.9, 1.1), threshold=0.3)

_OF_CATEGORY = {
    **dict.fromkeys(("dowel", "tire", "foam", "rope", "cable_gland"), _GENTLE),
    **dict.fromkeys(("ChocolateCookie", "ChocolatePraline", "Confetto", "GummyBear", "HazelnutTruffle"), _CANDY),
    **dict.fromkeys(("LicoriceSandwich", "Marshmallow", "PeppermintCandy"), _CANDY),
    **dict.fromkeys(("CandyCane", "Lollipop"), _THIN_CANDY),
}


def augmentation_for(category: str) -> Augmentation:
    """Return what the authors' code does to a category of MVTec 3D-AD or Eyecandies, and to any other as to most."""
    return _OF_CATEGORY.get(category, _STANDARD)
