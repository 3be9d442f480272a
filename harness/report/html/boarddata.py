"""What the scripts of the leaderboard know: columns, sections, rows, numbers of each record, what plots show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.report.figures.colours import colour_of, on_dark, readable
from harness.report.figures.curves_data import LIMITS, CurveKind, mean_curve
from harness.report.figures.latency_data import WINDOWS, LatencyRow, method_latencies
from harness.report.figures.shots_data import random_splits
from harness.report.groups import Group, MethodRecords
from harness.report.html.columns import COLUMNS, BoardColumn, present_columns
from harness.report.html.comparison import comparisons
from harness.report.html.downloads import latex_data
from harness.report.html.sections import Line, Section
from harness.report.uncertainty import Uncertainty
from harness.store.means import mean_over
from harness.store.quantities import ACCURACY, quantity
from harness.store.record import Record
from harness.store.store import Store

__all__ = ["PER_RECORD", "board_data", "curve_rates", "line_id", "section_id"]

PER_RECORD: tuple[str, ...] = (
    *(metric.id for metric in ACCURACY),
    *("fps", "device_median_ms", "end_to_end_median_ms", "memory_mb", "peak_inference_mb"),
)
"""Columns whose numbers are embedded for every record."""

_KINDS: tuple[CurveKind, ...] = ("pro", "roc")
_DIGITS = 4


def board_data(
    sections: Sequence[Section],
    pages: Mapping[str, str],
    store: Store | None = None,
    intervals: Uncertainty | None = None,
) -> dict[str, object]:
    """Return plain JSON values.

    Parameters
    ----------
    sections
        Of the leaderboard.
    pages
        Cell id to the address of its page.
    store
        Where counts lie; None leaves out PRO and ROC curves.
    intervals
        Of that folder; None leaves out comparisons of two methods.
    """
    labels = dict.fromkeys(line.label for section in sections for line in section.lines)
    present = present_columns(line.values for section in sections for line in section.lines)
    return {
        "columns": [
            {
                "id": column.id,
                "title": column.quantity.title,
                "kind": column.kind,
                "lowest": column.quantity.lowest,
                "machine": column.quantity.of_machine,
            }
            for column in COLUMNS
        ],
        "perRecord": list(PER_RECORD),
        "colours": {label: _colours(colour_of(label)) for label in labels},
        "rates": [round(float(rate), 6) for rate in curve_rates()],
        "randomSplits": _random_splits(sections),
        "latex": latex_data(sections),
        "comparisons": comparisons(sections, intervals) if intervals else [],
        "sections": [_section(index, section, pages, store, present) for index, section in enumerate(sections)],
    }


def section_id(index: int) -> str:
    """Return the id of a section's rows in the page."""
    return f"setting-{index}"


def line_id(section: int, line: int) -> str:
    """Return the id of a row in the page."""
    return f"row-{section}-{line}"


def curve_rates() -> NDArray[np.float64]:
    """Return the false positive rates of embedded curves: from 0 to 1, dense up to 1%, with 1% and 30%."""
    fine = np.concatenate([[1e-5, 2e-5, 5e-5, 1e-4], np.linspace(0, 0.01, 51)])
    return np.unique(np.concatenate([fine, np.linspace(0.01, 0.3, 59), np.linspace(0.3, 1, 29)]))


def _random_splits(sections: Sequence[Section]) -> list[dict[str, object]]:
    """Return the ids of the rows that means over random splits are taken of, and each mean with its interval."""
    rows = [
        (line_id(index, number), section.group, line.method)
        for index, section in enumerate(sections)
        for number, line in enumerate(section.lines)
        if section.group is not None and line.method is not None
    ]
    return [
        {
            "lines": names,
            "values": {
                metric: [round(end, _DIGITS) for end in (point.value, point.low, point.high) if end is not None]
                for metric, point in points.items()
            },
        }
        for names, points in random_splits(rows)
    ]


def _colours(colour: str) -> list[str]:
    """Return the colours of a method's marks and of its name in text, and that of both on the dark page."""
    return [colour, readable(colour), on_dark(colour)]


def _section(
    index: int, section: Section, pages: Mapping[str, str], store: Store | None, present: Sequence[BoardColumn]
) -> dict[str, object]:
    return {
        "id": section_id(index),
        **{name: getattr(section, name) for name in ("title", "dataset", "split", "preset", "weights", "warning")},
        "shots": str(section.shots),
        "categories": list(section.categories),
        "lines": [
            _line(line_id(index, number), line, pages, present) | _plots(section.group, line.method, store)
            for number, line in enumerate(section.lines)
        ],
    }


def _line(name: str, line: Line, pages: Mapping[str, str], present: Sequence[BoardColumn]) -> dict[str, object]:
    values = {
        column.id: value.text for column, value in zip(COLUMNS, line.values, strict=True) if value.number is not None
    }
    reasons: dict[str, list[str]] = {}
    for column, value in zip(COLUMNS, line.values, strict=True):
        if value.number is None and value.note and not line.published and column in present:
            reasons.setdefault(value.note, []).append(column.quantity.title)
    row: dict[str, object] = {
        "id": name,
        "label": line.label,
        "published": line.published,
        "device": line.device,
        "values": values,
        "note": line.note,
        "reasons": [[", ".join(titles), reason] for reason, titles in reasons.items()],
    }
    if line.method is not None:
        row["records"] = [_record(record, pages) for record in line.method.records.values()]
    return row


def _record(record: Record, pages: Mapping[str, str]) -> list[Any]:
    """Return category, status, address of the page, and numbers as printed, in the order of ``PER_RECORD``."""
    values = []
    for column in map(quantity, PER_RECORD) if record.status == "ok" else ():
        number, _ = mean_over(column, {record.cell.category: record})
        values.append("-" if number is None else column.text(number))
    return [record.cell.category, record.status, pages[record.cell.id], *values]


def _plots(group: Group | None, method: MethodRecords | None, store: Store | None) -> dict[str, object]:
    """Return what plots of raw times and curves show of a measured row; nothing of a published one."""
    if group is None or method is None or store is None:
        return {}
    curves, reason = _curves(group, method, store)
    rows, notes = method_latencies(group, method, store)
    left_out = notes[0] if notes else ""
    if more := len(notes) - 1 if notes else 0:
        left_out += f" So {'are' if more > 1 else 'is'} {more} more of its records."
    plots = {"curves": curves, "whyNoCurves": reason, "times": list(map(_times, rows)), "timesLeftOut": left_out}
    return {name: value for name, value in plots.items() if value}


def _curves(group: Group, method: MethodRecords, store: Store) -> tuple[dict[str, list[float]], str]:
    """Return a row's curves by kind at :func:`curve_rates`, PRO up to 30%; none and the reason where one lacks."""
    curves: dict[str, list[float]] = {}
    rates = curve_rates()
    for kind in _KINDS if method.ok else ():
        curve, lacking = mean_curve(group, method, store, kind)
        if curve is None or lacking:
            return {}, "not every category left counts"
        shown = rates if kind == "roc" else rates[rates <= LIMITS["aupro_30"]]
        curves[kind] = [round(float(value), _DIGITS) for value in curve.at(shown)]
    return curves, ""


def _times(row: LatencyRow) -> dict[str, object]:
    quantiles = {window: [round(time, 3) for time in row.quantiles(window)] for window in WINDOWS}
    return quantiles | {"machine": row.device, "calls": {window: len(times) for window, times in row.times.items()}}
