"""The numbers of one record as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.report.html.columns import ACCURACY_COLUMNS
from harness.report.html.markup import Child, Element, element
from harness.report.html.parts import headed_table, plain_text
from harness.store.store import Record

__all__ = ["defect_table", "images_table", "latency_tables", "memory_table", "metrics_table"]

_WINDOWS = {
    "device": "device: inference alone",
    "end_to_end": "end to end: padding, resizing, transfer and inference",
    "device_events": "device, by CUDA events",
    "decode": "decode: reading the files",
    "clean": "clean: removing the background",
}
_TIMES = ("median_ms", "low_ms", "high_ms", "mean_ms", "min_ms", "max_ms", "p95_ms", "p99_ms")
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


def latency_tables(record: Record) -> Iterator[Child]:
    """Yield the summary of every window, and its raw times."""
    headings = ("window", "calls", "fps", *(name.removesuffix("_ms") for name in _TIMES), "remark")
    rows = [_window(name, window) for name, window in record.latency.items()]
    caption = "Milliseconds at batch 1; low and high: 95% interval of the median"
    yield headed_table(caption, headings, rows, numbers=range(1, len(headings) - 1))
    for name, window in record.latency.items():
        raw = window.get("raw_ms")
        if raw:
            told = ", ".join(_number(value, 4) for value in raw)
            heading = f"{len(raw)} raw times of {name}, ms, in the order of the calls"
            yield element("details", element("summary", heading), element("p", told, class_="raw"))


def memory_table(record: Record) -> Iterator[Child]:
    """Yield what was held, with its source, or the reason why a number can't be had."""
    rows: list[Sequence[Child]] = []
    others: dict[str, Any] = {}
    for name, entry in record.memory.items():
        if name == "paper_mb":
            rows.append(("parameters and bank (the column of papers)", _number(entry, 3), "reported by the method", ""))
        elif name == "state" and isinstance(entry, Mapping):
            rows += [
                (_SIZES.get(part, part), _number(value, 3), "reported by the method", "")
                for part, value in entry.items()
            ]
        elif isinstance(entry, Mapping) and "mb" in entry:
            rest = {key: value for key, value in entry.items() if key not in ("mb", "source")}
            rows.append((name.replace("_", " "), _number(entry["mb"], 3), str(entry.get("source", "")), _remark(rest)))
        else:
            others[name.replace("_", " ")] = entry
    caption = "Memory in MB (1e6 bytes)"
    yield headed_table(caption, ("what", "MB", "source", "remark"), rows, numbers=(1,))
    for name, entry in others.items():
        yield element("p", f"{name}: {plain_text(entry)}")


def images_table(record: Record) -> Element:
    """Return the score of every test image, folded away."""
    rows = (
        (
            str(image.get("id", "")),
            str(image.get("defect", "")),
            plain_text(image.get("label")),
            _number(image.get("score"), 6),
        )
        for image in record.images
    )
    caption = f"Scores of {len(record.images)} test images"
    table = headed_table(caption, ("image", "defect", "label", "score"), rows, numbers=(2, 3))
    return element("details", element("summary", caption), table)


def _window(name: str, window: Mapping[str, Any]) -> tuple[str, ...]:
    rest = {key: value for key, value in window.items() if key not in (*_TIMES, "calls", "fps", "raw_ms")}
    times = (_number(window.get(key), 2) for key in _TIMES)
    return (
        _WINDOWS.get(name, name),
        plain_text(window.get("calls")),
        _number(window.get("fps"), 2),
        *times,
        _remark(rest),
    )


def _remark(values: Mapping[str, Any]) -> str:
    told = (
        str(value) if key in ("reason", "stopped") else f"{key} {plain_text(value)}" for key, value in values.items()
    )
    return "; ".join(told)


def _number(value: Any, digits: int) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) and not isinstance(value, bool) else "-"
