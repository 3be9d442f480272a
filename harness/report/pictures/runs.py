"""Which runs and categories have the maps that a user asks for; where there are none, the command that makes them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from harness.cell import Cell
from harness.data.registry import DEFAULT_DATASET, default_preset
from harness.dataset_contract import Dataset
from harness.errors import ExitCode, HarnessError, UsageError
from harness.registry import base_name, method_names, nearest_names
from harness.report.groups import Group, MethodRecords, group_records
from harness.store.maps import MapFile, kept_maps
from harness.store.query import RecordQuery, label_matches
from harness.store.record import Record
from harness.store.store import Store

__all__ = ["MapsMissingError", "ShowRequest", "ShownMethod", "categories_with_maps", "runs_with_maps"]


class MapsMissingError(HarnessError):
    """Maps are asked for that were never kept."""

    exit_code = ExitCode.NOTHING_MEASURED


@dataclass(frozen=True, slots=True)
class ShowRequest:
    """What a user asked for.

    Parameters
    ----------
    query
        Which records: of one dataset, which it names.
    samples
        Ids such as ``test/crack/001``, or with the category before them; chosen by defect where empty.
    defects
        Names of defects, ``good`` among them; all but ``good`` where empty.
    worst, best
        Take so many samples that the first method's score separates worst or best from the other kind.
    figure
        5: maps of methods side by side; 6: features of CFM and how its map comes about.
    """

    query: RecordQuery = field(default_factory=lambda: RecordQuery(DEFAULT_DATASET))
    samples: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()
    worst: int | None = None
    best: int | None = None
    figure: Literal[5, 6] = 5


@dataclass(frozen=True, slots=True)
class ShownMethod:
    """A method with its records and maps by category."""

    label: str
    records: Mapping[str, Record]
    maps: Mapping[str, MapFile]

    @property
    def cell(self) -> Cell:
        """The cell of its first category: method and parameters are the same in all."""
        return next(iter(self.records.values())).cell


def runs_with_maps(store: Store, request: ShowRequest) -> list[tuple[Group, tuple[ShownMethod, ...]]]:
    """Return the runs that fit and have maps of every method named, each with its methods in the request's order.

    Raises
    ------
    UsageError
        For an unknown name.
    MapsMissingError
        Where there is no such run.
    """
    query = request.query
    any_method = replace(query, methods=(), categories=())
    records = store.all()
    any_method.check(records)
    fitting = [record for record in any_method.select(records) if record.status == "ok"]
    known = {*method_names(), *(record.cell.label for record in fitting)}
    for name in request.query.methods:
        if not any(label_matches(name, label) for label in known) and base_name(name) not in known:
            raise UsageError(f"There is no method '{name}': {nearest_names(name, known)}")
    measured = [
        record for record in fitting if not request.query.methods or _is_any(request.query.methods, record.cell)
    ]
    runs = []
    for group in group_records(measured):
        methods = tuple(filter(None, (_shown(store, method) for method in group.methods)))
        if methods and not _without(request.query.methods, [method.cell for method in methods]):
            ordered = [
                method for name in request.query.methods for method in methods if label_matches(name, method.cell.label)
            ]
            runs.append((group, tuple({method.label: method for method in ordered or methods}.values())))
    if not runs:
        raise MapsMissingError(_what_is_missing(store, request, measured))
    return runs


def categories_with_maps(
    store: Store, dataset: Dataset, group: Group, methods: Sequence[ShownMethod], request: ShowRequest
) -> tuple[str, ...]:
    """Return the categories that are shown: those named, else those of which every method has maps.

    Raises
    ------
    UsageError
        For an unknown category.
    MapsMissingError
        Where no category that is named has maps of every method.
    """
    complete = [name for name in dataset.categories if all(name in method.maps for method in methods)]
    chosen: dict[str, None] = {}
    for pattern in request.query.categories or ("all",):
        matching = [name for name in dataset.categories if pattern == "all" or fnmatchcase(name, pattern)]
        if not matching:
            nearest = nearest_names(pattern, dataset.categories)
            raise UsageError(f"Dataset '{request.query.dataset}' has no category '{pattern}': {nearest}")
        if not set(matching) & set(complete):
            lacking = [method.label for method in methods if not set(matching) <= set(method.maps)]
            where = [name for name in matching if any(name not in method.maps for method in methods)]
            command = _command(store, lacking, request, group.methods[0].cell, where)
            raise MapsMissingError(
                f"The maps of {', '.join(lacking)} on {', '.join(where)} were not kept ({group.title}): make them with "
                f"'{command}'."
            )
        chosen.update(dict.fromkeys(name for name in matching if name in complete))
    return tuple(chosen)


def _is_any(names: Iterable[str], cell: Cell) -> bool:
    return any(label_matches(name, cell.label) for name in names)


def _without(names: Iterable[str], cells: Sequence[Cell]) -> list[str]:
    """Return the names that mean none of some cells."""
    return [name for name in names if not any(label_matches(name, cell.label) for cell in cells)]


def _shown(store: Store, method: MethodRecords) -> ShownMethod | None:
    """Return a method with those of its categories that have maps, None where none has."""
    files = {category: kept_maps(store, record) for category, record in method.ok.items()}
    maps = {category: file for category, file in files.items() if file is not None}
    return ShownMethod(method.label, {category: method.ok[category] for category in maps}, maps) if maps else None


def _what_is_missing(store: Store, request: ShowRequest, measured: Sequence[Record]) -> str:
    """Return what is missing, and the command that makes it."""
    names = request.query.methods or tuple(dict.fromkeys(record.cell.label for record in measured)) or ("cfm",)
    with_maps = [record.cell for record in measured if kept_maps(store, record)]
    missing = _without(names, with_maps)
    if not missing:
        command = _command(store, names, request, with_maps[0])
        where = f"under one protocol on {request.query.dataset}"
        return f"{', '.join(names)} have no maps {where}: make them with '{command}'."
    what = f"{', '.join(missing)} on {request.query.dataset}"
    of_missing = [record for record in measured if _is_any(missing, record.cell)]
    if not of_missing:
        command = _command(store, missing, request, None)
        return f"Nothing is measured by {what} in {store.cells}: start with '{command}'."
    newest = max(of_missing, key=lambda record: record.created)
    return f"The maps of {what} were not kept: make them with '{_command(store, missing, request, newest.cell)}'."


def _command(
    store: Store, methods: Sequence[str], request: ShowRequest, cell: Cell | None, categories: Sequence[str] = ()
) -> str:
    """Return the command that makes the maps; with a cell, those of its run."""
    query = request.query
    shots = (query.shots[0] if len(query.shots) == 1 else None) if cell is None else cell.shots
    split = (query.splits[0] if len(query.splits) == 1 else None) if cell is None else cell.split
    options = {
        "methods": ",".join(method.removesuffix(" (released weights)") for method in methods),
        "dataset": "" if request.query.dataset == DEFAULT_DATASET else request.query.dataset,
        "categories": ",".join(categories or request.query.categories),
        "shots": "" if shots in (None, 10) else str(shots),
        "split": "" if split in (None, "first") else split,
    }
    if cell is not None:
        usual = default_preset(cell.dataset)
        options["preset"] = "" if cell.protocol.preset == usual else cell.protocol.preset
        options["weights"] = "random" if cell.protocol.weights == "random" else ""
        options["checkpoint"] = "DIR" if cell.checkpoint else ""
    options["results"] = "" if store.folder == Path("results") else str(store.folder)
    given = [part for name, value in options.items() if value for part in (f"--{name}", value)]
    return shlex.join(["harness", "run", *given, "--save-maps"])
