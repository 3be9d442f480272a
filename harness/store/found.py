"""Records with the files that they lie in, and copies of what is kept beside them, each checked before it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.cell import Cell
from harness.errors import PrerequisiteError
from harness.files.arrays import read_arrays
from harness.files.atomic import copy_atomically
from harness.files.digest import file_sha256
from harness.files.reading import open_regular
from harness.store.claims import is_running
from harness.store.details import image_columns
from harness.store.fitted import read_cell
from harness.store.maps import MapFile
from harness.store.record import Record, decode_record
from harness.store.store import Store, read_record_file

__all__ = ["BusyError", "Found", "copy_beside", "discard_copies", "found_in", "found_of"]


_PathOf = Callable[[Store, Cell], Path]
_Check = Callable[[Path, Record], bool]

_WRONG = (OSError, ValueError, PrerequisiteError)
"""What reading a file that anyone may have written raises."""


class BusyError(Exception):
    """A process is measuring a cell, or has changed its files while they were read.

    Parameters
    ----------
    path
        Of its record.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path


@dataclass(frozen=True, slots=True)
class Found:
    """A record, and where it lies.

    Parameters
    ----------
    record
        As it was read.
    store
        In which it, and what is kept beside it, lie.
    path
        Its file.
    """

    record: Record
    store: Store
    path: Path

    def content(self, *, locked: bool = False) -> bytes:
        """Return the bytes of the file; raise BusyError where it holds another record by now, or its cell is run.

        Parameters
        ----------
        locked
            Whether this process holds the lock of the cell.
        """
        try:
            content = read_record_file(self.path)
            same = decode_record(content) == self.record
        except (OSError, ValueError):
            same = False
        if not same or (not locked and is_running(self.store.folder, self.record.cell)):
            raise BusyError(self.path)
        return content


def found_in(store: Store) -> Iterator[Found]:
    """Yield every record of a folder, the failed attempts beside records included."""
    for record in store.all():
        yield Found(record, store, store.path(record.cell))
    for record in store.all_failed():
        yield Found(record, store, store.failed_path(record.cell))


def found_of(store: Store, cell: Cell) -> list[Found]:
    """Return the record of a cell and the failed attempt beside it, where there are such."""
    records = ((store.read(cell), store.path(cell)), (store.read_failed(cell), store.failed_path(cell)))
    return [Found(record, store, path) for record, path in records if record is not None]


def copy_beside(place: Store, record: Sequence[Found], attempt: Sequence[Found], others: Sequence[Found]) -> list[Path]:
    """Copy what belongs to a record, and is not in its place yet, to new files beside the place.

    Parameters
    ----------
    place
        Where the record will lie, or lies.
    record
        The record, in each folder that has it.
    attempt
        The last attempt at its cell that failed, in each folder that has it; the log is of the last attempt.
    others
        All records of the cell: a method that is fitted is the cell's, whichever of them it was measured with.

    Returns
    -------
    list of Path
        Where the copies belong; each lies at :meth:`harness.store.store.Store.new_path` of it.

    Raises
    ------
    BusyError
        Where files changed meanwhile.
    OSError
        Where a copy can't be written.
    """
    wanted: tuple[tuple[_PathOf, Sequence[Found], _Check], ...] = (
        (Store.counts_path, record, _is_archive),
        (Store.maps_path, record, _are_maps),
        (Store.fitted_path, [*record, *others], _is_fitted),
        (Store.log_path, attempt or record, _is_log),
    )
    copied = []
    for path_of, sources, is_right in wanted:
        path = path_of(place, record[0].record.cell)
        for found in sources:
            if found.store is place:
                if _holds(path, is_right, found.record):
                    break
            elif _copy(found, path_of(found.store, found.record.cell), place.new_path(path), is_right):
                found.content()
                copied.append(path)
                break
    return copied


def discard_copies(place: Store, cell: Cell) -> None:
    """Remove copies of a cell that a merge which was interrupted, or changed its mind, has left."""
    place.discard_files(cell)
    place.new_path(place.log_path(cell)).unlink(missing_ok=True)


def _copy(found: Found, source: Path, new: Path, is_right: _Check) -> bool:
    """Copy a file; return False where there is none, that of another run, or one that is left out."""
    try:
        stream = open_regular(source, follow=is_right is not _is_log)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        found.store.leave_out(source, error)
        return False
    with stream:
        new.parent.mkdir(parents=True, exist_ok=True)
        copy_atomically(stream, new)
    try:
        if is_right(new, found.record):
            return True
    except _WRONG as error:
        found.store.leave_out(source, error.__cause__ or error)
    new.unlink()
    return False


def _holds(path: Path, is_right: _Check, record: Record) -> bool:
    """Return whether a file that belongs to a record is in its place."""
    try:
        return path.exists() and is_right(path, record)
    except _WRONG:
        return False


def _is_archive(path: Path, record: Record) -> bool:
    """Return whether an archive is that of a record; raise OSError or ValueError where it is damaged.

    Whose scores one beside a record of schema 1 holds is looked at where they are read.
    """
    if record.schema != 1 and file_sha256(path) == record.details:
        return True
    image_columns(read_arrays(path))
    return record.schema == 1


def _are_maps(path: Path, record: Record) -> bool:
    if MapFile(path).cell.id != record.cell.id:
        raise ValueError("it holds the maps of another cell")
    return True


def _is_fitted(path: Path, record: Record) -> bool:
    if read_cell(path).id != record.cell.id:
        raise ValueError("it holds a method that was fitted for another cell")
    return True


def _is_log(path: Path, record: Record) -> bool:
    """Return True: a log is text of any kind; a link in its place could be to any file of the machine."""
    return path.is_file()
