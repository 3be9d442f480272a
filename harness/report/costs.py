"""Speed and memory of measured methods beside published ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from textwrap import shorten

from harness.report.beside import Reference, group_grid, measured_value, method_rows
from harness.report.grid import Column, Grid, Row, Value, missing
from harness.report.measured import Mean, MeasuredGroup, MeasuredMethod, mean_of
from harness.report.names import MetricName, metric_name
from harness.store.published import Published
from harness.store.quantities import quantity
from harness.store.record import Record

__all__ = ["busy_reason", "cost_grid", "cost_value", "machines_of", "measured_records"]

_REASONS = 200
"""Characters that a footnote quotes of what kept machines busy."""

_TIMES = ("infer_ms", "end_to_end_ms", "fps")
_PEAK = MetricName("peak_inference_mb", "peak MB\n(inference)", 1, lowest=True, of_machine=True)
_METRICS = (*map(metric_name, (*_TIMES, "memory_mb")), _PEAK)
_CAPTION = "median latency at batch 1; device: infer only, end to end: prepare and infer; memory: parameters and bank"


def cost_grid(group: MeasuredGroup, published: Published | None) -> Grid:
    """Return latency, frames a second, memory and its peak of a group, means over categories, beside published ones.

    Frames a second are those of the device window, which the authors of CFM say they timed; no difference is given,
    because the machine is another one. Memory is the paper's column: bytes of parameters and bank; the peak is what was
    measured, and no paper has it. Times of a busy machine are left out.

    Parameters
    ----------
    group
        Measured under one protocol.
    published
        None to show measured numbers only.
    """
    reference = Reference.of(group, published)
    columns = [Column(metric.heading, {"metric": metric.id}, metric.lowest) for metric in _METRICS]
    rows: list[Row] = []
    alike = len(machines_of(group.methods)) <= 1
    for method in group.methods:
        measured = [
            replace(value, ranked=alike or not metric.of_machine)
            for metric in _METRICS
            for value in [cost_value(method, group.categories, metric)]
        ]
        beside = reference.values(group, method, _METRICS)
        remark = "; ".join(filter(None, (_machine(method, group.categories), reference.remark(method))))
        rows += method_rows(group, method, _METRICS, measured, _told(beside), remark=remark)
    caption = "; ".join(filter(None, (_CAPTION, _how_peaks(group))))
    return group_grid(group, "costs", "Speed and memory", columns, rows, caption=caption, warning=reference.warning)


def cost_value(method: MeasuredMethod, categories: Sequence[str], metric: MetricName) -> Value:
    """Return the mean of a time, of frames a second or of memory over categories.

    Numbers of several machines have no mean, nor have times where a machine was busy with something else: what others
    did to a category can't be told from what the method did.

    Parameters
    ----------
    method, categories
        Its records in these categories.
    metric
        ``infer_ms``, ``end_to_end_ms``, ``fps``, ``memory_mb`` or ``peak_inference_mb``.
    """
    reason = _why_no_mean(method, categories, metric)
    if reason:
        return missing(reason)
    mean = mean_of(method, categories, _PICK[metric.id], _why_no_peak if metric == _PEAK else lambda _: "")
    if metric.id == "fps" and mean.value:
        mean = Mean(1000 / mean.value, mean.categories)
    return measured_value(mean, metric)


def _why_no_mean(method: MeasuredMethod, categories: Sequence[str], metric: MetricName) -> str:
    devices = _devices(method, categories)
    if metric.of_machine and len(devices) > 1:
        return f"measured on several devices: {', '.join(devices)}"
    if metric.id in _TIMES:
        return busy_reason(method, categories)
    sources = _peak_sources(measured_records(method, categories)) if metric == _PEAK else ()
    return f"measured in several ways: {', '.join(sources)}" if len(sources) > 1 else ""


def busy_reason(method: MeasuredMethod, categories: Sequence[str]) -> str:
    """Return which records hold times of a busy machine, and what kept it busy; empty where none does.

    Parameters
    ----------
    method, categories
        Its records in these categories.
    """
    covered = [category for category in categories if category in method.ok]
    busy = {name: told for name in covered if (told := _contention(method.ok[name]))}
    reasons = shorten("; ".join(dict.fromkeys(busy.values())), _REASONS, placeholder=" ...")
    return f"no mean without {', '.join(busy)}: {reasons}" if busy and len(covered) > 1 else reasons


def _contention(record: Record) -> str:
    return record.environment.busy_reason


def _told(published: Sequence[Value] | None) -> list[Value] | None:
    """Say of published numbers that depend on the machine that it was another one."""
    if published is None:
        return None
    return [
        replace(value, note="on the authors' machine: no difference is given")
        if metric.of_machine and value.number is not None
        else value
        for metric, value in zip(_METRICS, published, strict=True)
    ]


def _machine(method: MeasuredMethod, categories: Sequence[str]) -> str:
    return f"measured on {', '.join(_devices(method, categories))}" if method.ok else ""


def _devices(method: MeasuredMethod, categories: Sequence[str]) -> tuple[str, ...]:
    keys = (record.environment.hardware for record in measured_records(method, categories))
    return tuple(dict.fromkeys(key or "an unknown device" for key in keys))


def machines_of(methods: Iterable[MeasuredMethod]) -> tuple[str, ...]:
    """Return the machines that methods were measured on; numbers of several ones don't compete."""
    return tuple(dict.fromkeys(name for method in methods for name in _devices(method, tuple(method.ok))))


def measured_records(method: MeasuredMethod, categories: Sequence[str]) -> list[Record]:
    """Return the records with numbers of a method, in the order of some categories."""
    return [method.ok[category] for category in categories if category in method.ok]


def _how_peaks(group: MeasuredGroup) -> str:
    sources = _peak_sources(record for method in group.methods for record in method.ok.values())
    return f"peak: the most that was held in inference ({', or '.join(sources)})" if sources else ""


def _peak_sources(records: Iterable[Record]) -> tuple[str, ...]:
    sources = (quantity("peak_inference_mb").source(record) for record in records)
    return tuple(dict.fromkeys(filter(None, sources)))


def _why_no_peak(record: Record) -> str:
    return quantity("peak_inference_mb").why_missing(record)


_PICK: dict[str, Callable[[Record], float | None]] = {
    "infer_ms": quantity("device_median_ms").number,
    "end_to_end_ms": quantity("end_to_end_median_ms").number,
    "fps": quantity("device_median_ms").number,
    "memory_mb": quantity("memory_mb").number,
    "peak_inference_mb": quantity("peak_inference_mb").number,
}
