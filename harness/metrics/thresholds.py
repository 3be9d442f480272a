"""Thresholds at chosen false positive rates, and how many pixels of each image reach them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def count_pixels(normal: Sequence[NDArray[Any]], anomalous: Sequence[NDArray[Any]]) -> ThresholdCounts:
    """Choose thresholds and count the pixels at or above each.

    Parameters
    ----------
    normal : n arrays of (p,)
        Scores of the normal pixels of each image, ascending; may be empty.
    anomalous : k arrays of (q,)
        Scores of the anomalous pixels of each region or image, ascending, of the same dtype; may be empty.
    """
    thresholds = choose_thresholds(normal, anomalous)
    if not thresholds.size:
        thresholds = np.zeros(1, dtype=thresholds.dtype)
    return ThresholdCounts(
        thresholds.astype(np.float64),
        counts_at(normal, thresholds),
        counts_at(anomalous, thresholds),
        _next_higher([*normal, *anomalous], thresholds) == np.append(_lowest_value(thresholds), thresholds[:-1]),
    )


def choose_thresholds(normal: Sequence[NDArray[Any]], anomalous: Sequence[NDArray[Any]]) -> NDArray[Any]:
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
    distinct = _few_distinct([*normal, *anomalous])
    if distinct is not None:
        return distinct[::-1]
    chosen = [min(scores[:1] for scores in (*normal, *anomalous) if scores.size)]
    pixels = np.sort(np.concatenate(anomalous)) if anomalous else chosen[0][:0]
    total = sum(scores.size for scores in normal)
    if total:
        at_rates, repeated = np.unique(_scores_at(normal, _wanted_ranks(total)), return_counts=True)
        maxima = np.sort([scores[-1] for scores in normal if scores.size])[-_TOP_IMAGES:]
        official = _scores_at(normal, _official_ranks(total))
        exceeded = np.concatenate([maxima, official, at_rates[repeated > 1], at_rates[::2]])
        next_higher = _next_higher([*normal, pixels], exceeded)
        chosen += [at_rates[repeated > 1], at_rates[1::2], official, next_higher[next_higher > exceeded]]
    return np.unique(np.concatenate(chosen))[::-1]


def _few_distinct(arrays: Sequence[NDArray[Any]]) -> NDArray[Any] | None:
    """Return the distinct scores of sorted arrays ascending, None where there are too many."""
    distinct = arrays[0][:0]
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


def _scores_at(normal: Sequence[NDArray[Any]], ranks: NDArray[np.int64]) -> NDArray[Any]:
    """Return the scores that so many normal pixels reach: exact up to 3%, then from a part of each image."""
    total = sum(scores.size for scores in normal)
    step = max(1, total // _SMALLEST_POOL)
    pool = np.sort(np.concatenate([scores[step // 2 :: step] for scores in normal]))
    cut = pool[-min(pool.size, 1 + int(pool.size * _EXACT_UP_TO * _OFFICIAL_STEP))]
    tail = np.sort(np.concatenate([scores[np.searchsorted(scores, cut, side="right") :] for scores in normal]))
    exact = ranks <= tail.size
    of_pool = np.clip(np.rint((1 - ranks[~exact] / total) * pool.size).astype(np.int64), 0, pool.size - 1)
    return np.concatenate([tail[tail.size - ranks[exact]], pool[of_pool]])


def counts_at(arrays: Sequence[NDArray[Any]], thresholds: NDArray[Any]) -> NDArray[np.int64]:
    """Return how many scores of each ascending array are at or above each threshold, (k, t)."""
    counts = [scores.size - np.searchsorted(scores, thresholds, side="left") for scores in arrays]
    return np.array(counts, dtype=np.int64).reshape(len(arrays), thresholds.size)


def _next_higher(arrays: Sequence[NDArray[Any]], thresholds: NDArray[Any]) -> NDArray[Any]:
    """Return the lowest score above each threshold, and the lowest value of the dtype where there is none."""
    lowest = _lowest_value(thresholds)
    following = np.full(thresholds.size, lowest, dtype=thresholds.dtype)
    for scores in arrays:
        after = np.searchsorted(scores, thresholds, side="right")
        inside = after < scores.size
        candidate = np.full(thresholds.size, lowest, dtype=thresholds.dtype)
        candidate[inside] = scores[after[inside]]
        unset = following == lowest
        following = np.where(unset | (inside & (candidate < following)), candidate, following)
    return following


def _lowest_value(thresholds: NDArray[Any]) -> Any:
    """Return the lowest value of a dtype, which stands for "no score"."""
    info = np.iinfo(thresholds.dtype) if thresholds.dtype.kind in "ui" else np.finfo(thresholds.dtype)
    return info.min
