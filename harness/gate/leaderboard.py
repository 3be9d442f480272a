"""The leaderboard: one CSV file for each dataset and preset, committed, one line for each cell.

A line holds what ``harness check`` compares a later run with. Its key is method, category, shots, split and weights,
not the id of the cell, so that a setting that was changed on purpose is reported as changed and not as missing.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError, PrerequisiteError
from harness.files.atomic import write_atomically
from harness.files.csvfile import read_csv
from harness.files.left_out import LeftOut, left_out_text
from harness.files.names import bad_name_reason, one_line
from harness.gate.rows import COLUMNS, ON_CUDA_ALONE, BoardRow, CellKey, columns_of, parse_row, row_texts
from harness.protocol import PRESETS
from harness.store.quantities import OLD_IDS
from harness.store.record import Record

__all__ = ["Board", "BoardLines", "Latest", "Merged", "find_boards", "latest", "left_out_lines_text", "merge"]


@dataclass(frozen=True, slots=True)
class Board:
    """The leaderboard of a dataset at a preset.

    Parameters
    ----------
    folder
        Of all leaderboards.
    dataset, preset
        What all its cells share.
    """

    folder: Path
    dataset: str
    preset: str

    @property
    def name(self) -> str:
        """Dataset and preset, as in the file's name."""
        return f"{self.dataset}-{self.preset}"

    @property
    def path(self) -> Path:
        """Where the file lies, whether it exists or not; raise ValueError where that would be another folder."""
        if reason := bad_name_reason(self.name):
            raise ValueError(f"no leaderboard can have the name '{one_line(self.name)}': {reason}")
        return self.folder / f"{self.name}.csv"

    def to_json(self) -> dict[str, str]:
        """Return its file, dataset and preset as plain JSON values."""
        return {"path": str(self.path), "dataset": self.dataset, "preset": self.preset}

    def read(self) -> BoardLines:
        """Return all lines, none where there is no file; those that can't be used are left out with their reason."""
        rows: dict[CellKey, BoardRow] = {}
        refused: list[DataError] = []
        try:
            for where, line in self._lines(refused.append):
                try:
                    row = parse_row(where, line)
                    if row.key in rows:
                        raise DataError(f"{where} is about {row.key} for the second time: remove one of the lines.")
                except DataError as error:
                    refused.append(error)
                    continue
                rows[row.key] = row
        except DataError as error:
            refused.append(error)
        why = (str(error).removeprefix(f"{self.path}, ").removesuffix(".") for error in refused)
        return BoardLines(tuple(rows.values()), tuple(LeftOut(self.path, text) for text in why))

    def read_all(self) -> tuple[BoardRow, ...]:
        """Return all lines; raise DataError where one can't be used, which names it."""
        lines = self.read()
        if lines.left_out:
            raise DataError(left_out_lines_text(lines.left_out))
        return lines.rows

    def _lines(self, refuse: Callable[[DataError], object]) -> Iterable[tuple[str, dict[str, str]]]:
        if not os.path.lexists(self.path):
            return ()
        return read_csv(self.path, COLUMNS, "a leaderboard", OLD_IDS, optional=ON_CUDA_ALONE, refuse=refuse)

    def write(self, rows: Iterable[BoardRow]) -> None:
        """Write lines in their order, atomically; equal lines give equal bytes."""
        stream = io.StringIO()
        ordered = sorted(rows, key=lambda row: row.key.order)
        writer = csv.DictWriter(stream, columns_of(ordered), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(row_texts, ordered))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, stream.getvalue().encode())
        except OSError as error:
            raise PrerequisiteError(
                f"The leaderboard {self.path} can't be written ({error.strerror}): make its folder writable, or name "
                "another with --leaderboard DIR."
            ) from error


@dataclass(frozen=True, slots=True)
class BoardLines:
    """The lines of a leaderboard, and those that can't be used."""

    rows: tuple[BoardRow, ...]
    left_out: tuple[LeftOut, ...]


def left_out_lines_text(left_out: Sequence[LeftOut]) -> str:
    """Return the sentence on lines of leaderboards that can't be used, of which there is at least one."""
    return left_out_text(left_out, "lines", "correct them, or restore the file.")


def find_boards(folder: Path) -> tuple[Board, ...]:
    """Return every leaderboard of a folder that has a file, by name; names that begin with a dot are passed over."""
    stems = [path.stem.rpartition("-") for path in sorted(folder.glob("[!.]*-*.csv"))]
    names = [(dataset, preset) for dataset, _, preset in stems if preset in PRESETS and not bad_name_reason(dataset)]
    return tuple(Board(folder, dataset, preset) for dataset, preset in names)


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest record of each key.

    Parameters
    ----------
    records
        Whatever their status.
    several
        Keys with an older record of other settings, which is ignored.
    """

    records: Mapping[CellKey, Record]
    several: tuple[CellKey, ...]

    @property
    def rows(self) -> tuple[BoardRow, ...]:
        """The lines of those records that are ok."""
        return tuple(BoardRow.of(record) for record in self.records.values() if record.status == "ok")


def latest(records: Iterable[Record]) -> Latest:
    """Return the newest record of each key, of records of one dataset and preset."""
    by_key: dict[CellKey, list[Record]] = {}
    for record in sorted(records, key=lambda record: (record.created, record.cell.id)):
        by_key.setdefault(CellKey.of(record.cell), []).append(record)
    keys = sorted(by_key, key=lambda key: key.order)
    return Latest({key: by_key[key][-1] for key in keys}, tuple(key for key in keys if len(by_key[key]) > 1))


@dataclass(frozen=True, slots=True)
class Merged:
    """New lines of a leaderboard, and which keys were added, changed, kept and dropped."""

    rows: tuple[BoardRow, ...]
    added: tuple[CellKey, ...]
    changed: tuple[CellKey, ...]
    kept: tuple[CellKey, ...]
    dropped: tuple[CellKey, ...]


def merge(old: Sequence[BoardRow], fresh: Sequence[BoardRow], drops: Callable[[CellKey], bool] | None = None) -> Merged:
    """Put fresh lines in the place of old ones of the same key.

    Parameters
    ----------
    old, fresh
        Each without repeated keys.
    drops
        Whether an old line without a fresh one is dropped; all are kept where None.
    """
    before, now = {row.key: row for row in old}, {row.key: row for row in fresh}
    dropped = {key for key in before if key not in now and drops is not None and drops(key)}
    rows = {key: row for key, row in (before | now).items() if key not in dropped}
    keys = sorted(rows, key=lambda key: key.order)
    return Merged(
        rows=tuple(rows[key] for key in keys),
        added=tuple(key for key in keys if key not in before),
        changed=tuple(key for key in keys if key in before and rows[key] != before[key]),
        kept=tuple(key for key in keys if key in before and rows[key] == before[key]),
        dropped=tuple(sorted(dropped, key=lambda key: key.order)),
    )
