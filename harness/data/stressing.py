"""Test samples under a condition: what stands for a camera that has moved, a worse sensor, other light.

Every change is drawn from a seed of the kind of condition, the dataset, the category and the sample's id. The level is
no part of it: at a higher level the same image moves further in the same direction, and the same points are missing and
more. So two levels differ in nothing but the level, and no result depends on the order of samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from harness.contract import MODALITIES, Sample
from harness.data.conditions import Condition
from harness.files.digest import seed_from
from harness.geometry import valid_points

__all__ = ["stressed"]

_Change = Callable[[Sample, float, Generator], Sample]
_Images = NDArray[np.uint8]

_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1))
_TOP = 255


def stressed(sample: Sample, condition: Condition, dataset: str) -> Sample:
    """Return a sample under a condition; itself where nothing of it is changed.

    Masks, labels and cleaning stay: the ground truth is registered with the cloud, and an image that was moved lies
    beside it as it lies beside the cloud.

    Parameters
    ----------
    sample
        Decoded and cleaned, with all its modalities.
    condition
        One of test samples, or none.
    dataset
        Name of the dataset, a part of the seed.
    """
    if condition.kind is None or not condition.of_test:
        return sample
    rng = np.random.default_rng(seed_from("condition", condition.kind.title, dataset, sample.category, sample.id))
    return _CHANGES[condition.kind.title](sample, condition.level, rng)


def _of_images(sample: Sample, change: Callable[[_Images], _Images]) -> Sample:
    """Change the image, and the images under further lights, which the same camera took."""
    lights = None if sample.lights is None else np.stack([change(image) for image in sample.lights])
    return replace(sample, rgb=change(sample.rgb), lights=lights)


def _shift(sample: Sample, level: float, rng: Generator) -> Sample:
    """Move the image by whole pixels along a row or a column; pixels of its edge are repeated."""
    down, right = (int(level) * step for step in _DIRECTIONS[rng.integers(len(_DIRECTIONS))])

    def change(image: _Images) -> _Images:
        height, width = image.shape[:2]
        rows = np.clip(np.arange(height) - down, 0, height - 1)
        columns = np.clip(np.arange(width) - right, 0, width - 1)
        return image[rows[:, np.newaxis], columns]

    return _of_images(sample, change)


def _rotate(sample: Sample, level: float, rng: Generator) -> Sample:
    """Turn the image about its centre, bilinearly; pixels of its edge are repeated."""
    from scipy.ndimage import rotate

    angle = level if rng.integers(2) else -level

    def change(image: _Images) -> _Images:
        turned = rotate(image.astype(np.float32), angle, reshape=False, order=1, mode="nearest")
        return _as_bytes(turned)

    return _of_images(sample, change)


def _blur(sample: Sample, level: float, rng: Generator) -> Sample:
    from scipy.ndimage import gaussian_filter

    def change(image: _Images) -> _Images:
        return _as_bytes(gaussian_filter(image.astype(np.float32), (level, level, 0), mode="nearest"))

    return _of_images(sample, change)


def _light(sample: Sample, level: float, rng: Generator) -> Sample:
    """Multiply the sRGB values as they are stored; what exceeds 255 is clipped, as on a sensor."""
    return _of_images(sample, lambda image: _as_bytes(image * np.float32(level)))


def _as_bytes(image: NDArray[np.float32]) -> _Images:
    rounded: _Images = np.clip(np.rint(image), 0, _TOP).astype(np.uint8)
    return rounded


def _noise(sample: Sample, level: float, rng: Generator) -> Sample:
    """Add Gaussian noise to each coordinate of each measured point, in metres; where there is no point, there is none.

    Normals stay: where a dataset gives some, they are not a product of its points.
    """
    noise = rng.normal(0.0, level / 1000, sample.xyz.shape).astype(np.float32)

    def change(points: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.where(valid_points(points)[..., np.newaxis], points + noise, points)

    return _of_points(sample, change)


def _drop(sample: Sample, level: float, rng: Generator) -> Sample:
    """Take away points, each with the same probability, and the normals at their pixels.

    What cleaning decided stays: it saw the whole cloud.
    """
    dropped = (rng.random(sample.xyz.shape[:2]) < level)[..., np.newaxis]

    def change(points: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.where(dropped, np.float32(0), points)

    changed = _of_points(sample, change)
    return changed if sample.normals is None else replace(changed, normals=change(sample.normals))


def _of_points(sample: Sample, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Sample:
    """Change the cloud, and the cloud before cleaning in the same way."""
    measured = None if sample.measured is None else change(sample.measured)
    return replace(sample, xyz=change(sample.xyz), measured=measured)


def _missing(*left: str) -> _Change:
    """Return what leaves some samples with these modalities alone."""

    def change(sample: Sample, level: float, rng: Generator) -> Sample:
        return sample.only(left) if rng.random() < level else sample

    return change


_CHANGES: dict[str, _Change] = {
    "rgb-shift": _shift,
    "rgb-rotate": _rotate,
    "xyz-noise": _noise,
    "xyz-dropout": _drop,
    "light": _light,
    "blur": _blur,
    "missing:rgb": _missing(*(name for name in MODALITIES if name != "rgb")),
    "missing:xyz": _missing("rgb"),
}
