"""One line of the leaderboard: taken from a record, written as text, read again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date

from harness.cell import Cell
from harness.data.splits import parse_shots, shots_order
from harness.errors import DataError
from harness.files.csvfile import csv_number, guarded, unguarded
from harness.files.names import bad_name_reason, one_line
from harness.store.environment import Environment
from harness.store.quantities import ACCURACY, IN_DEFAULT_MATH, quantity
from harness.store.record import Record

__all__ = ["COLUMNS", "METRIC_IDS", "ON_CUDA_ALONE", "BoardRow", "CellKey", "columns_of", "parse_row", "row_texts"]

METRIC_IDS: tuple[str, ...] = tuple(metric.id for metric in ACCURACY)
"""Columns of accuracy metrics."""


@dataclass(frozen=True, slots=True)
class CellKey:
    """What a line of the leaderboard is about.

    Parameters
    ----------
    method
        Label: name and the parameters a user named.
    category
        Of the dataset.
    shots, split
        Training samples.
    weights
        ``pretrained`` or ``random``, with ``+released`` where released trained weights replaced training.
    """

    method: str
    category: str
    shots: str
    split: str
    weights: str

    @classmethod
    def of(cls, cell: Cell) -> CellKey:
        """Return the key of a cell."""
        weights = cell.protocol.weights + ("+released" if cell.checkpoint else "")
        return cls(cell.label, cell.category, str(cell.shots), cell.split, weights)

    def __str__(self) -> str:
        shots = self.shots if self.shots == "full" else f"{self.shots}-shot"
        return f"{self.method} {self.category} {shots} {self.split} {self.weights}"

    @property
    def order(self) -> tuple[object, ...]:
        """Place in files and tables: by method, category, number of samples, split, weights."""
        return self.method, self.category, shots_order(parse_shots(self.shots)), self.split, self.weights


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One line of the leaderboard, with the decimals that the file keeps.

    Parameters
    ----------
    key
        What it is about.
    numbers
        Metrics in [0, 1]; latencies in milliseconds with the interval of their median; calls; memory in MB.
        None where undefined or not measured.
    hardware
        Speeds and peaks of memory are comparable on equal hardware only; empty where it is unknown.
    contended
        Whether something else kept the device busy.
    cell, protocol
        Digests; others mean that settings have changed.
    commit
        Of harness; its version where it ran from no checkout.
    created
        Date of the measurement.
    """

    key: CellKey
    numbers: Mapping[str, float | None]
    hardware: str
    contended: bool
    cell: str
    protocol: str
    commit: str
    created: str

    @classmethod
    def of(cls, record: Record) -> BoardRow:
        """Return the line of a record; raise DataError for a number that no file of a record can have."""
        environment, key = record.environment, CellKey.of(record.cell)
        numbers = {name: quantity(name).number(record) for name in NUMBERS}
        for name, number in numbers.items():
            if number is not None and not quantity(name).is_possible(number):
                raise DataError(f"The record of {key} has {number} for {name}: measure its cell again.")
        return cls(
            key=key,
            numbers={name: _kept(name, number) for name, number in numbers.items()},
            hardware=environment.hardware,
            contended=environment.contended,
            cell=record.cell.id,
            protocol=record.cell.protocol.digest,
            commit=_commit(environment),
            created=record.created[:10],
        )

    def to_json(self) -> dict[str, object]:
        """Return all columns by name."""
        rest = {name: getattr(self, name) for name in _REST}
        return {name: getattr(self.key, name) for name in _KEY} | dict(self.numbers) | rest


_TIMES = tuple(f"{window}_{part}_ms" for window in ("device", "end_to_end") for part in ("median", "low", "high"))

ON_CUDA_ALONE: tuple[str, ...] = tuple(IN_DEFAULT_MATH[name] for name in _TIMES)
"""Columns that a file without a number in them lacks: speeds in default math, which a CPU does not have."""

NUMBERS: tuple[str, ...] = (
    *METRIC_IDS,
    *_TIMES,
    *ON_CUDA_ALONE,
    "device_calls",
    "peak_inference_mb",
    "static_mb",
    "memory_mb",
)
"""Quantities that a line keeps."""

