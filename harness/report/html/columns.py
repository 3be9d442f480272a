"""The columns of the leaderboard, and where their numbers come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.report.accuracy import accuracy_value
from harness.report.costs import cost_value
from harness.report.grid import Value, missing
from harness.report.measured import MeasuredMethod, mean_of
from harness.report.names import ACCURACY, MetricName, metric_name
from harness.store.quantities import Quantity, quantity
from harness.store.record import Record

__all__ = ["ACCURACY_COLUMNS", "COLUMNS", "BoardColumn", "column_value", "devices_of"]

Kind = Literal["Accuracy, exact", "Accuracy, official", "Speed", "Memory"]


@dataclass(frozen=True, slots=True)
class BoardColumn:
    """A column of the leaderboard.

    Parameters
    ----------
    metric
        Its id, heading, digits and direction.
    kind
        The columns it belongs to.
    help
        What it says, in one sentence.
    shown
        Whether it is shown until a reader chooses.
    place
        Where a record keeps it: ``("latency", window)`` or ``("memory", name)``; empty where tables know.
    ranked
        Whether its best number is marked.
    """

    metric: MetricName
    kind: Kind
    help: str
    shown: bool = True
    place: tuple[str, ...] = ()
    ranked: bool = True

    @property
    def id(self) -> str:
        """Id of the metric."""
        return self.metric.id


_HELP = {
    "i_auroc": "Area under the ROC curve of whole images.",
    "p_auroc": "Area under the ROC curve of pixels.",
    "aupro_30": "Exact area under the per-region overlap up to 30% false positives.",
    "aupro_1": "Exact area under the per-region overlap up to 1% false positives.",
    "aupro_30_official": "AUPRO@30% by the code with 99 thresholds whose numbers papers print.",
    "aupro_1_official": "AUPRO@1% by the code with 99 thresholds whose numbers papers print.",
}

_KNOWN = {
    "fps": ("Speed", "Images a second: 1000 / median of the device window."),
    "infer_ms": ("Speed", "Median time of inference alone, batch 1."),
    "end_to_end_ms": ("Speed", "Median time with padding, resizing and transfer, batch 1."),
    "memory_mb": ("Memory", "Bytes of parameters and bank: the column of papers."),
}


def _time(window: str, heading: str, told: str) -> BoardColumn:
    metric = MetricName(f"{window}_ms", heading, 1, lowest=True, of_machine=True)
    of_method = window == "device_events"
    return BoardColumn(metric, "Speed", told, shown=False, place=("latency", window), ranked=of_method)


def _size(name: str, heading: str, told: str, *, shown: bool = False, state: bool = False) -> BoardColumn:
    metric = MetricName(name if state else f"{name}_mb", heading, 1, lowest=True, of_machine=not state)
    place = ("memory", "state", name) if state else ("memory", name)
    return BoardColumn(metric, "Memory", told, shown, place, ranked=not state)


def _known(metric: str) -> BoardColumn:
    kind, told = _KNOWN[metric]
    shown = metric != "infer_ms"
    return BoardColumn(metric_name(metric), "Speed" if kind == "Speed" else "Memory", told, shown)


def _accuracy(metric: MetricName) -> BoardColumn:
    official = metric.id.endswith("_official")
    return BoardColumn(metric, "Accuracy, official" if official else "Accuracy, exact", _HELP.get(metric.id, ""))


ACCURACY_COLUMNS = tuple(map(_accuracy, ACCURACY))
"""The accuracy metrics, exact and official AUPRO each in a column of its own."""

COLUMNS: tuple[BoardColumn, ...] = (
    *ACCURACY_COLUMNS,
    _known("fps"),
    _known("infer_ms"),
    _known("end_to_end_ms"),
    _time("device_events", "CUDA events\nms", "Median of inference by the events of the CUDA device."),
    _time("decode", "decode\nms", "Median time to read and decode one sample; outside the other windows."),
    _time("clean", "clean\nms", "Median time to remove the background of one cloud; outside the other windows."),
    _known("memory_mb"),
    _size("weights_mb", "weights\nMB", "Parameters, as the method reports them.", state=True),
    _size("bank_mb", "bank\nMB", "Memory bank, as the method reports it.", state=True),
    _size("other_mb", "other\nMB", "What else the method keeps, as it reports it.", state=True),
    _size("static", "static\nMB", "Held after fit, above the level before the method was made.", shown=True),
    _size("peak_fit", "peak fit\nMB", "The most that was held in fit."),
    _size("peak_inference", "peak infer\nMB", "The most that was held in inference.", shown=True),
    _size("peak_fit_reserved", "reserved\nfit MB", "The most that the CUDA allocator reserved in fit."),
    _size("peak_inference_reserved", "reserved\ninfer MB", "The most that the CUDA allocator reserved in inference."),
    _size("device_delta", "device lost\nMB", "Memory that the whole CUDA device lost."),
)
"""Every column, in the order of the leaderboard."""


def column_value(method: MeasuredMethod, categories: Sequence[str], column: BoardColumn) -> Value:
    """Return a number as tables print it, or a dash with the reason: a mean over the categories that are measured.

    Parameters
    ----------
    method, categories
        Its records in these categories.
    column
        What to show.
    """
    if column.kind.startswith("Accuracy"):
        return accuracy_value(method, categories, column.metric)
    if not column.place:
        return cost_value(method, categories, column.metric)
    if reason := _why_no_mean(method, categories, column):
        return missing(reason)
    mean = mean_of(method, categories, lambda record: _pick(record, column), lambda record: _why(record, column))
    if mean.value is None:
        return missing(mean.reason)
    return Value(f"{mean.value:.{column.metric.digits}f}", mean.value)


def devices_of(method: MeasuredMethod) -> tuple[str, ...]:
    """Return the machines that a method's numbers were measured on."""
    keys = (record.environment.hardware for record in method.ok.values())
    return tuple(dict.fromkeys(key or "an unknown device" for key in keys))


def _why_no_mean(method: MeasuredMethod, categories: Sequence[str], column: BoardColumn) -> str:
    if column.kind == "Speed":
        times = cost_value(method, categories, metric_name("infer_ms"))
        return times.note if times.number is None else ""
    devices = devices_of(method)
    if column.metric.of_machine and len(devices) > 1:
        return f"measured on several devices: {', '.join(devices)}"
    records = [method.ok[category] for category in categories if category in method.ok]
    sources = dict.fromkeys(filter(None, (_quantity(column).source(record) for record in records)))
    return f"measured in several ways: {', '.join(sources)}" if len(sources) > 1 else ""


def _pick(record: Record, column: BoardColumn) -> float | None:
    return _quantity(column).number(record)


def _why(record: Record, column: BoardColumn) -> str:
    return _quantity(column).why_missing(record)


def _quantity(column: BoardColumn) -> Quantity:
    return quantity(f"{column.place[1]}_median_ms" if column.place[0] == "latency" else column.id)
