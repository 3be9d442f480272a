"""The page of one record: every number with what it was measured on, and how to measure it again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.data.base import DATASETS
from harness.measure.hardware import hardware_key
from harness.report.html.columns import ACCURACY_COLUMNS
from harness.report.html.reproduce import reproduce
from harness.report.html.templating import render
from harness.store.store import Record

__all__ = ["record_page"]

_WINDOWS = {
    "device": "device: inference alone",
    "end_to_end": "end to end: padding, resizing, transfer and inference",
    "device_events": "device, by CUDA events",
    "decode": "decode: reading the files",
    "clean": "clean: removing the background",
}
_TIMES = ("median_ms", "low_ms", "high_ms", "mean_ms", "min_ms", "max_ms", "p95_ms", "p99_ms")
_SIZES = {"weights_mb": "parameters", "bank_mb": "memory bank", "other_mb": "other state"}

_Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of texts; ``numbers`` are the positions of columns that are aligned to the right."""

    caption: str
    headings: tuple[str, ...]
    rows: Sequence[_Row]
    numbers: Collection[int] = ()


def record_page(record: Record, label: str, siblings: Mapping[str, str]) -> str:
    """Return the page of a record.

    Parameters
    ----------
    record
        Of any status.
    label
        Of its row in the leaderboard.
    siblings
        The same row's other records: category to the address of its page.
    """
    command, command_remark = reproduce(record)
    memory, memory_remarks = _memory(record)
    machine = {"machine": hardware_key(record.environment) or "unknown"}
    return render(
        "record.html",
        record=record,
        name=f"{label} on {record.cell.category}",
        setting=_setting(record),
        siblings=siblings,
        notes=_notes(record),
        accuracy=list(_accuracy(record)),
        latency=_latency(record),
        raw_times=_raw_times(record),
        memory=memory,
        memory_remarks=memory_remarks,
        command=command,
        command_remark=command_remark,
        cell=_cell(record),
        settings=list(_settings(record)),
        environment=_texts({**machine, **record.environment}) if record.environment else {},
        images=_images(record),
    )


def _setting(record: Record) -> str:
    cell = record.cell
    dataset = DATASETS[cell.dataset].title if cell.dataset in DATASETS else cell.dataset
    shots = "all training samples" if cell.shots == "full" else f"{cell.shots} training samples, split {cell.split}"
    when = f", measured {record.created}" if record.created else ""
    return f"{dataset}, {shots}, preset {cell.protocol.preset}, {cell.protocol.weights} weights{when}"


def _notes(record: Record) -> list[str]:
    contention = record.environment.get("contention") or "something else kept the machine busy"
    return [*record.notes, *([f"contended: {contention}"] if record.environment.get("contended") else [])]


def _accuracy(record: Record) -> Iterator[_Table]:
    """Yield the metrics with all their digits, or why one is undefined; then those of each type of defect."""
    if not record.metrics:
        return
    rows = []
    for column in ACCURACY_COLUMNS:
        value = record.metrics.get(column.id)
        reason = record.undefined.get(column.id, "") or "not recorded"
        rows.append((column.metric.title, f"- ({reason})" if value is None else f"{value:.6f}", column.help))
    yield _Table("Accuracy over all test images", ("metric", "value", "meaning"), rows, (1,))
    if record.by_defect:
        headings = ("defect", *(column.metric.title for column in ACCURACY_COLUMNS))
        by_defect = [
            (defect, *(_number(values.get(column.id), 4) for column in ACCURACY_COLUMNS))
            for defect, values in record.by_defect.items()
        ]
        caption = "By type of defect, each against all good images"
        yield _Table(caption, headings, by_defect, range(1, len(headings)))


def _latency(record: Record) -> _Table | None:
    headings = ("window", "calls", "fps", *(name.removesuffix("_ms") for name in _TIMES), "remark")
    rows = [_window(name, window) for name, window in record.latency.items()]
    caption = "Milliseconds at batch 1; low and high: 95% interval of the median"
    return _Table(caption, headings, rows, range(1, len(headings) - 1)) if rows else None


