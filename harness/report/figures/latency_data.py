"""Raw times of methods, one group for each device, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.report.figures.data import FigureData
from harness.report.groups import Group, MethodRecords
from harness.report.pivot import CONTENDED
from harness.store.details import read_details
from harness.store.means import machine_of, why_no_times
from harness.store.store import Store

__all__ = ["QUANTILES", "WINDOWS", "LatencyRow", "Window", "measured_latencies", "method_latencies", "order_statistic"]

Window = Literal["device", "end_to_end"]

WINDOWS: dict[Window, str] = {"device": "Inference alone (ms)", "end_to_end": "End to end (ms)"}
"""The windows of latency that have raw times at batch 1, as axes are labelled."""

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Parts of the calls that a box shows: the ends, the whiskers, the box and the median."""


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

    def quantiles(self, window: Window) -> tuple[float, ...]:
        """Return the times at :data:`QUANTILES`."""
        return tuple(order_statistic(self.times[window], part) for part in QUANTILES)


def measured_latencies(group: Group, store: Store) -> FigureData[LatencyRow]:
    """Return the raw times of a group's methods, by device, then by the median of inference."""
    rows: list[LatencyRow] = []
    notes: list[str] = []
    for method in group.methods:
        measured, left_out = method_latencies(group, method, store)
        rows += measured
        notes += left_out
    rows.sort(key=lambda row: (row.device, order_statistic(row.times["device"], 0.5), row.label))
    return FigureData(group.title, tuple(rows), notes=tuple(notes))


def method_latencies(group: Group, method: MethodRecords, store: Store) -> tuple[list[LatencyRow], list[str]]:
    """Return a row for each device of a method, and a sentence for each record without times of an idle machine.

    Parameters
    ----------
    group, method
        What was measured.
    store
        Where raw times lie.
    """
    notes: list[str] = []
    times: dict[str, dict[Window, list[float]]] = {}
    counts: dict[str, int] = {}
    for category, record in method.among(group.categories).items():
        busy = record.environment.contended
        raw = {} if busy and not group.query.contended else read_details(store, record).raw_ms
        missing = [window for window in WINDOWS if window not in raw]
        if missing:
            lacking = f"its record has no raw times of {' and '.join(missing)}"
            notes.append(f"{method.label} on {category} is left out: {why_no_times({category: record}) or lacking}.")
            continue
        device = machine_of(record) + (f", {CONTENDED}" if busy else "")
        counts[device] = counts.get(device, 0) + 1
        for window in WINDOWS:
            times.setdefault(device, {}).setdefault(window, []).extend(map(float, raw[window]))
    whole = len(group.categories)
    return [
        LatencyRow(
            method.label if counts[device] == whole else f"{method.label} ({counts[device]} of {whole})",
            device,
            {window: tuple(sorted(calls)) for window, calls in of_device.items()},
        )
        for device, of_device in times.items()
    ], notes


def order_statistic(values: tuple[float, ...], part: float) -> float:
    """Return a quantile of sorted values, linear between neighbours."""
    place = part * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (place - below) * (values[above] - values[below])
