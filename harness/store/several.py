"""Several results folders, and those of other machines in them, read as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.cell import Cell
from harness.files.left_out import LeftOut
from harness.store.record import Record
from harness.store.store import MACHINES, Store

__all__ = ["open_store"]


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
        self._elsewhere: tuple[tuple[Record, Store], ...] = ()

    @property
    def folders_read(self) -> tuple[Path, ...]:
        """The results folders that records are read from."""
        return tuple(store.folder for store in self._stores)

    def all(self) -> list[Record]:
        """Return one record of every cell, in the order of file names."""
        by_cell: dict[str, list[tuple[Record, Store]]] = {}
        for store in self._stores:
            for record in store.all():
                by_cell.setdefault(record.cell.id, []).append((record, store))
        chosen: list[Record] = []
        elsewhere: list[tuple[Record, Store]] = []
        for id, places in by_cell.items():
            best, self._homes[id] = max(places, key=lambda place: _rank(place[0]))
            chosen.append(best)
            newest = {best.environment.hardware: best}
            for record, store in sorted(places, key=lambda place: _rank(place[0]), reverse=True):
                if record.status == "ok" and newest.setdefault(record.environment.hardware, record) is record:
                    elsewhere += [(record, store)] if record is not best else []
        self._elsewhere = tuple(elsewhere)
        return sorted(chosen, key=lambda record: record.cell.stem)

    @property
    def elsewhere(self) -> tuple[Record, ...]:
        """Ok records of the cells of :meth:`all` on other machines, the newest of each."""
        return tuple(record for record, _ in self._elsewhere)

    def home(self, record: Record) -> Store:
        """Return the store in which a record and what is kept beside it lie."""
        return next((store for other, store in self._elsewhere if other is record), self._home(record.cell))

    def all_failed(self) -> list[Record]:
        """Return the failed attempts that lie beside the records that count."""
        return [record for store in self._stores for record in store.all_failed() if self._home(record.cell) is store]

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The files of all folders that were met so far and can't be used."""
        return (*(file for store in self._stores for file in store.left_out), *super().left_out)

    def path(self, cell: Cell) -> Path:
        """Return where the record of a cell lies that counts."""
        return Store.path(self._home(cell), cell)

    def failed_path(self, cell: Cell) -> Path:
        """Return where the failed attempt beside that record lies."""
        return Store.failed_path(self._home(cell), cell)

    def counts_path(self, cell: Cell) -> Path:
        """Return where the archive of that record lies."""
        return Store.counts_path(self._home(cell), cell)

    def maps_path(self, cell: Cell) -> Path:
        """Return where the maps of that record lie."""
        return Store.maps_path(self._home(cell), cell)

    def _home(self, cell: Cell) -> Store:
        return self._homes.get(cell.id, self._stores[0])


def _rank(record: Record) -> tuple[bool, str]:
    return record.status == "ok", record.created


def open_store(folders: Sequence[Path]) -> Store:
    """Return the records of one or several results folders, with those of other machines in them, read as one."""
    places = [place for folder in folders for place in (folder, *_machines(folder))]
    return Store(places[0]) if len(places) == 1 else _ManyStores(places)


def _machines(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in (folder / MACHINES).iterdir() if (path / "cells").is_dir())
    except OSError:
        return []
