"""What runs have planned: the list of cells of each run that has not finished all of them."""

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

__all__ = ["note_plan", "tidy", "unfinished"]


def note_plan(folder: Path, cells: Sequence[Cell]) -> None:
    """Write down what a run is about to do.

    Parameters
    ----------
    folder
        Results folder; plans lie in its ``plans``.
    cells
        All cells of the plan that will run.
    """
    path = folder / "plans" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps([cell.to_json() for cell in cells]).encode())


def unfinished(folder: Path) -> tuple[Cell, ...]:
    """Return the cells that some run planned and that have no record."""
    store = Store(folder)
    found = {cell.id: cell for path in _plans(folder) for cell in _read(path)}
    return tuple(cell for cell in found.values() if not store.path(cell).exists())


def tidy(folder: Path) -> None:
    """Drop the plans whose cells all have a record."""
    store = Store(folder)
    for path in _plans(folder):
        if all(store.path(cell).exists() for cell in _read(path)):
            path.unlink(missing_ok=True)


def _plans(folder: Path) -> list[Path]:
    return sorted((folder / "plans").glob("*.json"))


def _read(path: Path) -> list[Cell]:
    """Return the cells of a plan; none where another version wrote it or it has just been dropped."""
    try:
        return [Cell.from_json(value) for value in json.loads(path.read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError, KeyError, TypeError, HarnessError):
        return []