def _window(name: str, window: Mapping[str, Any]) -> _Row:
    others = {key: value for key, value in window.items() if key not in (*_TIMES, "calls", "fps", "raw_ms")}
    times = (_number(window.get(key), 2) for key in _TIMES)
    calls, fps = _text(window.get("calls")), _number(window.get("fps"), 2)
    return _WINDOWS.get(name, name), calls, fps, *times, _remark(others)


def _raw_times(record: Record) -> dict[str, str]:
    """Return all times of each window under a heading."""
    windows = ((name, window.get("raw_ms")) for name, window in record.latency.items())
    return {
        f"{len(times)} raw times of {name}, ms, in the order of the calls": ", ".join(_number(ms, 4) for ms in times)
        for name, times in windows
        if times
    }


def _memory(record: Record) -> tuple[_Table | None, list[str]]:
    """Return sizes with their source or the reason why one is missing, and sentences on all that is no size."""
    rows: list[_Row] = []
    remarks: list[str] = []
    reported = ("reported by the method", "")
    for name, entry in record.memory.items():
        title = name.replace("_", " ")
        if name == "paper_mb":
            rows.append(("parameters and bank (the column of papers)", _number(entry, 3), *reported))
        elif name == "state" and isinstance(entry, Mapping):
            rows += [(_SIZES.get(part) or part, _number(size, 3), *reported) for part, size in entry.items()]
        elif isinstance(entry, Mapping) and "mb" in entry:
            others = {key: value for key, value in entry.items() if key not in ("mb", "source")}
            rows.append((title, _number(entry["mb"], 3), str(entry.get("source", "")), _remark(others)))
        else:
            remarks.append(f"{title}: {_text(entry)}")
    table = _Table("Memory in MB (1e6 bytes)", ("what", "MB", "source", "remark"), rows, (1,))
    return table if record.memory else None, remarks


def _cell(record: Record) -> dict[str, str]:
    cell = record.cell
    return _texts(
        {
            "cell": cell.id,
            "method": cell.method,
            "dataset": cell.dataset,
            "category": cell.category,
            "data digest": cell.data_digest,
            "training samples": cell.shots,
            "split": cell.split,
            "split digest": cell.split_digest,
            "seed": cell.seed,
            "released checkpoint": cell.checkpoint or None,
            **{f"{name} samples": count for name, count in record.samples.items()},
        }
    )


def _settings(record: Record) -> Iterator[_Table]:
    """Yield tables of names and values; those without values are left out."""
    cell = record.cell
    parameters = _texts(cell.parameters)
    tables = {
        "Parameters": {name: text + " (given)" * (name in cell.given) for name, text in parameters.items()},
        "Protocol": _texts(cell.protocol.to_json() | {"digest": cell.protocol.digest}),
        "Pretrained files": _texts(record.weights),
        "Seconds of each stage": {name: f"{value:.2f}" for name, value in record.seconds.items()},
    }
    for caption, texts in tables.items():
        if texts:
            yield _Table(caption, ("name", "value"), list(texts.items()))


def _images(record: Record) -> _Table | None:
    headings = ("image", "defect", "label", "score")
    keys = ("id", "defect", "label")
    rows = [(*(_text(image.get(key)) for key in keys), _number(image.get("score"), 6)) for image in record.images]
    return _Table(f"Scores of {len(rows)} test images", headings, rows, (2, 3)) if rows else None


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): _text(value) for name, value in values.items()}


def _text(value: Any) -> str:
    """Return a JSON value as a reader would write it, nested values on one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return str(value)


def _remark(values: Mapping[str, Any]) -> str:
    parts = ((value,) if key in ("reason", "stopped") else (key, _text(value)) for key, value in values.items())
    return "; ".join(" ".join(map(str, part)) for part in parts)


def _number(value: Any, digits: int) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) and not isinstance(value, bool) else "-"
