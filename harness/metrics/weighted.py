"""Metrics from counts at thresholds, for many weightings of the images at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics.pro import OFFICIAL_THRESHOLDS

__all__ = ["mean_below", "official_points", "weighted_auroc"]

Rows = NDArray[np.float64]


def weighted_auroc(weights: Rows, labels: NDArray[np.bool_], scores: NDArray[Any]) -> NDArray[np.float64]:
    """Return I-AUROC for each row of weights, exact under ties; NaN where a class has no weight.

    Parameters
    ----------
    weights : (r, n) float64
        How often each image counts.
    labels : (n,) bool
        True for anomalous images.
    scores : (n,) real
        Higher is more anomalous.
    """
    order = np.argsort(scores)
    ranked = scores[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])[: ranked.size])
    positive = np.add.reduceat(weights[:, order] * labels[order], starts, axis=1)
    negative = np.add.reduceat(weights[:, order] * ~labels[order], starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    with np.errstate(invalid="ignore"):
        area: NDArray[np.float64] = (positive * below).sum(1) / (positive.sum(1) * negative.sum(1))
    return area


def mean_below(x: Rows, y: Rows, limit: float) -> NDArray[np.float64]:
    """Return the mean over [0, limit] of each piecewise linear curve, at most 1.

    Parameters
    ----------
    x, y : (r, t) float64
        Points in the order of x, the first at x = 0; points of the same x are a step.
    limit
        Upper end of the range of x.
    """
    width = np.diff(x, axis=1)
    taken = np.clip(limit - x[:, :-1], 0, width)
    slope = np.diff(y, axis=1) / np.where(width > 0, width, 1)
    area = (taken * (y[:, :-1] + slope * taken / 2)).sum(axis=1)
    mean: NDArray[np.float64] = np.minimum(area / limit, 1.0)
    return mean


def official_points(false_positives: Rows, overlap: Rows, single: NDArray[np.bool_]) -> tuple[Rows, Rows]:
    """Return the points of the curve that papers integrate (see :func:`harness.metrics.pro.aupro_official`).

    Between two thresholds the overlap is taken from the line between their points, unless all pixels there have the
    same score: then it is that of the higher threshold.

    Parameters
    ----------
    false_positives : (r, t) float64
        Normal pixels at or above each threshold; the first is 0, the last their total.
    overlap : (r, t) float64
        PRO there.
    single : (t,) bool
        True where only a single score lies between the preceding threshold and this one.

    Returns
    -------
    false_positive_rate, overlap : (r, 100) float64
    """
    total = false_positives[:, -1:]
    ranks = np.floor(np.linspace(0, np.maximum(total[:, 0] - 1, 0), OFFICIAL_THRESHOLDS, axis=1))[:, ::-1]
    allowed = np.maximum(total - 1 - ranks, 0)
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
    apart = 2 * (rows[:, -1].max() + 1) * np.arange(len(rows))[:, np.newaxis]
    places = np.searchsorted((rows + apart).ravel(), (keys + apart).ravel(), side="right").reshape(keys.shape)
    last: NDArray[np.int64] = places - 1 - rows.shape[1] * np.arange(len(rows))[:, np.newaxis]
    return last
