"""Thresholds at chosen false positive rates, and how many pixels of each image reach them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics.normal_pixels import NormalPixels
from harness.metrics.pro import OFFICIAL_THRESHOLDS

__all__ = [
    "MOST_DISTINCT",
    "PartCounts",
    "ThresholdCounts",
    "choose_thresholds",
    "count_pixels",
    "counts_at",
    "narrow",
]

MOST_DISTINCT = 1024
"""Up to so many distinct scores, each is a threshold, and the counts are exact."""

_SMALLEST_POOL = 400_000
_MOST_PIXELS = 2**40
_TOP_IMAGES = 16
_EXACT_UP_TO = 3.2
_OFFICIAL_STEP = 1 / (OFFICIAL_THRESHOLDS - 1)


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdCounts:
    """How many pixels score at or above each of some thresholds.

    Parameters
    ----------
    thresholds : (t,) float64
        Descending; the last one is the lowest score of all.
    normal : (n, t) int64
        Normal pixels of each image at or above each threshold.
    anomalous : (k, t) int64
        Anomalous pixels at or above each threshold, of each region or of each image.
    single : (t,) bool
        True where all pixels below the preceding threshold that reach this one have one score.
    """

    thresholds: NDArray[np.float64]
    normal: NDArray[np.int64]
    anomalous: NDArray[np.int64]
    single: NDArray[np.bool_]

    def packed(self, name: str) -> dict[str, NDArray[Any]]:
        """Return small arrays by names that begin with ``name``, for a file."""
        return {
            f"{name}_thresholds": self.thresholds,
            f"{name}_normal": narrow(np.diff(self.normal, axis=1, prepend=0)),
            f"{name}_found": narrow(np.diff(self.anomalous, axis=1, prepend=0)),
            f"{name}_single": self.single,
        }

    @classmethod
    def unpack(cls, name: str, arrays: Mapping[str, NDArray[Any]], images: int, rows: int) -> ThresholdCounts:
        """Undo :meth:`packed`, with so many rows of anomalous pixels; raise ValueError or KeyError for other arrays."""
        thresholds, single = arrays[f"{name}_thresholds"], arrays[f"{name}_single"]
        if thresholds.ndim != 1 or single.shape != thresholds.shape or not thresholds.size:
            raise ValueError(f"{name}_thresholds has shape {thresholds.shape}")
        if thresholds.dtype.kind != "f" or single.dtype != bool or not (np.diff(thresholds) <= 0).all():
            raise ValueError(f"{name}_thresholds do not descend")
        normal, anomalous = (
            _unpacked_counts(f"{name}_{kind}", arrays, (length, thresholds.size))
            for kind, length in (("normal", images), ("found", rows))
        )
        return cls(thresholds.astype(np.float64), normal, anomalous, single.astype(bool))


@dataclass(frozen=True, slots=True, eq=False)
class PartCounts:
    """Pixels of the parts of images with several defects, each region of each defect a row.

    Parameters
    ----------
    image : (k,) int64
        The image of each row.
    defect : (k,) str
        Name of the defect that it is of.
    found : (k, t) int64
        Pixels at or above the thresholds of the whole test set's counts.
    """

    image: NDArray[np.int64]
    defect: tuple[str, ...]
    found: NDArray[np.int64]

    @classmethod
    def none(cls, thresholds: int) -> PartCounts:
        """Return counts without a row at so many thresholds."""
        return cls(np.zeros(0, dtype=np.int64), (), np.zeros((0, thresholds), dtype=np.int64))

    def of(self, defect: str) -> NDArray[np.bool_]:
        """Return which rows are of a defect, (k,)."""
        return np.array([name == defect for name in self.defect], dtype=np.bool_)

    def packed(self, name: str) -> dict[str, NDArray[Any]]:
        """Return small arrays by names that begin with ``name``, for a file; none where there is no row."""
        if not self.image.size:
            return {}
        return {
            f"{name}_image": narrow(self.image),
            f"{name}_defect": np.array(self.defect, dtype=np.str_),
            f"{name}_found": narrow(np.diff(self.found, axis=1, prepend=0)),
        }

    @classmethod
    def unpack(cls, name: str, arrays: Mapping[str, NDArray[Any]], images: int, thresholds: int) -> PartCounts:
        """Undo :meth:`packed`; raise ValueError or KeyError for other arrays."""
        if f"{name}_image" not in arrays:
            return cls.none(thresholds)
        image, defect = arrays[f"{name}_image"], arrays[f"{name}_defect"]
        if image.dtype.kind != "u" or image.ndim != 1 or (image >= images).any():
            raise ValueError(f"{name} are of an image that is not there")
        if defect.dtype.kind != "U" or defect.shape != image.shape:
            raise ValueError(f"{name} have not one defect each")
        anomalous = _unpacked_counts(f"{name}_found", arrays, (image.size, thresholds))
        if not anomalous[:, -1].all():
            raise ValueError(f"{name} have no pixel")
        return cls(image.astype(np.int64), tuple(defect.tolist()), anomalous)


def _unpacked_counts(name: str, arrays: Mapping[str, NDArray[Any]], shape: tuple[int, int]) -> NDArray[np.int64]:
    """Return counts at or above thresholds from those between them; raise ValueError or KeyError for other arrays."""
    packed = arrays[name]
    if packed.shape != shape or packed.dtype.kind != "u":
        raise ValueError(f"{name} holds {packed.dtype} of shape {packed.shape}")
    if packed.max(initial=0) > _MOST_PIXELS:
        raise ValueError(f"{name} holds more pixels than an image can have")
    counts: NDArray[np.int64] = np.cumsum(packed, axis=1, dtype=np.int64)
    return counts


def narrow(counts: NDArray[np.int64]) -> NDArray[Any]:
    """Return counts in the smallest unsigned dtype that holds them."""
    return counts.astype(np.min_scalar_type(int(counts.max(initial=0))))


def count_pixels(normal: NormalPixels, anomalous: Sequence[NDArray[Any]]) -> ThresholdCounts:
    """Choose thresholds and count the pixels at or above each.

    Parameters
    ----------
    normal
        Scores of the normal pixels of each image.
    anomalous : k arrays of (q,)
        Scores of the anomalous pixels of each region or image, ascending, of the same dtype; may be empty.
    """
    thresholds = choose_thresholds(normal, anomalous)
    if not thresholds.size:
        thresholds = np.zeros(1, dtype=thresholds.dtype)
    (of_normal, above), (of_anomalous, more) = (counts_at(arrays, thresholds) for arrays in (normal, anomalous))
    reached = of_normal.sum(axis=0) + of_anomalous.sum(axis=0)
    single = above + more == np.append(0, reached[:-1])
    return ThresholdCounts(thresholds.astype(np.float64), of_normal, of_anomalous, single)


def choose_thresholds(normal: NormalPixels, anomalous: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return thresholds, descending: all distinct scores where they are few, else those at chosen false positive rates.

    They are dense at the low rates of AUPRO@1%, and include what the 99 thresholds of papers need: their rates up to
    100%, and the lowest anomalous score above all normal pixels, also with the highest images left out. Every second
    threshold lies just above a normal score instead of at it, so before and after a rise of the curve in turn, which
    makes errors cancel.

    Parameters
    ----------
    normal, anomalous
        As for :func:`count_pixels`.
    """
    distinct = _few_distinct(chain(normal, anomalous), normal.dtype)
    if distinct is not None:
        return distinct[::-1]
    pixels = np.sort(np.concatenate([np.empty(0, normal.dtype), *anomalous]))
    if not normal.total:
        return pixels[:1]
    ranks = (_wanted_ranks(normal.total), _official_ranks(normal.total))
    scores, lowest, highest = _scores_at(normal, np.concatenate(ranks))
    reached, official = np.split(scores, [ranks[0].size])
    at_rates, repeated = np.unique(reached, return_counts=True)
    exceeded = np.concatenate([np.sort(highest)[-_TOP_IMAGES:], official, at_rates[repeated > 1], at_rates[::2]])
    most = np.append(highest, pixels[-1:]).max()
    next_higher = _next_higher(chain(normal, [pixels]), exceeded[exceeded < most], most)
    least = np.append(lowest, pixels[:1]).min(keepdims=True)
    return np.unique(np.concatenate([least, at_rates[repeated > 1], at_rates[1::2], official, next_higher]))[::-1]