_DECIMALS = {name: 4 if name.endswith("_ms") else 3 for name in NUMBERS} | dict.fromkeys((*METRIC_IDS, "memory_mb"), 6)
_DECIMALS["device_calls"] = 0

_KEY = tuple(field.name for field in fields(CellKey))
_REST = tuple(field.name for field in fields(BoardRow) if field.name not in ("key", "numbers"))
COLUMNS = (*_KEY, *NUMBERS, *_REST)
"""Of the file, in order."""

_NEVER_EMPTY = (*_KEY, "cell", "protocol")
_FORMS = {
    "shots": re.compile(r"full|[1-9]\d{0,8}", re.ASCII),
    "weights": re.compile(r"(pretrained|random)(\+released)?"),
    "cell": re.compile(r"[0-9a-f]+"),
    "protocol": re.compile(r"[0-9a-f]+"),
}
_FLAGS = {"yes": True, "no": False}


def _kept(name: str, value: float | None) -> float | None:
    """Return a number with the decimals that the file keeps, so that a record and its line are equal."""
    return None if value is None else float(_text(name, value))


def _text(name: str, value: float | None) -> str:
    return "" if value is None else f"{value:.{_DECIMALS[name]}f}"


def columns_of(rows: Sequence[BoardRow]) -> tuple[str, ...]:
    """Return the columns of a file of some lines, in order: those of :data:`ON_CUDA_ALONE` where one has a number."""
    empty = {name for name in ON_CUDA_ALONE if all(row.numbers[name] is None for row in rows)}
    return tuple(name for name in COLUMNS if name not in empty)


def row_texts(row: BoardRow) -> dict[str, str]:
    """Return a line's texts by column."""
    numbers = {name: _text(name, row.numbers[name]) for name in NUMBERS}
    rest = {name: guarded(getattr(row, name)) for name in _REST if name != "contended"}
    key = {name: guarded(getattr(row.key, name)) for name in _KEY}
    return {**key, **numbers, **rest, "contended": "yes" if row.contended else "no"}


def parse_row(where: str, line: Mapping[str, str]) -> BoardRow:
    """Undo :func:`row_texts`.

    Parameters
    ----------
    where
        To begin a message with.
    line
        Texts by column; those of :data:`ON_CUDA_ALONE` may be missing.

    Raises
    ------
    DataError
        For a text that its column can't have.
    """
    empty = [name for name in _NEVER_EMPTY if not line[name]]
    if empty:
        raise DataError(f"{where} has an empty {empty[0]}: correct the line.")
    if line["contended"] not in _FLAGS:
        raise DataError(f"{where} has '{one_line(line['contended'])}' for contended: write yes or no.")
    texts = {name: unguarded(line[name]) for name in (*_KEY, *_REST)}
    _check_texts(where, texts)
    numbers = {name: csv_number(where, line.get(name, "")) for name in NUMBERS}
    for name, number in numbers.items():
        if number is not None and not quantity(name).is_possible(number):
            raise DataError(
                f"{where} has {line[name]} for {name}, which lies in [0, {quantity(name).highest:g}]: correct the line."
            )
    return BoardRow(
        key=CellKey(**{name: texts[name] for name in _KEY}),
        numbers=numbers,
        contended=_FLAGS[line["contended"]],
        **{name: texts[name] for name in _REST if name != "contended"},
    )


def _check_texts(where: str, texts: Mapping[str, str]) -> None:
    """Raise DataError for a text that can't be a name, a digest or a date."""
    for name in ("category", "split"):
        if reason := bad_name_reason(texts[name]):
            raise DataError(f"{where} has a {name} that can't be one, {reason}: correct the line.")
    for name, text in texts.items():
        if not text.isprintable():
            raise DataError(f"{where} has control characters in its {name}: correct the line.")
    for name, form in _FORMS.items():
        if not form.fullmatch(texts[name]):
            raise DataError(f"{where} has '{one_line(texts[name])}' for {name}: correct the line.")
    try:
        date.fromisoformat(texts["created"] or "2000-01-01")
    except ValueError as error:
        raise DataError(f"{where} has '{one_line(texts['created'])}' instead of a date: correct the line.") from error


def _commit(environment: Environment) -> str:
    if environment.git:
        return f"{environment.git.commit[:12]}{'-dirty' if environment.git.dirty else ''}"
    return f"v{environment.harness}" if environment.harness else ""
