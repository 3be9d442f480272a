"""The numbers of one record as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields

import numpy as np
from msgspec import to_builtins
from numpy.typing import NDArray

from harness.report.html.columns import ACCURACY_COLUMNS
from harness.report.html.markup import Child, Element, element
from harness.report.html.parts import headed_table, plain_text
from harness.store.record import ImageScore, Latency, LatencyWindow, Memory, Record, Size, StateSizes

__all__ = ["defect_table", "images_table", "latency_tables", "memory_table", "metrics_table"]

_WINDOWS = {
    "device": "device: inference alone",
    "end_to_end": "end to end: padding, resizing, transfer and inference",
    "device_events": "device, by CUDA events",
    "decode": "decode: reading the files",
    "clean": "clean: removing the background",
}
_TIMES = ("median_ms", "low_ms", "high_ms", "mean_ms", "min_ms", "max_ms", "p95_ms", "p99_ms")
_REPORTED = "reported by the method"
_SIZES = {"weights_mb": "parameters", "bank_mb": "memory bank", "other_mb": "other state"}


def metrics_table(record: Record) -> Element:
    """Return the accuracy metrics with all their digits, or the reason why one is undefined."""
    rows = []
    for column in ACCURACY_COLUMNS:
        value = record.metrics.get(column.id)
        reason = record.undefined.get(column.id, "") or "not recorded"
        text = f"{value:.6f}" if value is not None else f"- ({reason})"
        rows.append((column.metric.title, text, column.help))
    return headed_table("Accuracy over all test images", ("metric", "value", "meaning"), rows, numbers=(1,))


def defect_table(record: Record) -> Element | None:
    """Return the metrics by type of defect; None where none is recorded."""
    if not record.by_defect:
        return None
    headings = ("defect", *(column.metric.title for column in ACCURACY_COLUMNS))
    rows = [
        (defect, *(_number(values.get(column.id), 4) for column in ACCURACY_COLUMNS))
        for defect, values in record.by_defect.items()
    ]
    caption = "By type of defect, each against all good images"
    return headed_table(caption, headings, rows, numbers=range(1, len(headings)))


def latency_tables(latency: Latency, raw_ms: Mapping[str, NDArray[np.float64]]) -> Iterator[Child]:
    """Yield the summary of every window, and its raw times."""
    headings = ("window", "calls", "fps", *(name.removesuffix("_ms") for name in _TIMES), "remark")
    windows = ((name, getattr(latency, name)) for name in _WINDOWS)
    rows = [_window(name, window) for name, window in windows if window is not None]
    caption = "Milliseconds at batch 1; low and high: 95% interval of the median"
    yield headed_table(caption, headings, rows, numbers=range(1, len(headings) - 1))
    for name, times in raw_ms.items():
        text = ", ".join(_number(float(value), 4) for value in times)
        heading = f"{len(times)} raw times of {name}, ms, in the order of the calls"
        yield element("details", element("summary", heading), element("p", text, class_="raw"))


def memory_table(memory: Memory) -> Iterator[Child]:
    """Yield what was held, with its source, or the reason why a number can't be had."""
    rows: list[Sequence[Child]] = []
    for field in fields(memory):
        name, size = field.name, getattr(memory, field.name)
        if isinstance(size, Size):
            calls = f"calls {size.calls}" if size.calls is not None else ""
            remark = "; ".join(filter(None, (size.reason, calls, size.stopped)))
            rows.append((name.replace("_", " "), _number(size.mb, 3), size.source, remark))
        elif isinstance(size, StateSizes):
            rows += [(text, _number(getattr(size, part), 3), _REPORTED, "") for part, text in _SIZES.items()]
        elif name == "paper_mb" and size is not None:
            rows.append(("parameters and bank (the column of papers)", _number(size, 3), _REPORTED, ""))
    yield headed_table("Memory in MB (1e6 bytes)", ("what", "MB", "source", "remark"), rows, numbers=(1,))
    if memory.state_check is not None:
        yield element("p", f"state check: {plain_text(to_builtins(memory.state_check))}")


def images_table(images: Sequence[ImageScore]) -> Element:
    """Return the score of every test image, folded away."""
    rows = ((image.id, image.defect, str(image.label), _number(image.score, 6)) for image in images)
    caption = f"Scores of {len(images)} test images"
    table = headed_table(caption, ("image", "defect", "label", "score"), rows, numbers=(2, 3))
    return element("details", element("summary", caption), table)


def _window(name: str, window: LatencyWindow) -> tuple[str, ...]:
    times = (_number(getattr(window, key), 2) for key in _TIMES)
    remark = "; ".join(filter(None, (window.reason, window.stopped)))
    return _WINDOWS[name], plain_text(window.calls), _number(window.fps, 2), *times, remark


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
