"""PRO and ROC curves of measured methods as plain arrays, means over categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.report.groups import MethodRecords
from harness.store.details import read_counts
from harness.store.record import Record
from harness.store.store import Store

__all__ = ["LIMITS", "Curve", "CurveKind", "curve_of", "mean_curve", "rate_grid"]

CurveKind = Literal["pro", "roc"]
"""Overlap with the anomalous regions, or true positive rate of pixels, against the false positive rate of pixels."""

LIMITS = {"aupro_30": 0.3, "aupro_1": 0.01}
"""False positive rates up to which the PRO curve is integrated."""

_FINE, _COARSE = 200, 500


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A curve, or a mean of curves at common false positive rates.

    Parameters
    ----------
    kind
        What ``values`` are.
    rates : (g,) float64
        False positive rates from 0 to 1, ascending, with 1% and 30%; 0 comes twice, first with the value 0.
    values : (g,) float64
        PRO or true positive rate, from 0 to 1, never falling.
    categories
        What it is a mean over.
    """

    kind: CurveKind
    rates: NDArray[np.float64]
    values: NDArray[np.float64]
    categories: tuple[str, ...]

    def up_to(self, limit: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the points of the curve with a false positive rate up to a limit, which is one of them."""
        inside = self.rates < limit
        end = np.interp(limit, self.rates, self.values)
        return np.append(self.rates[inside], limit), np.append(self.values[inside], end)


def rate_grid() -> NDArray[np.float64]:
    """Return the false positive rates at which curves are averaged: dense up to 1%, with 0, 1%, 30% and 100%."""
    fine = np.concatenate([np.geomspace(1e-6, 1e-4, 40, endpoint=False), np.linspace(1e-4, 0.01, _FINE)])
    return np.unique(np.concatenate([[0.0], fine, np.linspace(0.01, 1, _COARSE), list(LIMITS.values())]))


def curve_of(store: Store, method: MethodRecords, categories: Sequence[str], kind: CurveKind) -> Curve | None:
    """Return the mean curve of a method over those of some categories that it has numbers of.

    Parameters
    ----------
    store
        Where its counts lie.
    method
        Its records.
    categories
        Where to look; those without an ok record are left out, as in a mean of numbers.
    kind
        ``pro`` or ``roc``.

    Returns
    -------
    Curve or None
        None where no category is measured, one of them has no counts, or a curve is undefined.

    Raises
    ------
    DataError
        Where a file of counts is damaged.
    """
    return mean_curve(store, {name: method.ok[name] for name in categories if name in method.ok}, kind)


def mean_curve(store: Store, records: dict[str, Record], kind: CurveKind) -> Curve | None:
    """Return the mean curve of ok records by category, as :func:`curve_of` does; one record gives its own curve."""
    rates, values = rate_grid(), []
    for record in records.values():
        counts = read_counts(store, record)
        if counts is None:
            return None
        x, y = counts.pro_curve() if kind == "pro" else counts.roc_curve()
        if np.isnan(x).any() or np.isnan(y).any():
            return None
        values.append(_at_rates(x, y, rates))
    if not values:
        return None
    mean = np.mean(values, axis=0)
    return Curve(kind, np.append(0.0, rates), np.append(0.0, mean), tuple(records))


def _at_rates(x: NDArray[np.float64], y: NDArray[np.float64], rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a curve of ascending points at some rates: at a step the higher end."""
    last = np.append(x[1:] > x[:-1], True)
    found: NDArray[np.float64] = np.interp(rates, x[last], y[last])
    return found
