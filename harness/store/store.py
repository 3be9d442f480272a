"""Records: one JSON file for each cell, written atomically; tables, figures and gates are views of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path

from harness.cell import Cell
from harness.errors import HarnessError, PrerequisiteError
from harness.files.atomic import write_atomically
from harness.store.record import Record, decode_record, encode_record

__all__ = ["Store", "open_store"]

_LEAST_FREE = 16_000_000


class Store:
    """The records of a results folder.

    Parameters
    ----------
    folder
        Usually ``results``; records lie in its ``cells``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cells = folder / "cells"

    def path(self, cell: Cell) -> Path:
        """Return where the record of a cell lies once it is complete."""
        return self.cells / f"{cell.stem}.json"

    def fitted_path(self, cell: Cell) -> Path:
        """Return where a cell's fitted method is kept, where that was asked for."""
        return self.folder / "fitted" / f"{cell.stem}.safetensors"

    def counts_path(self, cell: Cell) -> Path:
        """Return where an ok cell's archive lies: scores and pixel counts of its test images, and raw times."""
        return self.folder / "counts" / f"{cell.stem}.npz"

    def maps_path(self, cell: Cell) -> Path:
        """Return where the maps of a cell's test images are kept, where that was asked for."""
        return self.folder / "maps" / f"{cell.stem}.npz"

    @property
    def folders_read(self) -> tuple[Path, ...]:
        """The results folders that records are read from."""
        return (self.folder,)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where workers write: records, and what is kept beside them."""
        return (self.cells, *(self.folder / name for name in ("counts", "maps", "fitted")))

    def ensure_writable(self) -> None:
        """Raise PrerequisiteError, before any work, where no record could be written or the disk is almost full."""
        try:
            self.cells.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.cells):
                pass
            free = shutil.disk_usage(self.cells).free
        except OSError as error:
            raise PrerequisiteError(
                f"The results folder {self.cells} can't be written ({error.strerror}): "
                "make it writable, or name another with --results DIR."
            ) from error
        if free < _LEAST_FREE:
            raise PrerequisiteError(
                f"The disk of {self.cells} is full ({free / 1e6:.1f} MB free, {_LEAST_FREE / 1e6:.0f} MB needed): "
                "free some space, or name another folder with --results DIR; finished records are kept."
            )

    def read(self, cell: Cell) -> Record | None:
        """Return the record of a cell, None where there is none."""
        return _read(self.path(cell))

    def write(self, record: Record) -> Path:
        """Write a record: to a temporary name, then renamed; raise PrerequisiteError where the disk is full."""
        path = self.path(record.cell)
        content = encode_record(record)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        except OSError as error:
            raise PrerequisiteError(
                f"The record {path} can't be written ({error.strerror}): free some space or make its folder writable, "
                "and run the same command again; finished records are kept."
            ) from error
        return path

    def all(self) -> list[Record]:
        """Return every record, in the order of file names; an unreadable one is an error that names it.

        One that vanishes meanwhile, because another run is at work, is left out.
        """
        records = (_read(path) for path in sorted(self.cells.glob("*.json"), key=attrgetter("name")))
        return [record for record in records if record is not None]


class _ManyStores(Store):
    """Several results folders read as one: of the records of a cell the newest ok one counts, else the newest.

    Parameters
    ----------
    folders
        At least one; new files would be written to the first.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        super().__init__(folders[0])
        self._stores = tuple(map(Store, folders))
        self._homes: dict[str, Store] = {}

    @property
    def folders_read(self) -> tuple[Path, ...]:
        """The results folders that records are read from."""
        return tuple(store.folder for store in self._stores)

    def all(self) -> list[Record]:
        """Return one record of every cell, in the order of file names."""
        chosen: dict[str, tuple[tuple[bool, str], Record, Store]] = {}
        for store in self._stores:
            for record in store.all():
                rank = (record.status == "ok", record.created)
                if record.cell.id not in chosen or rank > chosen[record.cell.id][0]:
                    chosen[record.cell.id] = (rank, record, store)
        self._homes = {id: store for id, (_, _, store) in chosen.items()}
        return sorted((record for _, record, _ in chosen.values()), key=lambda record: record.cell.stem)

    def path(self, cell: Cell) -> Path:
        """Return where the record of a cell lies that counts."""
        return Store.path(self._home(cell), cell)

    def counts_path(self, cell: Cell) -> Path:
        """Return where the archive of that record lies."""
        return Store.counts_path(self._home(cell), cell)

    def maps_path(self, cell: Cell) -> Path:
        """Return where the maps of that record lie."""
        return Store.maps_path(self._home(cell), cell)

    def _home(self, cell: Cell) -> Store:
        return self._homes.get(cell.id, self._stores[0])


def open_store(folders: Sequence[Path]) -> Store:
    """Return the records of one or several results folders, read as one."""
    return Store(folders[0]) if len(folders) == 1 else _ManyStores(folders)


def _read(path: Path) -> Record | None:
    """Return the record in a file, None where there is none."""
    with _errors_name(path):
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return decode_record(content)


@contextmanager
def _errors_name(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, HarnessError) as error:
        raise PrerequisiteError(
            f"The record {path} can't be read ({type(error).__name__}: {error}): "
            "move it away and run its cell again with 'harness run'."
        ) from error
