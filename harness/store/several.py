"""Several results folders, and those of other machines in them, read as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.cell import Cell
from harness.files.digest import canonical_json
from harness.files.left_out import LeftOut
from harness.store.provenance import stale_reasons
from harness.store.query import RecordQuery
from harness.store.record import Record
from harness.store.store import MACHINES, Store

__all__ = ["open_store", "rank", "stores_in"]

_Place = tuple[Record, Store]


class _ManyStores(Store):
    """Several results folders read as one: of the records of a cell the newest ok one counts, else the newest.

    Where several machines have measured a cell, that of the machine counts that has measured the most cells of the
    method under its setting, so that a mean is over numbers of one machine wherever one has them all.

    Parameters
    ----------
    stores
        At least one; new files would be written to the first.
    device
        Where not empty, records of this device (:class:`harness.store.query.RecordQuery`) count before others.
    """

    def __init__(self, stores: Sequence[Store], device: str = "") -> None:
        super().__init__(stores[0].folder)
        self._stores = tuple(stores)
        self._wanted = RecordQuery(device=device)
        self._homes: dict[str, Store] = {}
        self._elsewhere: tuple[tuple[Record, Store], ...] = ()

    @property
    def folders_read(self) -> tuple[Path, ...]:
        """The results folders that records are read from."""
        return tuple(store.folder for store in self._stores)

    def all(self) -> list[Record]:
        """Return one record of every cell, in the order of file names."""
        by_cell: dict[str, list[_Place]] = {}
        for store in self._stores:
            for record in store.all():
                by_cell.setdefault(record.cell.id, []).append((record, store))
        chosen: list[Record] = []
        elsewhere: list[_Place] = []
        ranks = _ranks_of_machines([record for places in by_cell.values() for record, _ in places])

        def order(place: _Place) -> tuple[object, ...]:
            record = place[0]
            return self._wanted.keeps(record), record.status == "ok", ranks.get(id(record), ()), record.created

        for cell, places in by_cell.items():
            best, self._homes[cell] = max(places, key=order)
            chosen.append(best)
            newest = {best.environment.hardware: best}
            for record, store in sorted(places, key=lambda place: rank(place[0]), reverse=True):
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


def rank(record: Record) -> tuple[bool, str]:
    """Return what orders the records of a cell on one machine: the largest counts, the newest ok one, else the newest.

    The times of runs are in UTC, so their texts are in the order of time.
    """
    return record.status == "ok", record.created


def _ranks_of_machines(records: Sequence[Record]) -> Mapping[int, tuple[bool, int, str]]:
    """Return what orders the ok records of cells that several machines have measured, by the identity of a record.

    A record that is not stale comes first, then one of the machine with the most of these in its row of a table, then
    one of the machine that was the last to measure one.
    """
    ok = [record for record in records if record.status == "ok"]
    machines: dict[str, set[str]] = {}
    for record in ok:
        machines.setdefault(record.cell.id, set()).add(record.environment.hardware)
    if all(len(names) < 2 for names in machines.values()):
        return {}
    fresh = {id(record): not reason for record, reason in zip(ok, stale_reasons(ok), strict=True)}
    rows: dict[tuple[str, str], list[Record]] = {}
    for record in ok:
        rows.setdefault((_row(record.cell), record.environment.hardware), []).append(record)
    ranks: dict[int, tuple[bool, int, str]] = {}
    for members in rows.values():
        cells = len({record.cell.id for record in members if fresh[id(record)]})
        newest = max(record.created for record in members)
        ranks |= {id(record): (fresh[id(record)], cells, newest) for record in members}
    return ranks


def _row(cell: Cell) -> str:
    """Return what the cells of a method share that have a mean: all but the category."""
    method = [cell.method, dict(cell.parameters), dict(cell.weights), bool(cell.checkpoint)]
    return canonical_json([*method, cell.dataset, cell.shots, cell.split, cell.protocol.digest])


def stores_in(folder: Path) -> list[Store]:
    """Return the records of a results folder itself, and those of other machines in it."""
    try:
        machines = sorted(path for path in (folder / MACHINES).iterdir() if (path / "cells").is_dir())
    except OSError:
        machines = []
    return [Store(path) for path in (folder, *machines)]


def open_store(folders: Sequence[Path], device: str = "") -> Store:
    """Return the records of one or several results folders, with those of other machines in them, read as one.

    Parameters
    ----------
    folders
        At least one.
    device
        Where not empty, records of this device (:class:`harness.store.query.RecordQuery`) count before others.
    """
    stores = [store for folder in folders for store in stores_in(folder)]
    return stores[0] if len(stores) == 1 else _ManyStores(stores, device)
