"""Synthetic anomalies: colours and shapes of other training samples, pasted on an augmented one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harness.contract import MethodError, Sample
from harness.geometry import resize_nearest, square_pad
from methods.parts.g2sf.colours import recoloured
from methods.parts.g2sf.perlin import SIDE, anomaly_mask
from methods.parts.g2sf.warping import Warp, augmentation_for, warped
from methods.parts.inputs import blackened_image

__all__ = ["Square", "Synthesis", "Synthetic", "paste"]

_STAYS = 2 / 3
"""A component of the mask stays where more than this share of it is on the object."""

_MOST_OF_BASE = 0.5
"""Largest share of the pasted colour that is the base's own."""

_SHIFT = (2e-4, 2e-3)
"""Smallest and largest shift of pasted shapes, metres."""

_ATTEMPTS = 10
"""Draws of sources for a synthetic sample, where they have no place in common."""

_HELD = 16
"""Training samples in memory at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Square:
    """A training sample, zero-padded to a square.

    Parameters
    ----------
    rgb : (S, S, 3) uint8
        With the background that the dataset's preprocessing leaves.
    xyz, measured : (S, S, 3) float32
        The cloud after and before cleaning, metres.
    """

    rgb: NDArray[np.uint8]
    xyz: NDArray[np.float32]
    measured: NDArray[np.float32]

    @classmethod
    def of(cls, sample: Sample) -> Square:
        """Pad a sample, which must have its measured cloud."""
        if sample.measured is None:
            raise MethodError(
                "A training sample lacks the cloud before cleaning, which synthetic anomalies are made of: the dataset "
                "must give the field 'measured'."
            )
        return cls(square_pad(blackened_image(sample, "dataset")), square_pad(sample.xyz), square_pad(sample.measured))

    @property
    def foreground(self) -> NDArray[np.bool_]:
        """Where the cleaned cloud has a point, (S, S)."""
        return np.asarray((self.xyz != 0).all(-1))

    def warped(self, warp: Warp) -> Square:
        """Move all pixels; points keep their coordinates."""
        return Square(warped(self.rgb, warp), warped(self.xyz, warp), warped(self.measured, warp))


@dataclass(frozen=True, slots=True, eq=False)
class Synthetic:
    """A sample with synthetic anomalies: arrays as those of a :class:`Square`, and the mask (S, S) bool."""

    rgb: NDArray[np.uint8]
    xyz: NDArray[np.float32]
    mask: NDArray[np.bool_]

    def as_sample(self) -> Sample:
        """Return it as the networks take it."""
        return Sample("synthetic", "", "", self.rgb, self.xyz, ~(self.xyz != 0).all(-1))


class Synthesis:
    """Makes synthetic anomalies of the training samples of a category.

    Colours come from another training sample, shapes from the cloud of any. An anomaly depends on the seed and its
    number alone.

    Parameters
    ----------
    samples
        Nominal training samples; at most 16 are in memory.
    seed
        Of all draws.
    """

    def __init__(self, samples: Sequence[Sample], seed: int) -> None:
        self._samples, self._seed = samples, seed
        self._held: OrderedDict[int, Square] = OrderedDict()
        self._augmentation = augmentation_for(samples[0].category)

    def make(self, number: int) -> Synthetic:
        """Return the synthetic sample of a number.

        Raises
        ------
        MethodError
            Where ten draws find no sources of colour and shape with a place in common that an anomaly fits into.
        """
        draw = np.random.default_rng([self._seed, number])
        for _ in range(_ATTEMPTS):
            made = self._made(draw)
            if made is not None:
                return made
        raise MethodError(
            f"{_ATTEMPTS} times, two training samples had no place in common that a synthetic anomaly fits into: "
            "objects are too small in their images, or lie too far apart."
        )

    def _made(self, draw: np.random.Generator) -> Synthetic | None:
        """Return a synthetic sample, or None where no anomaly fits into what the drawn sources have in common."""
        count = len(self._samples)
        first, shape = draw.integers(0, count, 2).tolist()
        colour = (first + draw.integers(1, max(count, 2))) % count
        base = self._square(first).warped(self._augmentation.drawn(draw))
        side = len(base.rgb)
        source = self._square(int(colour))
        recolour = resize_nearest(recoloured(source.rgb, draw), side)
        cloud = resize_nearest(self._square(shape).xyz, side)
        allowed = resize_nearest(source.foreground, SIDE) & resize_nearest((cloud != 0).all(-1), SIDE)
        mask = anomaly_mask(draw, allowed, self._augmentation.threshold)
        if not mask.any():
            return None
        mask = ndimage.binary_dilation(resize_nearest(mask, side), np.ones((3, 3), bool))
        return paste(base, recolour, cloud, mask, draw)

    def _square(self, index: int) -> Square:
        if index not in self._held:
            self._held[index] = Square.of(self._samples[index])
            if len(self._held) > _HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(index)
        return self._held[index]


def paste(
    base: Square,
    colour: NDArray[np.uint8],
    shape: NDArray[np.float32],
    mask: NDArray[np.bool_],
    draw: np.random.Generator,
) -> Synthetic:
    """Paste every component of a mask from two sources; one that lies off the object is moved onto it.

    Parameters
    ----------
    base
        Where to paste.
    colour : (S, S, 3) uint8
    shape : (S, S, 3) float32
        Cloud, metres; of its points only the third coordinate matters.
    mask : (S, S) bool
        Where on the sources.
    draw
        Of places, opacities and shifts.
    """
    rgb, xyz, pasted = base.rgb.copy(), base.xyz.copy(), np.zeros_like(mask)
    foreground = base.foreground
    labels, count = ndimage.label(mask, np.ones((3, 3), bool))
    for component in range(1, count + 1):
        source = np.nonzero(labels == component)
        target = _placed(source, foreground, draw)
        if target is None:
            continue
        own = draw.uniform(0, _MOST_OF_BASE)
        rgb[target] = np.rint(own * base.rgb[target] + (1 - own) * colour[source]).astype(np.uint8)
        _paste_shape(xyz, base, target, foreground, shape[source], draw)
        pasted[target] = True
    return Synthetic(rgb, xyz, pasted)


_Pixels = tuple[NDArray[np.intp], ...]
"""Rows and columns."""


def _placed(pixels: _Pixels, foreground: NDArray[np.bool_], draw: np.random.Generator) -> _Pixels | None:
    """Return the pixels, moved to a random place of the object where too few are on it; None where none would be."""
    if foreground[pixels].mean() > _STAYS:
        return pixels
    places = np.argwhere(foreground)
    if not len(places):
        return None
    place = places[draw.integers(len(places))]
    moved = tuple(_moved(axis, int(to), len(foreground)) for axis, to in zip(pixels, place, strict=True))
    return moved if foreground[moved].any() else None


def _moved(axis: NDArray[np.intp], centre: int, side: int) -> NDArray[np.intp]:
    """Return coordinates moved to a centre, or as near to it as the image allows."""
    first, last = int(axis.min()), int(axis.max())
    return axis + min(max(centre - (first + last) // 2, -first), side - 1 - last)


def _paste_shape(
    xyz: NDArray[np.float32],
    base: Square,
    target: _Pixels,
    foreground: NDArray[np.bool_],
    points: NDArray[np.float32],
    draw: np.random.Generator,
) -> None:
    """Write the relief of a source about the base's mean depth, shifted; x and y are those that were measured."""
    shift = draw.choice([-1, 1]) * draw.uniform(*_SHIFT)
    measured, depth = base.measured[target], points[:, 2]
    known = (points != 0).all(-1)
    usable = known & (measured != 0).all(-1)
    if not usable.any():
        return
    around = base.xyz[target][foreground[target], 2]
    relief = depth[usable] - depth[known].mean(dtype=np.float64) + around.mean(dtype=np.float64) + shift
    rows, columns = (axis[usable] for axis in target)
    xyz[rows, columns] = np.column_stack([measured[usable, :2], relief])
