"""PRO and ROC curves of pixels, means over categories, as data: from the counts that lie beside the records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.report.figures.data import FigureData
from harness.report.groups import Group, MethodRecords
from harness.store.details import read_counts
from harness.store.record import Record
from harness.store.store import Store

__all__ = ["LIMITS", "CurveKind", "MeanCurve", "mean_curve", "measured_curves", "rate_grid"]

CurveKind = Literal["pro", "roc"]
"""Overlap with the anomalous regions, or true positive rate of pixels, against the false positive rate of pixels."""

LIMITS = {"aupro_30": 0.3, "aupro_1": 0.01}
"""False positive rates up to which the PRO curve is integrated."""

_FINE, _COARSE = 200, 500


@dataclass(frozen=True, slots=True, eq=False)
class MeanCurve:
    """A method's curve, the mean over categories at common false positive rates.

    Parameters
    ----------
    label
        The method, with the number of its categories where some lack.
    rates : (g,) float64
        False positive rates from 0 to 1, ascending, with 1% and 30%; 0 comes twice, first with the value 0.
    values : (g,) float64
        PRO or true positive rate, from 0 to 1, never falling.
    """

    label: str
    rates: NDArray[np.float64]
    values: NDArray[np.float64]

    def up_to(self, limit: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the points of the curve with a false positive rate up to a limit, which is one of them."""
        inside = self.rates < limit
        end = np.interp(limit, self.rates, self.values)
        return np.append(self.rates[inside], limit), np.append(self.values[inside], end)

    def at(self, rates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values at some false positive rates; at 0 the higher one."""
        values: NDArray[np.float64] = np.interp(rates, self.rates[1:], self.values[1:])
        return values


def measured_curves(group: Group, store: Store, kind: CurveKind) -> FigureData[MeanCurve]:
    """Return the mean curves of a group's methods; records without a curve are left out, with a note."""
    curves: list[MeanCurve] = []
    without: list[str] = []
    undefined: list[str] = []
    for method in group.methods:
        curve, lacking = mean_curve(group, method, store, kind)
        curves += [curve] if curve is not None else []
        reasons = {name: method.ok[name].undefined.get("p_auroc", "") for name in lacking}
        undefined += [f"{method.label} ({name}: {reason})" for name, reason in reasons.items() if reason]
        uncounted = [name for name, reason in reasons.items() if not reason]
        without += [f"{method.label} ({', '.join(uncounted)})"] if uncounted else []
    title = group.title
    if group.categories != group.all_categories:
        title += f"; categories {', '.join(group.categories)}"
    note = (
        f"No counts to draw a curve from: {', '.join(without)}; the same 'harness run' with --rerun METHOD makes them."
    )
    notes = ((note,) if without else ()) + ((f"No curve is defined: {', '.join(undefined)}.",) if undefined else ())
    return FigureData(title, tuple(curves), kind, notes)


def mean_curve(
    group: Group, method: MethodRecords, store: Store, kind: CurveKind
) -> tuple[MeanCurve | None, tuple[str, ...]]:
    """Return the mean curve of a method, and its measured categories that have no counts to draw one from.

    Parameters
    ----------
    group, method
        What was measured.
    store
        Where counts lie.
    kind
        ``pro`` or ``roc``.
    """
    measured = method.among(group.categories)
    curves = {category: _values(store, record, kind) for category, record in measured.items()}
    known = [values for values in curves.values() if values is not None]
    lacking = tuple(category for category, values in curves.items() if values is None)
    if not known:
        return None, lacking
    whole = len(group.categories)
    label = method.label if len(known) == whole else f"{method.label} ({len(known)} of {whole})"
    values = np.append(0.0, np.mean(known, axis=0))
    return MeanCurve(label, np.append(0.0, rate_grid()), values), lacking


def rate_grid() -> NDArray[np.float64]:
    """Return the false positive rates at which curves are averaged: dense up to 1%, with 0, 1%, 30% and 100%."""
    fine = np.concatenate([np.geomspace(1e-6, 1e-4, 40, endpoint=False), np.linspace(1e-4, 0.01, _FINE)])
    return np.unique(np.concatenate([[0.0], fine, np.linspace(0.01, 1, _COARSE), list(LIMITS.values())]))


def _values(store: Store, record: Record, kind: CurveKind) -> NDArray[np.float64] | None:
    """Return a record's curve at the rates of the grid, at a step the higher end; None without counts."""
    counts = read_counts(store, record)
    if counts is None:
        return None
    x, y = counts.pro_curve() if kind == "pro" else counts.roc_curve()
    if np.isnan(x).any() or np.isnan(y).any():
        return None
    last = np.append(x[1:] > x[:-1], True)
    values: NDArray[np.float64] = np.interp(rate_grid(), x[last], y[last])
    return values
