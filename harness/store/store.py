"""Records: one JSON file for each cell, written atomically; tables, figures and gates are views of them."""

from __future__ import annotations

import gc
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from harness.cell import Cell
from harness.errors import PrerequisiteError
from harness.files.atomic import write_atomically
from harness.files.digest import digest
from harness.files.left_out import LeftOut, left_out_text
from harness.files.reading import read_regular
from harness.store.record import Record, decode_record, encode_record

__all__ = ["MACHINES", "Store", "left_out_records_text", "read_record_file", "timestamp"]

_LEAST_FREE = 16_000_000
MACHINES = "machines"
"""Folder of a results folder: of cells that further machines have measured."""

_WRITTEN = ("locks", "logs", "plans")
"""Folders that every run must write to, beside that of the records."""
_LARGEST = 64_000_000
"""Bytes of a record's file. One of schema 1 has about 100 for each test image and 10 for each call."""


class Store:
    """The records of a results folder.

    An ok record stays until a new ok one takes its place: an attempt to measure its cell again that goes wrong is kept
    beside it. A file that is not a record is never overwritten: it is left out, and the rest is shown.

    Parameters
    ----------
    folder
        Usually ``results``; records lie in its ``cells``, failed attempts in ``failed``. What was measured again on
        another machine lies in a folder of that machine in ``machines``, which has the same parts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cells = folder / "cells"
        self._left_out: dict[Path, LeftOut] = {}

    def on(self, machine: str) -> Store:
        """Return the records of cells that were measured on a machine after another one had measured them."""
        readable = re.sub(r"[^a-z0-9]+", "-", machine.lower()).strip("-")[:40]
        return Store(self.folder / MACHINES / f"{readable}-{digest(machine, 8)}")

    def place_of(self, cell: Cell, machines: Sequence[str]) -> tuple[Store, Record | None]:
        """Return where a cell's record belongs that some machine measures, and the record that is there.

        What another machine has measured stays: the record goes to a folder of this machine.

        Parameters
        ----------
        cell
            To be measured.
        machines
            That may measure it, as records name them; where there is none, any machine's record counts.
        """
        record = self.read(cell)
        theirs = record.environment.machine if record is not None and record.status == "ok" else ""
        if not theirs or not machines or theirs in machines:
            return self, record
        places = [self.on(machine) for machine in machines if machine]
        for place in places:
            if (own := place.read(cell)) is not None:
                return place, own
        return (places[0], None) if places else (self, record)

    def path(self, cell: Cell) -> Path:
        """Return where the record of a cell lies once it is complete."""
        return self.cells / f"{cell.stem}.json"

    def failed_path(self, cell: Cell) -> Path:
        """Return where the last attempt at a cell lies that went wrong while its record stayed ok."""
        return self.folder / "failed" / f"{cell.stem}.json"

    def fitted_path(self, cell: Cell) -> Path:
        """Return where a cell's fitted method is kept, where that was asked for."""
        return self.folder / "fitted" / f"{cell.stem}.safetensors"

    def counts_path(self, cell: Cell) -> Path:
        """Return where an ok cell's archive lies: scores and pixel counts of its test images, and raw times."""
        return self.folder / "counts" / f"{cell.stem}.npz"

    def maps_path(self, cell: Cell) -> Path:
        """Return where the maps of a cell's test images are kept, where that was asked for."""
        return self.folder / "maps" / f"{cell.stem}.npz"

    def log_path(self, cell: Cell) -> Path:
        """Return where the last worker of a cell wrote what it had to say."""
        return self.folder / "logs" / f"{cell.stem}.log"

    def new_path(self, path: Path) -> Path:
        """Return where a file beside a record is written first; the earlier one is kept until the cell is ok."""
        return path.with_name(f".new-{path.name}")

    def adopt_files(self, cell: Cell) -> None:
        """Move the new files of a cell into place; none of an earlier run stays there.

        Earlier counts and maps are removed. An earlier fitted method that no new one replaces is moved aside: it is not
        the one that the new record describes, but it took a fit.
        """
        for path in self._files(cell):
            new = self.new_path(path)
            if new.exists():
                new.replace(path)
            elif path == self.fitted_path(cell):
                self.move_aside(path)
            else:
                _remove(path)

    def discard_files(self, cell: Cell) -> None:
        """Remove the new files of an attempt at a cell that did not become ok."""
        for path in self._files(cell):
            _remove(self.new_path(path))

    def _files(self, cell: Cell) -> tuple[Path, ...]:
        return self.counts_path(cell), self.maps_path(cell), self.fitted_path(cell)

    @property
    def folders_read(self) -> tuple[Path, ...]:
        """The results folders that records are read from."""
        return (self.folder,)

    @property
    def folders_given(self) -> tuple[Path, ...]:
        """The results folders that a command names; folders of machines lie inside them."""
        return tuple(path for path in self.folders_read if path.parent.name != MACHINES)

    @property
    def elsewhere(self) -> tuple[Record, ...]:
        """Ok records that :meth:`all` left out because the same cell was measured on another machine, too."""
        return ()

    def home(self, record: Record) -> Store:
        """Return the store in which a record of :meth:`all` or :attr:`elsewhere` and what is kept beside it lie."""
        return self

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where workers write: records, and what is kept beside them."""
        return (self.cells, *(self.folder / name for name in ("failed", "counts", "maps", "fitted")))

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The files that were met so far and can't be used, each once."""
        return tuple(self._left_out.values())

    def leave_out(self, path: Path, why: object) -> None:
        """Remember that a file can't be used.

        Parameters
        ----------
        path
            Of the file.
        why
            A clause, or the error that says so.
        """
        text = (why.strerror or str(why)) if isinstance(why, OSError) else str(why) or type(why).__name__
        self._left_out[path] = LeftOut(path, text)

    def ensure_writable(self) -> None:
        """Raise PrerequisiteError, before any work, where a run could not write or the disk is almost full."""
        folder = self.cells
        try:
            for folder in (self.cells, *(self.folder / name for name in _WRITTEN)):
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder):
                    pass
            free = shutil.disk_usage(self.cells).free
        except OSError as error:
            raise PrerequisiteError(
                f"The results folder {folder} can't be written ({error.strerror}): "
                "make it writable, or name another with --results DIR."
            ) from error
        if free < _LEAST_FREE:
            raise PrerequisiteError(
                f"The disk of {self.cells} is full ({free / 1e6:.1f} MB free, {_LEAST_FREE / 1e6:.0f} MB needed): "
                "free some space, or name another folder with --results DIR; finished records are kept."
            )

    def read(self, cell: Cell) -> Record | None:
        """Return the record of a cell; None where there is none, or a file that is left out."""
        return self._read(self.path(cell))

    def read_failed(self, cell: Cell) -> Record | None:
        """Return the last attempt at a cell that went wrong while its record stayed ok; None where there is none."""
        return self._read(self.failed_path(cell))

    def write(self, record: Record) -> Path:
        """Write a record: to a temporary name, then renamed.

        Returns
        -------
        Path
            Where it lies: beside the record of its cell, where that is ok and the new one is not.

        Raises
        ------
        ValueError
            Where :func:`encode_record` refuses it.
        PrerequisiteError
            Where it can't be written, as on a full disk.
        """
        content = encode_record(record)
        path, failed = self.path(record.cell), self.failed_path(record.cell)
        try:
            present = self._read(path)
            if record.status != "ok" and present is not None and present.status == "ok":
                path, present = failed, self._read(failed)
            if present is None:
                self.move_aside(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
            if path != failed:
                failed.unlink(missing_ok=True)
        except OSError as error:
            raise PrerequisiteError(
                f"The record {path} can't be written ({error.strerror}): free some space or make its folder writable, "
                "and run the same command again; finished records are kept."
            ) from error
        return path

    def all(self) -> list[Record]:
        """Return every record, in the order of file names; files that are not records are left out.

        Names that begin with a dot are passed over: other systems leave such files. A record that vanishes meanwhile,
        because another run is at work, is left out in silence.
        """
        return self._read_all(self.cells)

    def all_failed(self) -> list[Record]:
        """Return the failed attempts that lie beside the records, in the order of file names."""
        return self._read_all(self.folder / "failed")

    def _read_all(self, folder: Path) -> list[Record]:
        try:
            names = sorted(path.name for path in folder.iterdir() if path.suffix == ".json" and path.name[0] != ".")
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self.leave_out(folder, error)
            return []
        with _no_collections():
            records = [self._read(folder / name) for name in names]
        return [record for record in records if record is not None]

    def _read(self, path: Path) -> Record | None:
        """Return the record in a file; None where there is no file, or one that is left out."""
        try:
            record = decode_record(read_record_file(path))
            if path.name != f"{record.cell.stem}.json":
                raise ValueError(f"its name is not that of its cell, {record.cell.stem}.json")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            self.leave_out(path, error)
            return None
        self._left_out.pop(path, None)
        return record

    def move_aside(self, path: Path, to: Path | None = None) -> bool:
        """Move a file out of its place, a record or not; return False where there is none.

        Parameters
        ----------
        path
            Where it is.
        to
            Its new path; None for a new name in the folder ``aside``.
        """
        if not os.path.lexists(path):
            return False
        to = to or self.folder / "aside" / f"{path.stem}.{timestamp()}{path.suffix}"
        to.parent.mkdir(parents=True, exist_ok=True)
        path.rename(to)
        self._left_out.pop(path, None)
        return True


def timestamp() -> str:
    """Return the time as a part of a name that no other file has."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"


@contextmanager
def _no_collections() -> Iterator[None]:
    """Pause garbage collection: records hold no cycles, and it would look at all of them again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        path.unlink()


def read_record_file(path: Path) -> bytes:
    """Return the content of a record's file; raise OSError where it is missing, not a regular file or too large."""
    return read_regular(path, _LARGEST)


def left_out_records_text(store: Store) -> str:
    """Return the sentence on the files that a store has left out, of which there is at least one."""
    return left_out_text(
        store.left_out,
        "files",
        "move these files away. 'harness run' measures cells without a record again; where counts or maps are missing, "
        "add --rerun METHOD.",
    )
