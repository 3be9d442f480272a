"""Which runs and categories a figure shows: those whose maps were kept, else the command that makes them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NoReturn

from harness.cell import Cell
from harness.data.base import Dataset
from harness.errors import UsageError
from harness.registry import base_name, method_names, nearest_names
from harness.report.measured import MeasuredGroup, MeasuredMethod, group_records
from harness.report.pictures.request import MapsMissingError, ShownMethod, ShowRequest
from harness.report.tables import Request, select
from harness.store.maps import MapFile
from harness.store.store import Record, Store

__all__ = ["categories_with_maps", "runs_with_maps"]


def runs_with_maps(store: Store, request: ShowRequest) -> list[tuple[MeasuredGroup, tuple[ShownMethod, ...]]]:
    """Return the runs that fit and have maps of every method named, each with its methods in the request's order.

    Raises
    ------
    UsageError
        For an unknown method.
    MapsMissingError
        Where there is no such run.
    """
    fitting = [record for record in store.all() if record.status == "ok" and _fits(record, request)]
    _check_names(request, [record.cell.label for record in fitting])
    measured = select(fitting, Request(request.dataset, request.methods))
    found = []
    for group in group_records(measured):
        kept = tuple(filter(None, (_shown(store, method) for method in group.methods)))
        if kept and all(_any_of(name, kept) for name in request.methods):
            found.append((group, _in_order(kept, request.methods)))
    if not found:
        raise MapsMissingError(_nothing(store, request, measured))
    return found


def _nothing(store: Store, request: ShowRequest, measured: Sequence[Record]) -> str:
    """Return what is missing, and the command that makes it."""
    names = request.methods or tuple(dict.fromkeys(record.cell.label for record in measured)) or ("cfm",)
    with_maps = [record for record in measured if store.maps_path(record.cell).is_file()]
    missing = [name for name in names if not _any_of(name, with_maps)]
    if not missing:
        named = ", ".join(names)
        said = f"{named} have no maps under one protocol on {request.dataset}"
        return f"{said}: make them with '{_command(store, names, request, with_maps[0].cell)}'."
    what = ", ".join(missing)
    newest = max((record for record in measured if _is_of(missing, record)), key=_date, default=None)
    command = _command(store, missing, request, newest.cell if newest else None)
    if newest is None:
        return f"Nothing is measured by {what} on {request.dataset} in {store.cells}: start with '{command}'."
    return f"The maps of {what} on {request.dataset} were not kept: make them with '{command}'."


def _date(record: Record) -> str:
    return record.created


def _is_of(names: Iterable[str], record: Record) -> bool:
    return any(_any_of(name, (record,)) for name in names)


def _fits(record: Record, request: ShowRequest) -> bool:
    cell = record.cell
    return (
        cell.dataset == request.dataset and request.shots in (None, cell.shots) and request.split in (None, cell.split)
    )


def _check_names(request: ShowRequest, labels: Sequence[str]) -> None:
    known = {*method_names(), *labels}
    for name in request.methods:
        if not any(Request(methods=(name,)).keeps(label) for label in known) and base_name(name) not in known:
            raise UsageError(f"There is no method '{name}': {nearest_names(name, known)}")


def _shown(store: Store, method: MeasuredMethod) -> ShownMethod | None:
    """Return a method with those of its categories that have maps, None where none has."""
    kept = {category: record for category, record in method.ok.items() if store.maps_path(record.cell).is_file()}
    if not kept:
        return None
    return ShownMethod(
        method.label, kept, {category: MapFile(store.maps_path(record.cell)) for category, record in kept.items()}
    )


def _any_of(name: str, found: Iterable[ShownMethod | Record]) -> bool:
    return any(Request(methods=(name,)).keeps(_plain_label(one)) for one in found)


def _plain_label(found: ShownMethod | Record) -> str:
    record = found if isinstance(found, Record) else next(iter(found.records.values()))
    return record.cell.label


def _in_order(methods: Sequence[ShownMethod], names: Sequence[str]) -> tuple[ShownMethod, ...]:
    ordered = {one.label: one for name in names for one in methods if _any_of(name, (one,))}
    return tuple(ordered.values()) or tuple(methods)


def categories_with_maps(
    store: Store,
    dataset: Dataset,
    group: MeasuredGroup,
    methods: Sequence[ShownMethod],
    request: ShowRequest,
) -> tuple[str, ...]:
    """Return the categories that are shown: those named, else those of which every method has maps."""
    complete = [name for name in dataset.categories if all(name in method.maps for method in methods)]
    if not request.categories:
        if not complete:
            _refuse(store, methods, dataset.categories, group, request)
        return tuple(complete)
    chosen: dict[str, None] = {}
    for pattern in request.categories:
        matching = [name for name in dataset.categories if pattern == "all" or fnmatchcase(name, pattern)]
        if not matching:
            nearest = nearest_names(pattern, dataset.categories)
            raise UsageError(f"Dataset '{request.dataset}' has no category '{pattern}': {nearest}")
        if not set(matching) & set(complete):
            _refuse(store, methods, matching, group, request)
        chosen.update(dict.fromkeys(name for name in matching if name in complete))
    return tuple(chosen)


def _refuse(
    store: Store,
    methods: Sequence[ShownMethod],
    categories: Sequence[str],
    group: MeasuredGroup,
    request: ShowRequest,
) -> NoReturn:
    lacking = [method.label for method in methods if not set(categories) <= set(method.maps)]
    cell = group.methods[0].cell
    where = [name for name in categories if any(name not in method.maps for method in methods)]
    raise MapsMissingError(
        f"The maps of {', '.join(lacking)} on {', '.join(where)} were not kept ({group.title}): make them with "
        f"'{_command(store, lacking, request, cell, where)}'."
    )


def _command(
    store: Store, methods: Sequence[str], request: ShowRequest, cell: Cell | None, categories: Sequence[str] = ()
) -> str:
    """Return the command that makes the maps; with a cell, those of its run."""
    shots = request.shots if cell is None else cell.shots
    split = request.split if cell is None else cell.split
    options = {
        "methods": ",".join(method.removesuffix(" (released weights)") for method in methods),
        "dataset": "" if request.dataset == "toy" else request.dataset,
        "categories": ",".join(categories or request.categories),
        "shots": "" if shots in (None, 10) else str(shots),
        "split": "" if split in (None, "first") else split,
        "preset": "" if cell is None or cell.protocol.preset == _usual_preset(cell) else cell.protocol.preset,
        "weights": "random" if cell is not None and cell.protocol.weights == "random" else "",
        "checkpoint": "DIR" if cell is not None and cell.checkpoint else "",
        "results": "" if store.folder == Path("results") else str(store.folder),
    }
    given = [part for name, value in options.items() if value for part in (f"--{name}", value)]
    return shlex.join(["harness", "run", *given, "--save-maps"])


def _usual_preset(cell: Cell) -> str:
    return "quick" if cell.dataset == "toy" else "paper"
