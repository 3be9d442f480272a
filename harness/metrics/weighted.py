"""Metrics from counts at thresholds, for many weightings of the images at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics.pro import OFFICIAL_THRESHOLDS

__all__ = ["areas_below", "lowest_points", "official_points", "pairs_in_order", "pixel_pairs", "weighted_auroc"]

Rows = NDArray[np.float64]

_FEW_PIXELS = 1000
"""So many normal pixels spread the thresholds of papers evenly: each lies within 1/1000 of its rate."""


def pairs_in_order(labels: NDArray[np.bool_], scores: NDArray[Any]) -> Rows:
    """Return which pairs of a nominal and an anomalous image are in order: 1, or 1/2 for equal scores, else 0.

    Parameters
    ----------
    labels : (n,) bool
        True for anomalous images.
    scores : (n,) real
        Higher is more anomalous.

    Returns
    -------
    (n, n) float64
        Zero but for nominal rows and anomalous columns.
    """
    higher = np.sign(scores[np.newaxis] - scores[:, np.newaxis])
    pairs: Rows = (higher + 1) / 2 * (~labels[:, np.newaxis] & labels)
    return pairs


def pixel_pairs(normal: NDArray[np.int64], anomalous: NDArray[np.int64]) -> Rows:
    """Return how many pairs of a normal pixel of one image and an anomalous pixel of another are in order, (n, n).

    Parameters
    ----------
    normal, anomalous : (n, t) int64
        Pixels of each image at or above thresholds, descending. Those between two thresholds count as equal.
    """
    above = np.diff(anomalous, axis=1, prepend=0)
    pairs: Rows = np.diff(normal, axis=1, prepend=0).astype(np.float64) @ (anomalous - above / 2).T
    return pairs


def weighted_auroc(
    weights: Rows, pairs: Rows, negatives: NDArray[np.float64], positives: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the area under the ROC curve for each row of weights; NaN where a class has no weight.

    Parameters
    ----------
    weights : (r, n) float64
        How often each image counts.
    pairs : (r, n) float64
        Weighted sums of pairs in order: ``weights`` times what :func:`pairs_in_order` or :func:`pixel_pairs` return.
    negatives, positives : (r,) float64
        Weighted sums of how many each image has.
    """
    with np.errstate(invalid="ignore"):
        area: NDArray[np.float64] = np.einsum("rn,rn->r", pairs, weights) / (negatives * positives)
    return area


def areas_below(x: Rows, y: Rows, limits: Rows) -> Rows:
    """Return the area from x = 0 to each of some limits below each piecewise linear curve.

    Parameters
    ----------
    x, y : (r, t) float64
        Points in the order of x, the first at x = 0, the last at or above every limit; points of the same x are a step.
    limits : (r, l) float64
        Upper ends of the range of x.

    Returns
    -------
    (l, r) float64
    """
    double = np.diff(x, axis=1) * (y[:, 1:] + y[:, :-1])
    np.cumsum(double, axis=1, out=double)
    at = _last_up_to(x, limits)
    after = np.minimum(at + 1, x.shape[1] - 1)
    begin, low = (np.take_along_axis(rows, at, axis=1) for rows in (x, y))
    width, rise = (np.take_along_axis(rows, after, axis=1) - first for rows, first in ((x, begin), (y, low)))
    taken = np.minimum(limits - begin, width)
    slope = rise / np.where(width > 0, width, 1)
    before = np.where(at > 0, np.take_along_axis(double, np.maximum(at - 1, 0), axis=1), 0.0) / 2
    areas: Rows = (before + taken * (low + slope * taken / 2)).T
    return areas


def lowest_points(false_positives: NDArray[np.int64], weights: Rows, limit: float) -> int:
    """Return how many thresholds hold every point that the curves up to a false positive rate need.

    Parameters
    ----------
    false_positives : (n, t) int64
        Normal pixels of each image at or above thresholds, descending.
    weights : (r, n) float64
        How often each image counts.
    limit
        Upper end of the range of false positive rates.
    """

    def reaching(column: int) -> NDArray[np.float64]:
        sums: NDArray[np.float64] = np.einsum("rn,n->r", weights, false_positives[:, column])  # wakes no thread
        return sums

    totals = reaching(-1)
    if not totals.size or totals.min() < _FEW_PIXELS:
        return int(false_positives.shape[1])
    first, last = 0, false_positives.shape[1] - 1
    while first < last:
        middle = (first + last) // 2
        reached = bool((reaching(middle) > limit * totals).all())
        first, last = (first, middle) if reached else (middle + 1, last)
    return first + 1


def official_points(
    false_positives: Rows, overlap: Rows, totals: NDArray[np.float64], single: NDArray[np.bool_]
) -> tuple[Rows, Rows]:
    """Return the points of the curve that papers integrate (see :func:`harness.metrics.pro.aupro_official`).

    Between two thresholds the overlap is taken from the line between their points, unless all pixels there have the
    same score: then it is that of the higher threshold.

    Parameters
    ----------
    false_positives : (r, t) float64
        Normal pixels at or above each threshold; the first is 0. The last is their total, or reaches all rates that
        are asked for.
    overlap : (r, t) float64
        PRO there, or its sum over regions.
    totals : (r,) float64
        Normal pixels in all.
    single : (t,) bool
        True where only a single score lies between the preceding threshold and this one.

    Returns
    -------
    false_positive_rate, overlap : (r, p) float64
        As far as the thresholds reach, then the end at a rate of 1, where the overlap is that of all pixels: 1 here.
    """
    total = totals[:, np.newaxis]
    ranks = np.floor(np.linspace(0, np.maximum(totals - 1, 0), OFFICIAL_THRESHOLDS, axis=1))[:, ::-1]
    allowed = np.maximum(total - 1 - ranks, 0)
    reached = max(1, int((allowed <= false_positives[:, -1:]).all(axis=0).sum()))
    allowed = allowed[:, :reached]
    at = _last_up_to(false_positives, allowed)
    after = np.minimum(at + 1, false_positives.shape[1] - 1)
    begin = np.take_along_axis(false_positives, at, axis=1)
    width = np.take_along_axis(false_positives, after, axis=1) - begin
    part = np.where((width > 0) & ~single[after], (allowed - begin) / np.where(width > 0, width, 1), 0.0)
    low = np.take_along_axis(overlap, at, axis=1)
    values = low + part * (np.take_along_axis(overlap, after, axis=1) - low)
    ones = np.ones_like(total)
    with np.errstate(invalid="ignore"):
        return np.hstack([allowed / total, ones]), np.hstack([values, ones])


def _last_up_to(rows: Rows, keys: Rows) -> NDArray[np.int64]:
    """Return for each key the last place in its ascending row with a value up to it: a single search for all rows."""
    apart = 2 * (max(rows[:, -1].max(), keys.max()) + 1) * np.arange(len(rows))[:, np.newaxis]
    places = np.searchsorted((rows + apart).ravel(), (keys + apart).ravel(), side="right").reshape(keys.shape)
    last: NDArray[np.int64] = places - 1 - rows.shape[1] * np.arange(len(rows))[:, np.newaxis]
    return last