def _few_distinct(arrays: Iterable[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """Return the distinct scores of sorted arrays ascending, None where there are too many."""
    distinct = np.empty(0, dtype)
    for scores in arrays:
        new = scores[np.append(True, scores[1:] != scores[:-1])[: scores.size]]
        if new.size > MOST_DISTINCT:
            return None
        distinct = np.union1d(distinct, new)
        if distinct.size > MOST_DISTINCT:
            return None
    return distinct


def _wanted_ranks(total: int) -> NDArray[np.int64]:
    """Return how many of ``total`` normal pixels should reach each threshold, ascending."""
    steps = [
        np.geomspace(min(98 / total, 0.01), 0.01, 16),
        np.arange(1, 100) / 100,
        np.arange(30, 90) / 30,
        np.arange(12, 4 * 31) / 4,
        np.arange(31, OFFICIAL_THRESHOLDS),
    ]
    ranks = np.rint(np.concatenate(steps) * _OFFICIAL_STEP * total)
    return np.unique(np.clip(ranks, 1, total).astype(np.int64))


def _official_ranks(total: int) -> NDArray[np.int64]:
    """Return the places, from the top, of the normal pixels whose scores papers take as thresholds, up to 31%."""
    positions = np.linspace(0, total - 1, OFFICIAL_THRESHOLDS, dtype=np.int64)
    return np.unique(total - positions[-32:])


def _scores_at(normal: NormalPixels, ranks: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the scores that so many normal pixels reach, and the lowest and highest of each image that has one.

    They are exact up to 3%, then from a part of each image.
    """
    step = max(1, normal.total // _SMALLEST_POOL)
    parts = [np.append(scores[step // 2 :: step], scores[[0, -1]]) for scores in normal if scores.size]
    lowest, highest = (np.array([part[place] for part in parts]) for place in (-2, -1))
    pool = np.sort(np.concatenate([part[:-2] for part in parts]))
    cut = pool[-min(pool.size, 1 + int(pool.size * _EXACT_UP_TO * _OFFICIAL_STEP))]
    tails = [scores[np.searchsorted(scores, cut, side="right") :].copy() for scores in normal]
    tail = np.sort(np.concatenate(tails))
    exact = ranks <= tail.size
    of_pool = np.clip(np.rint((1 - ranks / normal.total) * pool.size).astype(np.int64), 0, pool.size - 1)
    found = pool[of_pool]
    found[exact] = tail[tail.size - ranks[exact]]
    return found, lowest, highest


def counts_at(arrays: Iterable[NDArray[Any]], thresholds: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count scores of some ascending arrays.

    Returns
    -------
    reached : (k, t) int64
        How many of each array are at or above each threshold.
    above : (t,) int64
        How many of all arrays are above each threshold.
    """
    reached, above = [], np.zeros(thresholds.size, dtype=np.int64)
    for scores in arrays:
        reached.append(scores.size - np.searchsorted(scores, thresholds, side="left"))
        above += scores.size - np.searchsorted(scores, thresholds, side="right")
    return np.array(reached, dtype=np.int64).reshape(len(reached), thresholds.size), above


def _next_higher(arrays: Iterable[NDArray[Any]], scores: NDArray[Any], most: Any) -> NDArray[Any]:
    """Return the lowest score of ascending arrays above each of some scores, all below the highest one, ``most``."""
    following = np.full(scores.size, most, dtype=scores.dtype)
    for pixels in arrays:
        after = np.searchsorted(pixels, scores, side="right")
        if pixels.size:
            np.minimum(following, pixels.take(after, mode="clip"), out=following, where=after < pixels.size)
    return following
