"""Memory of measured methods, part by part, each with the counter that it comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.report.beside import group_grid, measured_value, method_rows
from harness.report.costs import machines_of, measured_records
from harness.report.grid import Column, Grid, Value, missing
from harness.report.measured import Mean, MeasuredGroup, MeasuredMethod, mean_of
from harness.report.names import MetricName
from harness.store.quantities import quantity
from harness.store.record import Record

__all__ = ["memory_grid"]

_STATE = "bytes of tensors and arrays, as the method reports them"


@dataclass(frozen=True, slots=True)
class _Part:
    """A column: its key in records, its heading, and for parts of the state their name there."""

    key: str
    heading: str
    state: str = ""

    @property
    def metric(self) -> MetricName:
        return MetricName(f"{self.key}_mb", self.heading, 1, lowest=True, of_machine=not self.state)


_PARTS = (
    _Part("weights", "weights", "weights_mb"),
    _Part("bank", "bank", "bank_mb"),
    _Part("other", "other\nstate", "other_mb"),
    _Part("static", "static\nafter fit"),
    _Part("peak_fit", "peak\nfit"),
    _Part("peak_inference", "peak\ninference"),
    _Part("peak_fit_reserved", "reserved\nfit"),
    _Part("peak_inference_reserved", "reserved\ninference"),
    _Part("device_delta", "device\ndelta"),
)


def memory_grid(group: MeasuredGroup) -> Grid:
    """Return the memory of a group's methods in MB (1e6 bytes), means over categories.

    Parts of the state are what the method reports; the others are what a counter says, named in the caption and, in
    data formats, with every number. Numbers of several machines or counters have no mean and don't compete.

    Parameters
    ----------
    group
        Measured under one protocol.
    """
    sources = {part.key: _sources(group, part) for part in _PARTS}
    columns = [
        Column(part.heading, {"metric": part.metric.id, "how": " or ".join(sources[part.key])}, lowest=True)
        for part in _PARTS
    ]
    alike = len(machines_of(group.methods)) <= 1
    metrics = [part.metric for part in _PARTS]
    rows = []
    for method in group.methods:
        values = [_value(group, method, part, ranked=not part.heading.startswith("other")) for part in _PARTS]
        told = [
            replace(value, ranked=value.ranked and (bool(part.state) or (alike and len(sources[part.key]) <= 1)))
            for part, value in zip(_PARTS, values, strict=True)
        ]
        machines = ", ".join(machines_of([method]))
        rows += method_rows(group, method, metrics, told, None, remark=f"measured on {machines}" if machines else "")
    return group_grid(group, "memory", "Memory in MB", columns, rows, caption=_caption(sources))


def _caption(sources: dict[str, tuple[str, ...]]) -> str:
    parts: dict[str, list[str]] = {}
    for part in _PARTS:
        told = " or ".join(sources[part.key])
        if told:
            parts.setdefault(told, []).append(part.heading.replace("\n", " "))
    return "; ".join(f"{', '.join(headings)}: {told}" for told, headings in parts.items())


def _sources(group: MeasuredGroup, part: _Part) -> tuple[str, ...]:
    """Return the counters behind a column's numbers."""
    if part.state:
        return (_STATE,)
    records = (record for method in group.methods for record in method.ok.values())
    return tuple(dict.fromkeys(filter(None, (quantity(f"{part.key}_mb").source(record) for record in records))))


def _value(group: MeasuredGroup, method: MeasuredMethod, part: _Part, *, ranked: bool) -> Value:
    records = measured_records(method, group.categories)
    machines = machines_of([method])
    if not part.state and len(machines) > 1:
        return missing(f"measured on several devices: {', '.join(machines)}")
    sources = dict.fromkeys(filter(None, (quantity(f"{part.key}_mb").source(record) for record in records)))
    if len(sources) > 1:
        return missing(f"measured in several ways: {', '.join(sources)}")
    return replace(measured_value(_mean(group, method, part), part.metric), ranked=ranked)


def _mean(group: MeasuredGroup, method: MeasuredMethod, part: _Part) -> Mean:
    return mean_of(method, group.categories, _pick(part), _why(part))


def _pick(part: _Part) -> Callable[[Record], float | None]:
    return quantity(f"{part.key}_mb").number


def _why(part: _Part) -> Callable[[Record], str]:
    return quantity(f"{part.key}_mb").why_missing
