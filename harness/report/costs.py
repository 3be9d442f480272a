"""Speed and memory of measured methods beside published ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from harness.report.beside import Reference, group_grid, measured_value, method_rows
from harness.report.grid import Column, Grid, Row, Value
from harness.report.measured import Mean, MeasuredGroup, MeasuredMethod, mean_of
from harness.report.names import metric_name
from harness.report.published import Published
from harness.store import Record

__all__ = ["cost_grid"]

_METRICS = tuple(metric_name(metric) for metric in ("infer_ms", "end_to_end_ms", "fps", "memory_mb"))
_CAPTION = "median latency at batch 1; device: infer only, end to end: prepare and infer; memory: parameters and bank"


def cost_grid(group: MeasuredGroup, published: Published | None) -> Grid:
    """Return latency, frames a second and memory of a group, means over categories, beside published ones.

    Frames a second are those of the device window, which the published ones have too; no difference is given, because
    the machine is another one. Memory is the paper's column: bytes of parameters and bank.

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
        measured = [measured_value(_mean(group, method, metric.id), metric) for metric in _METRICS]
        beside = reference.values(group, method, _METRICS)
        remark = "; ".join(filter(None, (_machine(method), reference.remark(method))))
        rows += method_rows(group, method, _METRICS, measured, _told(beside), remark=remark)
    return group_grid(group, "costs", "Speed and memory", columns, rows, caption=_CAPTION, warning=reference.warning)


def _mean(group: MeasuredGroup, method: MeasuredMethod, metric: str) -> Mean:
    if metric != "memory_mb" and len(_devices(method)) > 1:
        return Mean(None, (), f"measured on several devices: {', '.join(_devices(method))}")
    mean = mean_of(method, group.categories, _PICK[metric])
    if metric == "fps" and mean.value:
        return Mean(1000 / mean.value, mean.categories)
    return mean


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
    return f"{name}, {threads} threads" if device == "cpu" and threads else str(name)


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
