"""What the plots of the report know beyond the leaderboard: curves, raw times, means over random splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import DataError
from harness.report.curves import LIMITS, CurveKind, curve_of
from harness.report.figures.latency_data import LatencyRow, measured_latencies, order_statistic
from harness.report.html.columns import COLUMNS
from harness.report.html.sections import Line, Section
from harness.report.uncertainty import seed_interval
from harness.store.quantities import ACCURACY
from harness.store.store import Store

__all__ = ["QUANTILES", "curve_rates", "curves_of_line", "random_splits", "times_of_line"]

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Parts of the calls that are embedded: the ends, the whiskers, the box and the median."""

_KINDS: tuple[CurveKind, ...] = ("pro", "roc")
_DIGITS = 4


def curve_rates() -> NDArray[np.float64]:
    """Return the false positive rates of embedded curves: from 0 to 1, dense up to 1%, with 1% and 30%."""
    fine = np.concatenate([[1e-5, 2e-5, 5e-5, 1e-4], np.linspace(0, 0.01, 51)])
    return np.unique(np.concatenate([fine, np.linspace(0.01, 0.3, 59), np.linspace(0.3, 1, 29)]))


def curves_of_line(section: Section, line: Line, store: Store) -> tuple[dict[str, list[float]], str]:
    """Return the mean curves of a measured row over its categories, and why it has none.

    Parameters
    ----------
    section, line
        Of the leaderboard.
    store
        Where counts lie.

    Returns
    -------
    tuple
        By kind the values at :func:`curve_rates`, those of ``pro`` up to 30%; empty, with the reason, where counts of
        a category are missing or damaged.
    """
    if line.method is None or not line.method.ok:
        return {}, ""
    rates = curve_rates()
    found: dict[str, list[float]] = {}
    try:
        for kind in _KINDS:
            curve = curve_of(store, line.method, section.categories, kind)
            if curve is None:
                return {}, "not every category left counts"
            shown = rates if kind == "roc" else rates[rates <= LIMITS["aupro_30"]]
            # the first of two points at rate 0 is the origin, which every curve has
            values = np.interp(shown, curve.rates[1:], curve.values[1:])
            found[str(kind)] = [round(float(value), _DIGITS) for value in values]
    except DataError as error:
        return {}, str(error)
    return found, ""


def times_of_line(section: Section, line: Line, store: Store) -> tuple[list[dict[str, Any]], str]:
    """Return quantiles of the raw times of a measured row, one entry for each device, and what was left out and why.

    Parameters
    ----------
    section, line
        Of the leaderboard.
    store
        Where raw times lie.
    """
    if section.group is None or line.method is None:
        return [], ""
    data = measured_latencies(replace(section.group, methods=(line.method,)), store)
    more = len(data.notes) - 1
    left_out = data.notes[0] if data.notes else ""
    if more > 0:
        left_out += f" So {'are' if more > 1 else 'is'} {more} more of its records."
    return [_quantiles(row) for row in data.rows], left_out


def random_splits(sections: Sequence[Section], names: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Return means over random splits with their 95% intervals, for methods that have several of them.

    Parameters
    ----------
    sections
        Of the leaderboard.
    names
        Id of each row of each section.

    Returns
    -------
    list of dict
        ``lines``, the ids of the rows that a mean is taken of, and ``values``: by metric the mean and the ends of
        Student's t interval. Only rows of one protocol over the same categories are joined.
    """
    families: dict[tuple[object, ...], list[tuple[str, Line]]] = {}
    for section, ids in zip(sections, names, strict=True):
        if section.shots != "full" and section.split != "first":
            for name, line in zip(ids, section.lines, strict=True):
                if line.method is not None and line.method.ok:
                    protocol = line.method.cell.protocol.digest
                    key = (section.dataset, section.shots, protocol, line.label, tuple(line.method.ok))
                    families.setdefault(key, []).append((name, line))
    return [_joined(family) for family in families.values() if len(family) > 1]


def _joined(family: Sequence[tuple[str, Line]]) -> dict[str, Any]:
    values = {}
    for position, column in enumerate(COLUMNS[: len(ACCURACY)]):
        numbers = [line.values[position].number for _, line in family]
        known = [number for number in numbers if number is not None]
        if len(known) == len(numbers):
            found = seed_interval(known)
            values[column.id] = [round(number, _DIGITS) for number in (found.value, found.low, found.high)]
    return {"lines": [name for name, _ in family], "values": values}


def _quantiles(row: LatencyRow) -> dict[str, Any]:
    found: dict[str, Any] = {
        window: [round(order_statistic(times, part), 3) for part in QUANTILES] for window, times in row.times.items()
    }
    return found | {"machine": row.device, "calls": {name: len(times) for name, times in row.times.items()}}
