"""Cells of unfinished runs: a file for each run, with all cells that it planned."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness.cell import Cell
from harness.errors import HarnessError
from harness.files.atomic import write_atomically
from harness.store.store import Store

__all__ = ["drop_finished", "save_pending", "unfinished"]


def save_pending(folder: Path, cells: Sequence[Cell]) -> None:
    """Write the cells that a run is about to measure.

    Parameters
    ----------
    folder
        Results folder; the file is written to its ``plans``.
    cells
        All cells that will run.
    """
    path = folder / "plans" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps([cell.to_json() for cell in cells]).encode())


def unfinished(folder: Path) -> tuple[Cell, ...]:
    """Return the planned cells that have no record, each once."""
    store = Store(folder)
    planned = {cell.id: cell for path in _plans(folder) for cell in _read(path)}
    return tuple(cell for cell in planned.values() if not store.path(cell).exists())


def drop_finished(folder: Path) -> None:
    """Remove the files whose cells all have a record."""
    store = Store(folder)
    for path in _plans(folder):
        if all(store.path(cell).exists() for cell in _read(path)):
            path.unlink(missing_ok=True)


def _plans(folder: Path) -> list[Path]:
    return sorted((folder / "plans").glob("*.json"))


def _read(path: Path) -> list[Cell]:
    """Return the cells in a file; none where another version of harness wrote it or another run just removed it."""
    try:
        return [Cell.from_json(value) for value in json.loads(path.read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError, KeyError, TypeError, HarnessError):
        return []
