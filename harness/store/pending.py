"""Cells of unfinished runs: a file for each run, with all cells that it planned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from harness.cell import UNREADABLE, Cell
from harness.errors import PrerequisiteError
from harness.files.atomic import sweep_temporaries, write_atomically
from harness.files.locks import oldest_lock
from harness.files.reading import read_regular
from harness.store.claims import drop_lost
from harness.store.store import Store

__all__ = ["drop_finished", "save_pending", "unfinished"]

_LARGEST = 64_000_000
"""Bytes of a plan's file; a cell takes about a thousand."""


def save_pending(folder: Path, cells: Sequence[Cell]) -> None:
    """Write the cells that a run is about to measure.

    Parameters
    ----------
    folder
        Results folder; the file is written to its ``plans``.
    cells
        All cells that will run.

    Raises
    ------
    PrerequisiteError
        Where the file can't be written.
    """
    path = folder / "plans" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:8]}.json"
    content = json.dumps([cell.to_json() for cell in cells]).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise PrerequisiteError(
            f"The plan {path} can't be written ({error.strerror}): free some space or make its folder writable, "
            "or name another folder with --results DIR."
        ) from error


def unfinished(folder: Path) -> tuple[Cell, ...]:
    """Return the planned cells that have no record, each once."""
    store = Store(folder)
    planned: dict[str, Cell] = {}
    for path in _plans(folder):
        planned.update(_read(path) or {})
    return tuple(cell for cell in planned.values() if not store.path(cell).exists())


def drop_finished(folder: Path) -> None:
    """Remove the files whose cells all have a record, if permissions allow; one that can't be read is kept.

    Temporary files and locks that killed runs have left go, too, and who held such a lock once its cell has a record.
    """
    store = Store(folder)
    for path in _plans(folder):
        cells = _read(path)
        if cells is not None and all(store.path(cell).exists() for cell in cells.values()):
            with suppress(OSError):
                path.unlink()
    sweep_temporaries(folder / "plans")
    oldest_lock(folder / "locks")
    drop_lost(folder, frozenset(cell.stem for cell in unfinished(folder)))


def _plans(folder: Path) -> list[Path]:
    return sorted((folder / "plans").glob("*.json"))


def _read(path: Path) -> dict[str, Cell] | None:
    """Return the cells in a file by id; None where it is another user's, of another version of harness, or gone."""
    try:
        planned = json.loads(read_regular(path, _LARGEST))
        return {cell.id: cell for cell in map(Cell.from_json, planned)} if isinstance(planned, list) else None
    except (*UNREADABLE, OSError):
        return None
