"""Read committed CSV files strictly: a wrong line is an error that names it, and is never skipped."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path

from harness.errors import DataError

__all__ = ["csv_number", "read_csv"]


def read_csv(
    path: Path,
    columns: Sequence[str],
    what: str,
    old_names: Mapping[str, str] | None = None,
    *,
    skip_empty: bool = False,
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield every line of a CSV file below its heading.

    Parameters
    ----------
    path
        Of the file.
    columns
        Names that its first line must hold.
    what
        What the file holds, for messages: ``a leaderboard``.
    old_names
        Names of columns in files of earlier versions, to those of today.
    skip_empty
        Whether empty lines are left out; each is an error otherwise.

    Yields
    ------
    tuple
        The line's place, to begin a message with, and its fields by column.

    Raises
    ------
    DataError
        Where the file can't be read, or a line has the wrong number of fields.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            lines = [(reader.line_num, fields) for fields in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} can't be read as {what} ({error}): restore the file.") from error
    renamed = old_names or {}
    if not lines or [renamed.get(name, name) for name in lines[0][1]] != list(columns):
        raise DataError(
            f"{path}, line 1, must name the columns {','.join(columns)}: restore the file, or create it again."
        )
    for number, fields in lines[1:]:
        where = f"{path}, line {number},"
        if skip_empty and not fields:
            continue
        if len(fields) != len(columns):
            raise DataError(f"{where} has {len(fields)} fields instead of {len(columns)}: correct the line.")
        yield where, dict(zip(columns, fields, strict=True))


def csv_number(where: str, text: str) -> float | None:
    """Return a number from 0 on, None for an empty text; raise DataError for anything else."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not (isfinite(value) and value >= 0):
        raise DataError(f"{where} has '{text}' instead of a number from 0 on: correct the line.")
    return value
