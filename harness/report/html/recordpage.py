"""The page of one record: every number with what it was measured on, and how to measure it again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import msgspec
from msgspec import to_builtins

from harness.metrics.decisions import TailThreshold
from harness.report.decision_table import counted, threshold_sources
from harness.report.groups import setting_title
from harness.report.html.gallerysection import Sample
from harness.report.html.reproduce import reproduce
from harness.report.html.templating import render
from harness.store.decisions import Decisions, Part
from harness.store.details import Details
from harness.store.environment import Environment
from harness.store.measurements import Energies, Energy, Latency, LatencyWindow, Memory, Size, StateSizes
from harness.store.quantities import ACCURACY
from harness.store.record import Record, unlike_published

__all__ = ["record_page", "record_texts"]

_WINDOWS = {
    "device": "device: inference alone, strict math",
    "end_to_end": "end to end: padding, resizing, transfer and inference, strict math",
    "device_default": "device, default math",
    "end_to_end_default": "end to end, default math",
    "device_events": "device, by CUDA events, strict math",
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

    def beside(self, row: _Row) -> Iterator[tuple[str, bool]]:
        """Return the texts of a row behind its heading, and whether each is aligned to the right."""
        return zip(row[1:], (place in self.numbers for place in range(1, len(row))), strict=True)


def record_page(
    record: Record,
    label: str,
    siblings: Mapping[str, str],
    details: Details | None = None,
    samples: Sequence[Sample] = (),
) -> str:
    """Return the page of a record, which stands in a folder below that of the front page.

    Parameters
    ----------
    record
        Of any status.
    label
        Of its row in the leaderboard.
    siblings
        The same row's other records: category to the address of its page.
    details
        Scores of its images and raw times; none where None.
    samples
        Of its category, with the pictures of the gallery.
    """
    page = record_texts(record, label, siblings, details, samples)
    return render("record.html", page={**page, "top": "../"})


def record_texts(
    record: Record,
    label: str,
    siblings: Mapping[str, str],
    details: Details | None = None,
    samples: Sequence[Sample] = (),
    prefix: str = "",
) -> dict[str, object]:
    """Return what the template of a record shows, by the names that it uses.

    Parameters
    ----------
    record, label, siblings, details, samples
        As in :func:`record_page`.
    prefix
        Begins the ids on the page.
    """
    command, command_remark = reproduce(record)
    details, environment = details or Details(), record.environment
    machine = {"machine": environment.hardware or "unknown"}
    return {
        "prefix": prefix,
        "top": "",
        "record": record,
        "label": label,
        "name": f"{label} on {record.cell.category}",
        "setting": _setting(record),
        "siblings": siblings,
        "notes": _notes(record),
        "accuracy": list(_accuracy(record)),
        "decisions": list(_decisions(record.decisions)),
        "decision_remarks": _decision_remarks(record.decisions),
        "latency": _latency(record.latency),
        "raw_times": _raw_times(details),
        "energy": _energy(record.energy),
        "memory": _memory(record.memory),
        "memory_remarks": _state_check(record.memory),
        "samples": samples,
        "command": command,
        "command_remark": command_remark,
        "cell": _cell(record),
        "settings": list(_settings(record)),
        "environment": _texts({**machine, **to_builtins(environment)}) if environment != Environment() else {},
        "images": _images(details),
        "json": msgspec.json.format(msgspec.json.encode(record.to_json()), indent=1).decode(),
    }


def _setting(record: Record) -> str:
    cell = record.cell
    when = f", measured {record.created}" if record.created else ""
    protocol, unlike = cell.protocol, unlike_published([record])
    keys = (cell.dataset, protocol.preset, protocol.weights, cell.shots, cell.split)
    return setting_title(*keys, unlike=unlike, version=protocol.version, condition=protocol.condition) + when


def _notes(record: Record) -> list[str]:
    busy = record.environment.busy_reason
    return [*record.notes, *([f"contended: {busy}"] if busy else [])]


def _accuracy(record: Record) -> Iterator[_Table]:
    """Yield the metrics with all their digits, or why one is undefined; then those of each type of defect."""
    if not record.metrics:
        return
    rows = []
    for metric in ACCURACY:
        value = metric.number(record)
        reason = metric.why_missing(record) or "not recorded"
        rows.append((metric.title, f"- ({reason})" if value is None else f"{value:.6f}", metric.help))
    yield _Table("Accuracy over all test images", ("metric", "value", "meaning"), rows, (1,))
    if record.by_defect:
        headings = ("defect", *(metric.title for metric in ACCURACY))
        by_defect = [
            (defect, *(_number(metric.number(record, defect), 4) for metric in ACCURACY)) for defect in record.by_defect
        ]
        caption = "By type of defect, each against all good images"
        yield _Table(caption, headings, by_defect, range(1, len(headings)))


def _decisions(decisions: Decisions) -> Iterator[_Table]:
    """Yield what each threshold decides, and the missed images of each defect."""
    points = [(f"{key}%", point) for key, point in decisions.points.items()]
    if not points:
        return
    rows = [
        (
            *(rate, f"{point.threshold:.6g}", f"{point.attainable:.1%}", _tail(point.tail)),
            *(_counted(point.false_alarms), _counted(point.missed), _number(point.f1, 3)),
        )
        for rate, point in points
    ]
    headings = ("target", "threshold", "expected", "by a fitted tail", "false alarms", "missed", "F1")
    yield _Table("Thresholds by the target rate of false alarms, with exact 95% intervals", headings, rows, (1, 2, 6))
    defects = list(points[0][1].missed_by_defect)
    missed = [(name, *(_counted(point.missed_by_defect.get(name)) for _, point in points)) for name in defects]
    yield _Table("Missed images by type of defect", ("defect", *(rate for rate, _ in points)), missed, ())


def _counted(part: Part | None) -> str:
    whole = counted([part]) if part is not None else None
    return whole.text if whole else "-"


def _tail(tail: TailThreshold) -> str:
    if tail.value is None or tail.low is None or tail.high is None:
        return f"- ({tail.reason})"
    return f"{tail.value:.6g} ({tail.low:.6g} to {tail.high:.6g})"


def _decision_remarks(decisions: Decisions) -> list[str]:
    """Return where thresholds come from, or why there are none, and what no threshold set beforehand would reach."""
    if not decisions.points:
        return [decisions.reason] if decisions.reason else []
    remarks = [f"Thresholds are set on {threshold_sources([decisions])}."]
    if decisions.best_f1 is not None:
        remarks.append(
            f"Best possible F1: {decisions.best_f1:.3f}, of the threshold that the labels of the test images would "
            "choose: a bound and no result."
        )
    return remarks


def _latency(latency: Latency) -> _Table | None:
    headings = ("window", "calls", "fps", *(name.removesuffix("_ms") for name in _TIMES), "remark")
    windows = ((name, getattr(latency, name)) for name in _WINDOWS)
    rows = [_window(name, window) for name, window in windows if window is not None]
    caption = "Milliseconds at batch 1; low and high: 95% interval of the median"
    return _Table(caption, headings, rows, range(1, len(headings) - 1)) if rows else None


def _window(name: str, window: LatencyWindow) -> _Row:
    times = (_number(getattr(window, key), 2) for key in _TIMES)
    remark = "; ".join(filter(None, (window.reason, window.stopped)))
    return _WINDOWS[name], _text(window.calls), _number(window.fps, 2), *times, remark


def _raw_times(details: Details) -> dict[str, str]:
    """Return all times of each window under a heading."""
    return {
        f"{len(times)} raw times of {name}, ms, in the order of the calls": ", ".join(f"{ms:.4f}" for ms in times)
        for name, times in details.raw_ms.items()
    }


def _energy(energy: Energies) -> _Table | None:
    """Return energy and mean power of both maths, or the reason why there is none; None where nothing was asked."""
    rows = []
    for math in ("strict", "default"):
        found: Energy | None = getattr(energy, math)
        if found is not None:
            numbers = (_number(found.joules, 3), _number(found.watts, 1), _text(found.calls), _number(found.seconds, 2))
            rows.append((f"{math} math", *numbers, found.source, found.reason))
    caption = "Energy during the timed calls, idle power and other processes included"
    return (
        _Table(caption, ("what", "J/image", "W", "calls", "s", "source", "remark"), rows, (1, 2, 3, 4))
        if rows
        else None
    )


def _memory(memory: Memory) -> _Table | None:
    """Return sizes with their source or the reason why one is missing; None where nothing was measured."""
    rows: list[_Row] = []
    reported = ("reported by the method", "")
    for name in (field.name for field in fields(memory)):
        size = getattr(memory, name)
        if isinstance(size, Size):
            calls = "" if size.calls is None else f"calls {size.calls}"
            remark = "; ".join(filter(None, (size.reason, calls, size.stopped)))
            rows.append((name.replace("_", " "), _number(size.mb, 3), size.source, remark))
        elif isinstance(size, StateSizes):
            rows += [(text, _number(getattr(size, part), 3), *reported) for part, text in _SIZES.items()]
        elif name == "paper_mb" and size is not None:
            rows.append(("parameters and bank (the column of papers)", _number(size, 3), *reported))
    return _Table("Memory in MB (1e6 bytes)", ("what", "MB", "source", "remark"), rows, (1,)) if rows else None


def _state_check(memory: Memory) -> list[str]:
    return [f"state check: {_text(to_builtins(memory.state_check))}"] if memory.state_check is not None else []


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
            **{f"{name} samples": count for name, count in to_builtins(record.samples).items()},
        }
    )


def _settings(record: Record) -> Iterator[_Table]:
    """Yield tables of names and values; those without values are left out."""
    cell = record.cell
    parameters = _texts(cell.parameters)
    tables = {
        "Parameters": {name: text + " (given)" * (name in cell.given) for name, text in parameters.items()},
        "Protocol": _texts(cell.protocol.to_json() | {"digest": cell.protocol.digest}),
        "Pretrained files": _texts(to_builtins(record.weights)),
        "Seconds of each stage": {name: f"{value:.2f}" for name, value in record.seconds.items()},
    }
    for caption, texts in tables.items():
        if texts:
            yield _Table(caption, ("name", "value"), list(texts.items()))


def _images(details: Details) -> _Table | None:
    headings = ("image", "defect", "label", "score")
    rows = [
        (image.id, ", ".join((image.defect, *image.also)), str(image.label), f"{image.score:.6f}")
        for image in details.images
    ]
    return _Table(f"Scores of {len(rows)} test images", headings, rows, (2, 3)) if rows else None


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {str(name): _text(value) for name, value in values.items()}


def _text(value: object) -> str:
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


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
