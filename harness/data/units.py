"""Whether coordinates can be metres: the sizes of what cameras look at tell wrong units apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from harness.contract import Sample
from harness.dataset_contract import Dataset, NamesClouds, SampleRef
from harness.errors import DataError
from harness.geometry import valid_points

__all__ = ["Scale", "cluster_doubts", "decode_in_metres", "length", "require_metres", "scale_of"]

_STEP = (1e-6, 10e-3)
"""Metres between neighbouring pixels, of a microscope and of a camera that sees a whole room."""

_DIAGONAL = (1e-3, 10.0)
"""Metres from corner to corner of what is seen."""

_FARTHEST = 10.0
"""Metres from the sensor, in any direction: farther away than any part that is inspected."""

_POINTS_LOOKED_AT = 20_000
_STRAY = 1
"""Per cent of points at either end that decide nothing."""

_FEWEST_STEPS = 5
_LARGEST_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of a cloud; NaN where it has too few points to tell.

    Parameters
    ----------
    step
        Median distance of neighbouring pixels that have a point, another one each, metres.
    diagonal
        Of the box around the points, stray ones left out, metres.
    farthest
        Largest coordinate of any axis, stray ones left out, metres.
    """

    step: float
    diagonal: float
    farthest: float

    @property
    def plausible(self) -> bool:
        """False where metres are out of the question."""
        ranges = ((self.step, _STEP), (self.diagonal, _DIAGONAL), (self.farthest, (0, _FARTHEST)))
        return not any(value < low or value > high for value, (low, high) in ranges)


def scale_of(xyz: NDArray[np.floating], valid: NDArray[np.bool_] | None = None) -> Scale:
    """Return the sizes of a cloud (H, W, 3), from evenly spread rows where it is large.

    Parameters
    ----------
    xyz
        Points.
    valid : (H, W) bool
        Where there is one; where no coordinate is zero if None.
    """
    every = max(1, xyz.shape[0] * xyz.shape[1] // _POINTS_LOOKED_AT)
    there = valid_points(xyz) if valid is None else valid
    rows, seen = xyz[::every].astype(np.float64), there[::every]
    below, also = xyz[1::every].astype(np.float64), there[1::every]
    with np.errstate(invalid="ignore", over="ignore"):  # what is not there may be anything
        pairs = (
            (rows[:, 1:] - rows[:, :-1])[seen[:, 1:] & seen[:, :-1]],
            (below - rows[: len(below)])[also & seen[: len(below)]],
        )
    steps = np.linalg.norm(np.concatenate(pairs), axis=1)
    steps = steps[steps > 0]  # a point that stands at several pixels comes from a smaller grid
    points = rows[seen] if seen.any() else xyz[there].astype(np.float64)
    if not len(points):
        return Scale(np.nan, np.nan, np.nan)
    low, high = np.percentile(points, (_STRAY, 100 - _STRAY), axis=0)
    return Scale(
        step=float(np.median(steps)) if len(steps) else np.nan,
        diagonal=float(np.linalg.norm(high - low)) or np.nan,  # one place tells no size
        farthest=float(max(-low.min(), high.max())),
    )


def require_metres(sample: Sample, where: object, hint: str) -> None:
    """Raise DataError with the figures where the cloud of a sample, as it was decoded, can't be in metres.

    Parameters
    ----------
    sample
        As it was decoded.
    where
        The file of the cloud, or the sample where there is none: the beginning of the error's sentence.
    hint
        What the user can do about it: the end of the sentence.
    """
    scale = scale_of(sample.xyz)
    if not scale.plausible:
        raise DataError(
            f"{where} can't be in metres: neighbouring pixels are {length(scale.step)} apart, all points span "
            f"{length(scale.diagonal)}, and the farthest is at {length(scale.farthest)}, where 1 um to 10 mm, 1 mm to "
            f"10 m and up to 10 m are usual. Is `unit` right? Metres are expected where no dataset.toml gives one: "
            f"divide millimetres by 1000, or {hint}."
        )


def decode_in_metres(dataset: Dataset, ref: SampleRef, hint: str) -> Sample:
    """Return a decoded sample of any reader; raise DataError as it does, and where it can't be in metres."""
    sample = dataset.decode(ref)
    if "xyz" in dataset.modalities(ref.category):
        names = hasattr(dataset, "cloud_of")
        named = cast(NamesClouds, dataset).cloud_of(ref) if names else (f"Sample {ref.category}/{ref.id}", hint)
        require_metres(sample, *named)
    return sample


def cluster_doubts(cleaned: NDArray[np.floating], distance: float) -> dict[str, str]:
    """Return what is doubtful about a distance of clusters for the object (H, W, 3) that cleaning leaves, else nothing.

    Parameters
    ----------
    cleaned
        Points that are left.
    distance
        Within which points belong to one cluster, metres.
    """
    scale = scale_of(cleaned)
    detail = f"{length(distance)}, with {length(scale.step)} per pixel and an object of {length(scale.diagonal)}"
    if distance < _FEWEST_STEPS * scale.step:
        return {"are cleaned with a distance of clusters under 5 pixels, so that objects may fall apart": detail}
    if distance > _LARGEST_SHARE * scale.diagonal:
        return {"are cleaned with a distance of clusters over a fifth of the object, which joins what is near": detail}
    return {}


def length(metres: float) -> str:
    """Return a length in words: ``0.12 mm``."""
    if np.isnan(metres):
        return "an unknown length"
    size = abs(metres)
    scale, unit = (1, "m") if not size < 1 else (1e3, "mm") if size >= 1e-3 else (1e6, "um")
    return f"{metres * scale:.3g} {unit}"
