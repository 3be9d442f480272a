"""Records: one JSON file for each cell, written atomically; tables, figures and gates are views of them."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from harness.cell import Cell
from harness.errors import HarnessError, PrerequisiteError
from harness.files.atomic import write_atomically

__all__ = ["Record", "Status", "Store"]

Status = Literal["ok", "failed", "oom", "timeout", "killed", "unsupported"]
SCHEMA = 1
_LEAST_FREE = 16_000_000


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
        Window (``device``, ``end_to_end``, ``device_events`` on CUDA, ``decode``, ``clean``) to numbers in ms,
        and raw values.
    memory
        Numbers in MB (1e6 bytes) with their source; None with a reason.
    seconds
        Wall time of the stages, and over all of them the time inside the method's calls (``method``) and outside
        (``overhead``; importing torch counts for neither).
    samples
        Number of training and test samples.
    images
        For every test image: id, defect, label, score.
    weights
        Name to SHA-256 of the pretrained files, and whether it was the published one.
    environment
        Versions, hardware, threads, flags; ``contended`` where something else kept the machine busy.
    notes
        Sentences a reader of the numbers should see.
    log
        Last lines of the worker's log where the status is not ``ok``.
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
    images: Sequence[Mapping[str, Any]] = ()
    weights: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    created: str = ""

    @property
    def wall_seconds(self) -> float:
        """Time from the start of the first stage to the end of the last; parts of it are not counted again."""
        return sum(seconds for name, seconds in self.seconds.items() if name not in ("method", "overhead"))

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        plain = {name: _plain(getattr(self, name)) for name in _FIELDS if name != "cell"}
        return {"schema": SCHEMA, "id": self.cell.id, "cell": self.cell.to_json(), **plain}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        """Undo :meth:`to_json`."""
        return _record(value, tuple(value.get("images", ())))


_FIELDS = tuple(f.name for f in fields(Record))


def _record(value: Mapping[str, Any], images: Sequence[Mapping[str, Any]]) -> Record:
    chosen = {key: value[key] for key in _FIELDS if key in value}
    own = {
        "cell": Cell.from_json(value["cell"]),
        "images": images,
        "notes": tuple(value.get("notes", ())),
        "log": tuple(value.get("log", ())),
    }
    return Record(**{**chosen, **own})


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
        """Return where the counts of an ok cell's test images lie: for intervals and curves, without its maps."""
        return self.folder / "counts" / f"{cell.stem}.npz"

    def maps_path(self, cell: Cell) -> Path:
        """Return where the maps of a cell's test images are kept, where that was asked for."""
        return self.folder / "maps" / f"{cell.stem}.npz"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Return where workers write: records, and what is kept beside them."""
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
        text = _text(record.to_json())
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text.encode())
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
        found = [_read(path) for path in sorted(self.cells.glob("*.json"), key=attrgetter("name"))]
        return [record for record in found if record is not None]


class _Later(Sequence[Any]):
    """A list of a record on disk, parsed when first asked for.

    Images and raw times are most of a record, and few tables look at them.

    Parameters
    ----------
    path
        For a complaint.
    text
        JSON.
    """

    __slots__ = ("_items", "_path", "_text")

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._text = path, text
        self._items: tuple[Any, ...] | None = None

    def _parsed(self) -> tuple[Any, ...]:
        if self._items is None:
            with _naming(self._path):
                self._items = tuple(json.loads(self._text))
        return self._items

    def __len__(self) -> int:
        return len(self._parsed())

    def __getitem__(self, index: Any) -> Any:
        return self._parsed()[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._parsed())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._parsed() == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # equal to lists, which have none

    def __repr__(self) -> str:
        return repr(self._parsed())


def _read(path: Path) -> Record | None:
    """Return the record in a file, None where there is none."""
    with _naming(path):
        try:
            return _parse(path, path.read_bytes().decode("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None


def _parse(path: Path, text: str) -> Record:
    """Parse a record but for its bulky lists, whose text is cut out first."""
    before, begins, rest = text.partition(_IMAGES_BEGIN)
    rows, ends, after = rest.partition(_IMAGES_END)
    raw: list[str] = []

    def cut(found: re.Match[str]) -> str:
        raw.append(found[2])
        return f"{found[1]}{len(raw) - 1}"

    value = json.loads(_RAW_TIMES.sub(cut, f"{before}{begins}{ends}{after}" if ends else text))
    windows = [window for window in value.get("latency", {}).values() if isinstance(window.get("raw_ms"), int)]
    if len(windows) != len(raw):
        return Record.from_json(json.loads(text))
    for window in windows:
        window["raw_ms"] = _Later(path, raw[window["raw_ms"]])
    return _record(value, _Later(path, f"[{rows}]") if ends else tuple(value.get("images", ())))


_IMAGES_BEGIN, _IMAGES_END = '\n "images": [\n', "\n ]"
"""Around the list of images: no string of JSON holds a line break."""

_RAW_TIMES = re.compile(r'("raw_ms": )(\[[^\[\]]*\])')
"""A list of numbers under its key: inside a string of JSON the quotes would be escaped."""


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, HarnessError) as error:
        raise PrerequisiteError(
            f"The record {path} can't be read ({type(error).__name__}: {error}): "
            "move it away and run its cell again with 'harness run'."
        ) from error


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, _Later) else value


def _text(value: Any, indent: str = "") -> str:
    """Return JSON with a line for each key of an object and each object of a list; other lists are one line."""
    inner = indent + " "
    if isinstance(value, Mapping) and value:
        begin, end = "{}"
        lines = [f"{_line(key)}: {_text(item, inner)}" for key, item in value.items()]
    elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        begin, end = "[]"
        lines = [_line(item) for item in value]
    else:
        return _line(value)
    return f"{begin}\n{inner}" + f",\n{inner}".join(lines) + f"\n{indent}{end}"


def _line(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)
