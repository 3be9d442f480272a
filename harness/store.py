"""Records: one JSON file for each cell, written atomically; tables, figures and gates are views of them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from harness.atomic import write_atomically
from harness.cell import Cell
from harness.errors import HarnessError, PrerequisiteError

__all__ = ["Record", "Status", "Store"]

Status = Literal["ok", "failed", "oom", "timeout", "killed", "unsupported"]
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Record:
    """The outcome of a cell.

    Parameters
    ----------
    cell
        What was measured.
    status
        ``ok``, or why there are no numbers.
    reason
        One sentence where the status is not ``ok``.
    metrics
        Metric id to value in [0, 1]; None where undefined, with a reason in ``undefined``.
    undefined
        Metric id to the reason why it has no value.
    by_defect
        Defect name to metrics over the good samples and those of this defect.
    latency
        Window (``device``, ``end_to_end``, ``decode``, ``clean``) to numbers in milliseconds, and raw values.
    memory
        Numbers in MB (1e6 bytes) with their source; None with a reason.
    seconds
        Wall time of the stages: load, fit, score, latency.
    samples
        Number of training and test samples.
    images
        For every test image: id, defect, label, score.
    weights
        Name to SHA-256 of the pretrained files, and whether it was the published one.
    environment
        Versions, hardware, threads, flags.
    notes
        Sentences a reader of the numbers should see.
    created
        ISO 8601 time with zone.
    """

    cell: Cell
    status: Status
    reason: str = ""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    undefined: Mapping[str, str] = field(default_factory=dict)
    by_defect: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    latency: Mapping[str, Any] = field(default_factory=dict)
    memory: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    samples: Mapping[str, int] = field(default_factory=dict)
    images: tuple[Mapping[str, Any], ...] = ()
    weights: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    created: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "cell"}
        return {"schema": SCHEMA, "id": self.cell.id, "cell": self.cell.to_json(), **plain}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        """Undo :meth:`to_json`."""
        known = {f.name for f in fields(cls)}
        chosen = {key: item for key, item in value.items() if key in known}
        chosen["cell"] = Cell.from_json(value["cell"])
        chosen["images"] = tuple(value.get("images", ()))
        chosen["notes"] = tuple(value.get("notes", ()))
        return cls(**chosen)


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

    def ensure_writable(self) -> None:
        """Raise PrerequisiteError, before any work, where no record could be written."""
        try:
            self.cells.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.cells):
                pass
        except OSError as error:
            raise PrerequisiteError(
                f"The results folder {self.cells} can't be written ({error.strerror}): "
                "make it writable, or name another with --results DIR."
            ) from error

    def read(self, cell: Cell) -> Record | None:
        """Return the record of a cell, None where there is none."""
        path = self.path(cell)
        return _read(path) if path.is_file() else None

    def write(self, record: Record) -> Path:
        """Write a record: to a temporary name, then renamed."""
        path = self.path(record.cell)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(record.to_json(), indent=1, allow_nan=False, ensure_ascii=False)
        write_atomically(path, text.encode())
        return path

    def all(self) -> list[Record]:
        """Return every record, in the order of file names; an unreadable one is an error that names it."""
        return [_read(path) for path in sorted(self.cells.glob("*.json"))]


def _read(path: Path) -> Record:
    try:
        return Record.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, HarnessError) as error:
        raise PrerequisiteError(
            f"The record {path} can't be read ({type(error).__name__}: {error}): "
            "move it away and run its cell again with 'harness run'."
        ) from error
