"""Published numbers: CSV files that travel with the package, one for each source, read into typed rows.

Columns: ``source,table,dataset,method,shots,category,metric,value``. Names are those of this project; values keep the
decimals that the source prints.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.data.registry import DATASETS
from harness.data.splits import Shots, parse_shots
from harness.errors import DataError, HarnessError
from harness.files.bundled import published_dir
from harness.files.csvfile import read_csv
from harness.files.names import one_line
from harness.registry import parse_label, split_list
from harness.store.quantities import QUANTITIES, Quantity

__all__ = ["MEAN", "Published", "PublishedRow", "canonical_label", "read_published"]

MEAN = "mean"
"""Category of a value that is the mean over all categories of its dataset."""

_TABLE = re.compile(r"[A-Za-z0-9-]+")
_COLUMNS = ("source", "table", "dataset", "method", "shots", "category", "metric", "value")


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One printed number.

    Parameters
    ----------
    source
        Publication, for example ``costanzino2024``.
    table
        Number of its table, or what the number stands in: ``readme``.
    dataset, method, shots, category, metric
        Names of this project; the category is ``mean`` for a mean over all of them, and 0 shots are no training at all.
    text
        The value as it is printed.
    """

    source: str
    table: str
    dataset: str
    method: str
    shots: Shots
    category: str
    metric: str
    text: str

    @property
    def value(self) -> float:
        """The printed number."""
        return float(self.text)


@dataclass(frozen=True)
class Published:
    """All published numbers, in the order of their files.

    Parameters
    ----------
    rows
        As read; no two have the same source, table, dataset, method, shots, category and metric.
    """

    rows: tuple[PublishedRow, ...]

    @cached_property
    def _index(self) -> dict[tuple[str, str, Shots, str, str], PublishedRow]:
        index: dict[tuple[str, str, Shots, str, str], PublishedRow] = {}
        for row in self.rows:
            index.setdefault((row.dataset, row.method, row.shots, row.category, row.metric), row)
        return index

    @property
    def methods(self) -> tuple[str, ...]:
        """Labels of all methods, as printed, in order."""
        return tuple(dict.fromkeys(row.method for row in self.rows))

    def find(
        self, dataset: str, methods: Sequence[str], shots: Shots, category: str, metric: str
    ) -> PublishedRow | None:
        """Return the first number of a method under any of its labels; None where none is published."""
        rows = (self._index.get((dataset, method, shots, category, metric)) for method in methods)
        return next((row for row in rows if row is not None), None)

    def has(self, dataset: str, shots: Shots | None = None) -> bool:
        """Return whether there is any number for a dataset (with so many shots)."""
        return any(row.dataset == dataset and shots in (None, row.shots) for row in self.rows)


def read_published(folder: Path | None = None, quantities: Mapping[str, Quantity] = QUANTITIES) -> Published:
    """Read every CSV file of a folder, by file name.

    Parameters
    ----------
    folder
        The files that travel with the package where None.
    quantities
        What may be printed, by id.

    Raises
    ------
    DataError
        Where a file can't be read or a line can't be used: the sentence names the file and the line.
    """
    folder = folder or published_dir()
    rows: dict[PublishedRow, None] = {}
    seen: dict[tuple[object, ...], str] = {}
    for path in sorted(folder.glob("*.csv")):
        for where, line in read_csv(path, _COLUMNS, "a table of published numbers", skip_empty=True):
            row = _row(where, line, quantities)
            key = (row.source, row.table, row.dataset, row.method, row.shots, row.category, row.metric)
            if key in seen:
                raise DataError(f"{where} repeats what {seen[key]} says: remove one of the lines.")
            seen[key] = where
            rows[row] = None
    return Published(tuple(rows))


def canonical_label(method: str) -> str:
    """Return a method's label with its parameters sorted: ``cfm[b=1,a=2]`` becomes ``cfm[a=2,b=1]``."""
    name, parameters = parse_label(method)
    return f"{name}[{','.join(sorted(split_list(parameters)))}]" if parameters else name


def _row(where: str, line: Mapping[str, str], quantities: Mapping[str, Quantity]) -> PublishedRow:
    source, table, dataset, method, shots, category, metric, text = (line[name] for name in _COLUMNS)
    for name, value in line.items():
        if not value or value != value.strip():
            raise DataError(f"{where} has an empty or padded {name}: mend the line.")
    if not _TABLE.fullmatch(table):
        raise DataError(f"{where} has the table '{one_line(table)}': write its number, or a word such as readme.")
    if metric not in quantities:
        raise DataError(f"{where} has the unknown metric '{metric}': use one of {', '.join(quantities)}.")
    known = DATASETS[dataset].categories if dataset in DATASETS else None
    if known is not None and category != MEAN and category not in known:
        raise DataError(f"{where} has the category '{category}', which {dataset} hasn't: mend the line.")
    _check_value(where, quantities[metric], text)
    return PublishedRow(source, table, dataset, method, _shots(where, shots), category, metric, text)


def _shots(where: str, text: str) -> Shots:
    try:
        return 0 if text == "0" else parse_shots(text)
    except HarnessError as error:
        raise DataError(f"{where} has '{text}' shots: write a whole number, or full.") from error


def _check_value(where: str, quantity: Quantity, text: str) -> None:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not quantity.is_possible(value):
        raise DataError(f"{where} has the value '{text}', which is no {quantity.title}: mend the line.")
