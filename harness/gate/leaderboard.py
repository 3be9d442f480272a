"""The leaderboard: one CSV file for each dataset and preset, committed, one line for each cell.

A line holds what ``harness check`` compares a later run with. Its key is method, category, shots, split and weights,
not the id of the cell, so that a setting that was changed on purpose is reported as changed and not as missing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError, PrerequisiteError
from harness.files.atomic import write_atomically
from harness.files.csvfile import read_csv
from harness.gate.rows import COLUMNS, BoardRow, CellKey, parse_row, row_texts
from harness.protocol import PRESETS
from harness.store.quantities import OLD_IDS
from harness.store.record import Record

__all__ = ["Board", "Latest", "Merged", "find_boards", "latest", "merge"]


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
        """Where the file lies, whether it exists or not."""
        return self.folder / f"{self.name}.csv"

    def to_json(self) -> dict[str, str]:
        """Return its file, dataset and preset as plain JSON values."""
        return {"path": str(self.path), "dataset": self.dataset, "preset": self.preset}

    def read(self) -> tuple[BoardRow, ...]:
        """Return all lines, none where there is no file.

        Raises
        ------
        DataError
            Where the file can't be read or a line can't be used: the sentence names the file and the line.
        """
        rows: dict[CellKey, BoardRow] = {}
        for where, line in read_csv(self.path, COLUMNS, "a leaderboard", OLD_IDS) if self.path.exists() else ():
            row = parse_row(where, line)
            if row.key in rows:
                raise DataError(f"{where} is about {row.key} for the second time: remove one of the lines.")
            rows[row.key] = row
        return tuple(rows.values())

    def write(self, rows: Iterable[BoardRow]) -> None:
        """Write lines in their order, atomically; equal lines give equal bytes."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(row_texts(row) for row in sorted(rows, key=lambda row: row.key.order))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, stream.getvalue().encode())
        except OSError as error:
            raise PrerequisiteError(
                f"The leaderboard {self.path} can't be written ({error.strerror}): make its folder writable, or name "
                "another with --leaderboard DIR."
            ) from error


def find_boards(folder: Path) -> tuple[Board, ...]:
    """Return every leaderboard of a folder that has a file, by name."""
    stems = [path.stem.rpartition("-") for path in sorted(folder.glob("*-*.csv"))]
    return tuple(Board(folder, dataset, preset) for dataset, _, preset in stems if preset in PRESETS)


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
