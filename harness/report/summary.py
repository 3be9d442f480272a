"""The table that ends a run: every cell of it, and means where a method has several categories."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.accuracy import accuracy_value
from harness.report.costs import cost_value
from harness.report.grid import Column, Grid, Row, Value, missing, rank_columns
from harness.report.measured import MeasuredGroup, MeasuredMethod, group_records
from harness.report.names import ACCURACY, metric_name
from harness.store.record import Record

__all__ = ["summary_grids"]

_COSTS = tuple(metric_name(metric) for metric in ("infer_ms", "end_to_end_ms", "memory_mb"))


def summary_grids(records: Sequence[Record]) -> list[Grid]:
    """Return one table for each group of comparable records: a row for each cell, and a mean for each method.

    A cell that is not ok is a row of dashes with its reason, and its method has no mean.

    Parameters
    ----------
    records
        Usually those of one plan.
    """
    return [_grid(group) for group in group_records(records)]


def _grid(group: MeasuredGroup) -> Grid:
    columns = [Column(metric.heading, {"metric": metric.id}, metric.lowest) for metric in (*ACCURACY, *_COSTS)]
    rows: list[Row] = []
    for method in group.methods:
        measured = [category for category in group.categories if category in method.records]
        rows += [_cell_row(method, category, first=position == 0) for position, category in enumerate(measured)]
        if len(measured) > 1:
            rows.append(_mean_row(method, measured))
    return Grid(
        title=f"Results: {group.title}",
        label_headings=("method", "category"),
        columns=tuple(columns),
        rows=rank_columns(rows, columns),
        keys={"kind": "results", **group.keys},
    )


def _cell_row(method: MeasuredMethod, category: str, *, first: bool) -> Row:
    record = method.records[category]
    if record.status == "ok":
        values = _values(method, [category])
    else:
        values = [missing(f"{record.status}: {record.reason}")] * (len(ACCURACY) + len(_COSTS))
    return _row(method, category, values, first=first)


def _mean_row(method: MeasuredMethod, categories: Sequence[str]) -> Row:
    failed = [category for category in categories if category not in method.ok]
    if failed:
        values = [missing(f"no mean without {', '.join(failed)}")] * (len(ACCURACY) + len(_COSTS))
    else:
        values = _values(method, categories)
    return _row(method, f"mean of {len(categories)}", values, first=False, group="+".join(categories))


def _values(method: MeasuredMethod, categories: Sequence[str]) -> list[Value]:
    accuracy = [accuracy_value(method, categories, metric) for metric in ACCURACY]
    return accuracy + [cost_value(method, categories, metric) for metric in _COSTS]


def _row(method: MeasuredMethod, category: str, values: Sequence[Value], *, first: bool, group: str = "") -> Row:
    labels = (Value(method.label if first else ""), Value(category))
    keys = {"method": method.label, "category": category, "source": "measured"}
    return Row(labels, tuple(values), keys, starts=first, rank_group=group)
