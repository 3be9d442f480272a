"""Speed and memory of measured methods beside published ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from harness.report.beside import Reference, group_grid, measured_value, method_rows
from harness.report.grid import Column, Grid, Row, Value, missing
from harness.report.measured import Mean, MeasuredGroup, MeasuredMethod, mean_of
from harness.report.names import MetricName, metric_name
from harness.report.published import Published
from harness.store import Record

__all__ = ["cost_grid", "cost_value"]

_METRICS = tuple(metric_name(metric) for metric in ("infer_ms", "end_to_end_ms", "fps", "memory_mb"))
_CAPTION = "median latency at batch 1; device: infer only, end to end: prepare and infer; memory: parameters and bank"


def cost_grid(group: MeasuredGroup, published: Published | None) -> Grid:
    """Return latency, frames a second and memory of a group, means over categories, beside published ones.

    Frames a second are those of the device window, which the authors of CFM say they timed; no difference is given,
    because the machine is another one. Memory is the paper's column: bytes of parameters and bank.

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
    for method in group.methods:
        measured = [cost_value(method, group.categories, metric) for metric in _METRICS]
        beside = reference.values(group, method, _METRICS)
        remark = "; ".join(filter(None, (_machine(method), reference.remark(method))))
        rows += method_rows(group, method, _METRICS, measured, _told(beside), remark=remark)
    return group_grid(group, "costs", "Speed and memory", columns, rows, caption=_CAPTION, warning=reference.warning)


def cost_value(method: MeasuredMethod, categories: Sequence[str], metric: MetricName) -> Value:
    """Return the mean of a time, of frames a second or of memory over categories; times of one device only.

    Parameters
    ----------
    method, categories
        Its records in these categories.
    metric
        ``infer_ms``, ``end_to_end_ms``, ``fps`` or ``memory_mb``.
    """
    devices = _devices(method)
    if metric.of_machine and len(devices) > 1:
        return missing(f"measured on several devices: {', '.join(devices)}")
    mean = mean_of(method, categories, _PICK[metric.id])
    if metric.id == "fps" and mean.value:
        mean = Mean(1000 / mean.value, mean.categories)
    return measured_value(mean, metric)


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


def _machine(method: MeasuredMethod) -> str:
    return f"measured on {', '.join(_devices(method))}" if method.ok else ""


def _devices(method: MeasuredMethod) -> tuple[str, ...]:
    found = [record.environment for record in method.ok.values()]
    return tuple(dict.fromkeys(_device(str(one.get("device", "")), one) for one in found))


def _device(device: str, environment: Mapping[str, object]) -> str:
    name = environment.get("device_name") or device or "an unknown device"
    threads = environment.get("threads")
    if device != "cpu" or not threads:
        return str(name)
    return f"{name}, {threads} thread{'' if threads == 1 else 's'}"


def _window(name: str) -> Callable[[Record], float | None]:
    return lambda record: record.latency.get(name, {}).get("median_ms")


def _state_mb(record: Record) -> float | None:
    value = record.memory.get("paper_mb")
    return None if value is None else float(value)


_PICK: dict[str, Callable[[Record], float | None]] = {
    "infer_ms": _window("device"),
    "end_to_end_ms": _window("end_to_end"),
    "fps": _window("device"),
    "memory_mb": _state_mb,
}
