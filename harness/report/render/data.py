"""Tables for programs: JSON and CSV, one entry for each number."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence

from harness.files.csvfile import guarded
from harness.report.grid import Grid

__all__ = ["FIELDS", "as_csv", "as_json", "entries"]

FIELDS = (
    "kind",
    "source",
    "table",
    "dataset",
    "preset",
    "weights",
    "split",
    "shots",
    "condition",
    "method",
    "category",
    "defect",
    "window",
    "metric",
    "value",
    "low",
    "high",
    "tied",
    "detectable",
    "images_needed",
    "how",
    "note",
)
"""Columns of the CSV format; those that say nothing about a number are empty."""

_OPTIONAL = ("low", "high", "detectable", "images_needed")
"""What only some numbers have."""


def entries(grid: Grid) -> Iterator[dict[str, str | float | bool | None]]:
    """Yield every number of a table with all that distinguishes it from the others; ``value`` is None for a dash.

    Numbers with an interval have its ends as ``low`` and ``high``, others None.
    """
    for row in grid.rows:
        for column, value in zip(grid.columns, row.values, strict=True):
            if not value.text:
                continue
            notes = dict.fromkeys(note for note in (*(label.note for label in row.labels), value.note) if note)
            yield {
                **grid.keys,
                **row.keys,
                **column.keys,
                "value": value.number,
                "low": value.low,
                "high": value.high,
                **({"metric": value.quantity} if value.quantity else {}),
                "text": value.text,
                "tied": value.tied,
                "detectable": value.detectable,
                "images_needed": value.images_needed,
                "note": " ".join(notes),
            }


def as_json(grids: Sequence[Grid]) -> str:
    """Return tables as a JSON list: title, caption, warning, and a flat list of values each."""
    tables = [
        {
            "title": grid.title,
            "caption": grid.caption,
            "warning": grid.warning,
            **grid.keys,
            "values": [_without_context(entry, grid) for entry in entries(grid)],
        }
        for grid in grids
    ]
    return json.dumps(tables, indent=1, ensure_ascii=False, allow_nan=False)


def _without_context(entry: Mapping[str, object], grid: Grid) -> dict[str, object]:
    """Leave out what the table says of all numbers, the printed text, and ends of an interval that is not there."""
    absent = {"text", *(key for key in _OPTIONAL if entry[key] is None)}
    return {key: value for key, value in entry.items() if key not in grid.keys and key not in absent}


def as_csv(grids: Sequence[Grid]) -> str:
    """Return all numbers as one CSV table with the columns :data:`FIELDS`, one number a line.

    Published values keep their printed decimals, others have six.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, FIELDS, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for grid in grids:
        for entry in entries(grid):
            note = " ".join(filter(None, (grid.warning, str(entry["note"]))))
            tied = "yes" if entry["tied"] else ""
            numbers = {"value": _plain_number(entry)}
            numbers |= {key: _decimals(entry[key]) for key in _OPTIONAL}
            texts = {key: guarded(str(value)) for key, value in {**entry, "note": note}.items()}
            writer.writerow({**texts, **numbers, "tied": tied})
    return stream.getvalue().rstrip("\n")


def _plain_number(entry: Mapping[str, str | float | bool | None]) -> str:
    number, text = entry["value"], str(entry["text"])
    if number is None:
        return ""
    return text if entry.get("source") == "published" else _decimals(number)


def _decimals(number: str | float | None) -> str:
    return "" if number is None else f"{number:.6f}".rstrip("0").rstrip(".")
