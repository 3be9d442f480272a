"""Raw times of methods, one group for each device, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.report.groups import Group, MethodRecords
from harness.store.details import read_details
from harness.store.quantities import UNKNOWN_DEVICE
from harness.store.store import Store

__all__ = ["WINDOWS", "LatencyData", "LatencyRow", "Window", "measured_latencies", "order_statistic"]

Window = Literal["device", "end_to_end"]

WINDOWS: dict[Window, str] = {"device": "Inference alone (ms)", "end_to_end": "End to end (ms)"}
"""The windows of latency that have raw times at batch 1, as axes are labelled."""


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """A method's times on one device.

    Parameters
    ----------
    label
        The method, with the number of its categories where some lack.
    device
        Key of the hardware.
    times
        Milliseconds of every call over all categories, sorted, by window.
    """

    label: str
    device: str
    times: dict[Window, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class LatencyData:
    """The figure as data.

    Parameters
    ----------
    title
        What holds for all rows.
    rows
        By device, then by the median of inference.
    notes
        What was left out and why.
    """

    title: str
    rows: tuple[LatencyRow, ...]
    notes: tuple[str, ...] = ()


def measured_latencies(group: Group, store: Store) -> LatencyData:
    """Return the raw times of a group's methods; those of a busy machine are left out, with a note.

    Parameters
    ----------
    group
        Measured under one protocol.
    store
        Where raw times lie.
    """
    rows: list[LatencyRow] = []
    notes: list[str] = []
    for method in group.methods:
        rows += _rows(group, method, store, notes)
    rows.sort(key=lambda row: (row.device, order_statistic(row.times["device"], 0.5), row.label))
    return LatencyData(group.title, tuple(rows), tuple(notes))


def order_statistic(values: tuple[float, ...], part: float) -> float:
    """Return a quantile of sorted values, linear between neighbours."""
    place = part * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (place - below) * (values[above] - values[below])


def _rows(group: Group, method: MethodRecords, store: Store, notes: list[str]) -> list[LatencyRow]:
    wanted = group.categories
    by_device: dict[str, list[_RawTimes]] = {}
    for category in wanted:
        if category in method.ok:
            record = method.ok[category]
            raw = {} if record.environment.contended else read_details(store, record).raw_ms
            if reason := record.environment.busy_reason or _why_not(raw):
                notes.append(f"{method.label} on {category} is left out: {reason}.")
            else:
                by_device.setdefault(record.environment.hardware or UNKNOWN_DEVICE, []).append(raw)
    rows = []
    for device, times in by_device.items():
        label = method.label if len(times) == len(wanted) else f"{method.label} ({len(times)} of {len(wanted)})"
        rows.append(LatencyRow(label, device, {window: _sorted(times, window) for window in WINDOWS}))
    return rows


_RawTimes = Mapping[str, NDArray[np.float64]]


def _why_not(raw: _RawTimes) -> str:
    missing = [window for window in WINDOWS if window not in raw]
    return f"its record has no raw times of {' and '.join(missing)}" if missing else ""


def _sorted(raw: list[_RawTimes], window: Window) -> tuple[float, ...]:
    return tuple(sorted(float(time) for times in raw for time in times[window]))
