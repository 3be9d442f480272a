"""What the scripts of the leaderboard know: columns, sections, rows, and the numbers of each record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.report.figures.colours import colour_of, on_dark, readable
from harness.report.html.columns import COLUMNS
from harness.report.html.plotdata import curve_rates, curves_of_line, random_splits, times_of_line
from harness.report.html.sections import Line, Section
from harness.store.quantities import ACCURACY, mean_over, quantity
from harness.store.record import Record
from harness.store.store import Store

__all__ = ["PER_RECORD", "board_data", "line_id", "section_id"]

PER_RECORD: tuple[str, ...] = (
    *(metric.id for metric in ACCURACY),
    *("fps", "device_median_ms", "end_to_end_median_ms", "memory_mb", "peak_inference_mb"),
)
"""Columns whose numbers are embedded for every record."""


def board_data(sections: Sequence[Section], pages: Mapping[str, str], store: Store | None = None) -> dict[str, Any]:
    """Return plain JSON values.

    Parameters
    ----------
    sections
        Of the leaderboard.
    pages
        Cell id to the address of its page.
    store
        Where counts lie; None leaves out PRO and ROC curves.
    """
    names = [[line_id(index, number) for number in range(len(one.lines))] for index, one in enumerate(sections)]
    labels = dict.fromkeys(line.label for section in sections for line in section.lines)
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
        "randomSplits": random_splits(sections, names),
        "sections": [_section(index, section, pages, store) for index, section in enumerate(sections)],
    }


def section_id(index: int) -> str:
    """Return the id of a section's rows in the page."""
    return f"setting-{index}"


def line_id(section: int, line: int) -> str:
    """Return the id of a row in the page."""
    return f"row-{section}-{line}"


def _colours(colour: str) -> list[str]:
    """Return the colours of a method's marks and of its name in text, and that of both on the dark page."""
    return [colour, readable(colour), on_dark(colour)]


def _section(index: int, section: Section, pages: Mapping[str, str], store: Store | None) -> dict[str, Any]:
    return {
        "id": section_id(index),
        "title": section.title,
        "dataset": section.dataset,
        "shots": str(section.shots),
        "split": section.split,
        "preset": section.preset,
        "weights": section.weights,
        "categories": list(section.categories),
        "warning": section.warning,
        "lines": [
            _line(line_id(index, number), line, pages) | _plots(section, line, store)
            for number, line in enumerate(section.lines)
        ],
    }


def _line(name: str, line: Line, pages: Mapping[str, str]) -> dict[str, Any]:
    values = {
        column.id: value.text for column, value in zip(COLUMNS, line.values, strict=True) if value.number is not None
    }
    reasons: dict[str, list[str]] = {}
    for column, value in zip(COLUMNS, line.values, strict=True):
        if value.number is None and value.note and not line.published:
            reasons.setdefault(value.note, []).append(column.quantity.title)
    row = {
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


def _plots(section: Section, line: Line, store: Store | None) -> dict[str, Any]:
    """Return what plots of raw times and curves show of a measured row; nothing of a published one."""
    if line.method is None:
        return {}
    curves, reason = curves_of_line(section, line, store) if store else ({}, "")
    times, left_out = times_of_line(section, line, store) if store else ([], "")
    plots = {"curves": curves, "whyNoCurves": reason, "times": times, "timesLeftOut": left_out}
    return {name: value for name, value in plots.items() if value}


def _record(record: Record, pages: Mapping[str, str]) -> list[Any]:
    """Return category, status, address of the page, and numbers as printed, in the order of ``PER_RECORD``."""
    values = []
    for one in map(quantity, PER_RECORD) if record.status == "ok" else ():
        number, _ = mean_over(one, {record.cell.category: record})
        values.append("-" if number is None else one.text(number))
    return [record.cell.category, record.status, pages[record.cell.id], *values]
