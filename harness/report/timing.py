"""Latency of measured methods, window by window: medians with their intervals, upper percentiles, number of calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.report.beside import group_grid, measured_value, note
from harness.report.costs import busy_reason, machines_of, measured_records
from harness.report.grid import Column, Grid, Row, Value, missing
from harness.report.measured import MeasuredGroup, MeasuredMethod, mean_of
from harness.report.names import MetricName
from harness.store.published import MEAN
from harness.store.record import LatencyWindow, Record

__all__ = ["WINDOWS", "timing_grid"]

WINDOWS: dict[str, str] = {
    "decode": "decode",
    "clean": "clean",
    "device": "device",
    "device_events": "device (CUDA events)",
    "end_to_end": "end to end",
}
"""Windows of a record's latency, in the order of the work, and how tables call them."""

_HEADINGS = {
    "median_ms": "median\nms",
    "low_ms": "95% from\nms",
    "high_ms": "95% to\nms",
    "p95_ms": "p95\nms",
    "p99_ms": "p99\nms",
}
_BEST = ("median_ms", "p95_ms", "p99_ms")
_SHARED = ("decode", "clean")
_WHY = {
    "low_ms": "too few calls for an interval of the median",
    "high_ms": "too few calls for an interval of the median",
    "p95_ms": "fewer than 59 calls",
    "p99_ms": "fewer than 299 calls",
}
_CAPTION = (
    "batch 1; decode: reading the files, clean: removing the background, device: infer only, end to end: prepare and "
    "infer; interval: order statistics of one category's calls, over several the means of its ends, which is wider "
    "than an interval of the mean"
)


def timing_grid(group: MeasuredGroup) -> Grid:
    """Return the latency of every window of a group's methods, means over categories.

    Medians and percentiles of one window compete where all were measured on one machine, but for decoding and
    cleaning, which are the same work for every method. Times of a busy machine are
    left out, and those of several machines have no mean.

    Parameters
    ----------
    group
        Measured under one protocol.
    """
    names = {key: MetricName(key, heading, 1, lowest=True, of_machine=True) for key, heading in _HEADINGS.items()}
    columns = [Column(name.heading, {"metric": key}, lowest=True) for key, name in names.items()]
    columns.append(Column("calls", {"metric": "calls"}))
    alike = len(machines_of(group.methods)) <= 1
    windows = _measured_windows(group)
    rows = []
    for method in group.methods:
        covered = [category for category in group.categories if category in method.ok]
        reason = _why_none(method, covered)
        for position, window in enumerate(windows):
            competes = alike and window not in _SHARED
            values = [
                missing(reason) if reason else _time(method, covered, window, name, ranked=competes and key in _BEST)
                for key, name in names.items()
            ]
            values.append(_calls(method, window))
            rows.append(_row(group, method, window, values, first=position == 0))
    caption = "; ".join((_CAPTION, *(f"{WINDOWS[name]}: {why}" for name, why in _absent(group, windows).items())))
    return group_grid(group, "timing", "Timing", columns, rows, caption=caption, second="window")


def _measured_windows(group: MeasuredGroup) -> list[str]:
    """Return the windows that some record has a time of."""
    records = [record for method in group.methods for record in method.ok.values()]
    return [name for name in WINDOWS if any(_window(record, name).median_ms is not None for record in records)]


def _absent(group: MeasuredGroup, windows: Sequence[str]) -> dict[str, str]:
    """Return the other windows, and why they have no times."""
    records = [record for method in group.methods for record in method.ok.values()]
    return {
        name: " or ".join(dict.fromkeys(_why(name, "median_ms")(record) for record in records))
        for name in WINDOWS
        if name not in windows
    }


def _row(group: MeasuredGroup, method: MeasuredMethod, window: str, values: list[Value], *, first: bool) -> Row:
    covered = tuple(category for category in group.categories if category in method.ok)
    count = "" if covered == group.categories else f" ({len(covered)} of {len(group.categories)})"
    machines = machines_of([method])
    told = [note(group, method), f"measured on {', '.join(machines)}" if machines else ""]
    label = Value(method.label + count, note="; ".join(filter(None, told))) if first else Value("")
    keys = {
        "method": method.label,
        "source": "measured",
        "category": MEAN if covered == group.categories else "+".join(covered),
        "window": window,
    }
    return Row((label, Value(WINDOWS[window])), tuple(values), keys, first, f"{window} {'+'.join(covered)}")


def _why_none(method: MeasuredMethod, covered: Sequence[str]) -> str:
    """Return why a method has no times at all; empty where it may have."""
    machines = machines_of([method])
    if len(machines) > 1:
        return f"measured on several devices: {', '.join(machines)}"
    return busy_reason(method, covered)


def _time(method: MeasuredMethod, covered: Sequence[str], window: str, name: MetricName, *, ranked: bool) -> Value:
    mean = mean_of(method, covered, _pick(window, name.id), _why(window, name.id))
    return replace(measured_value(mean, name), ranked=ranked)


def _calls(method: MeasuredMethod, window: str) -> Value:
    counts = [_window(record, window).calls for record in measured_records(method, tuple(method.ok))]
    known = [int(count) for count in counts if count is not None]
    return Value(str(sum(known)), float(sum(known)), ranked=False) if known else Value("")


def _window(record: Record, window: str) -> LatencyWindow:
    return getattr(record.latency, window) or LatencyWindow()


def _pick(window: str, key: str) -> Callable[[Record], float | None]:
    def pick(record: Record) -> float | None:
        found = getattr(_window(record, window), key)
        return None if found is None else float(found)

    return pick


def _why(window: str, key: str) -> Callable[[Record], str]:
    def why(record: Record) -> str:
        found = _window(record, window)
        if found.median_ms is None:
            return found.reason or "not measured"
        return _WHY.get(key, "")

    return why
