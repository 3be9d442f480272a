"""Read committed CSV files strictly: a wrong line is an error that names it, and is never skipped in silence."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import NoReturn

from harness.errors import DataError
from harness.files.names import one_line
from harness.files.reading import read_regular

__all__ = ["csv_number", "guarded", "read_csv", "unguarded"]

_LARGEST = 64_000_000
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a text begins that a spreadsheet takes for a formula, or that :func:`guarded` has changed."""


def guarded(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: one that begins like it gets an apostrophe."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """Undo :func:`guarded`."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


def _raise(error: DataError) -> NoReturn:
    raise error


def read_csv(
    path: Path,
    columns: Sequence[str],
    what: str,
    old_names: Mapping[str, str] | None = None,
    *,
    optional: Collection[str] = (),
    skip_empty: bool = False,
    refuse: Callable[[DataError], object] = _raise,
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield every line of a CSV file below its heading.

    Parameters
    ----------
    path
        Of the file.
    columns
        Names that its first line must hold, in their order.
    what
        What the file holds, for messages: ``a leaderboard``.
    old_names
        Names of columns in files of earlier versions, to those of today.
    optional
        Those of the columns that a file may lack.
    skip_empty
        Whether empty lines are left out; each is an error otherwise.
    refuse
        Gets the error of a line with the wrong number of fields, which is then left out; raises it by default.

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
        text = read_regular(path, _LARGEST).decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        lines = [(reader.line_num, fields) for fields in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} can't be read as {what} ({error}): restore the file.") from error
    renamed = old_names or {}
    found = [renamed.get(name, name) for name in lines[0][1]] if lines else []
    if found != [name for name in columns if name in found or name not in optional]:
        raise DataError(
            f"{path}, line 1, must name the columns {','.join(columns)}: restore the file, or create it again."
        )
    for number, fields in lines[1:]:
        where = f"{path}, line {number},"
        if skip_empty and not fields:
            continue
        if len(fields) != len(found):
            refuse(DataError(f"{where} has {len(fields)} fields instead of {len(found)}: correct the line."))
            continue
        yield where, dict(zip(found, fields, strict=True))


def csv_number(where: str, text: str) -> float | None:
    """Return a number from 0 on, None for an empty text; raise DataError for anything else."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not (isfinite(value) and value >= 0):
        raise DataError(f"{where} has '{one_line(text)}' instead of a number from 0 on: correct the line.")
    return value
