"""The file of a plan: checked and written once, then measured by any number of pullers on machines that see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from harness.cell import UNREADABLE, Cell
from harness.errors import PrerequisiteError, UsageError
from harness.files.atomic import write_atomically
from harness.files.digest import file_sha256
from harness.files.reading import read_regular
from harness.plan.job import Job, job_from_json, job_to_json
from harness.plan.planning import Plan
from harness.protocol import PROTOCOL_VERSION
from harness.store.claims import Holder, holders, lost_holders
from harness.store.record import Record
from harness.store.several import rank
from harness.store.store import MACHINES, Store

__all__ = [
    "PlanEntry",
    "PlanFile",
    "PlanStates",
    "cells_left",
    "plan_file_of",
    "plan_states",
    "read_plan",
    "record_since",
    "write_plan",
]

_FORMAT = 1
_LARGEST = 512_000_000
"""Bytes of a plan's file; a cell takes about a thousand, and twenty for each training sample."""

_NOT_PLANNED = ("results", "device", "save_fitted", "save_maps", "claimed_in", "token")
"""Fields of a job that a puller fills in."""


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """A cell that is to be measured, with the further ones of its fit.

    Parameters
    ----------
    job
        What to measure, without the places it writes to and without a device.
    before
        The files of records that its cells had when it was planned: path below the results folder to SHA-256.
    """

    job: Job
    before: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PlanFile:
    """Cells that are to be measured, and how.

    Parameters
    ----------
    entries
        In the order in which pullers take them.
    results
        Results folder.
    devices
        Names of devices as a user gives them, which each puller resolves for its machine.
    timeout
        Seconds that a cell may take; None for no limit.
    save_fitted, save_maps
        Whether fitted methods and maps are kept.
    measured
        How many further cells of the selection were measured already.
    created
        When it was planned, ISO 8601 with zone.
    """

    entries: tuple[PlanEntry, ...]
    results: Path
    devices: tuple[str, ...] = ("auto",)
    timeout: float | None = None
    save_fitted: bool = False
    save_maps: bool = False
    measured: int = 0
    created: str = ""

    @property
    def cells(self) -> int:
        """Number of cells of all entries."""
        return sum(len(entry.job.cells) for entry in self.entries)


@dataclass(frozen=True, slots=True)
class PlanStates:
    """What has become of the cells of a plan, by the id of the cell.

    Parameters
    ----------
    done
        Records that were written since it was planned, whatever they say.
    running
        Who measures a cell now.
    lost
        Who was to measure a cell that has no record, and is gone.
    unclaimed
        What can be taken, that which was lost included.
    """

    done: Mapping[str, Record]
    running: Mapping[str, Holder]
    lost: Mapping[str, Holder]
    unclaimed: tuple[PlanEntry, ...]


def plan_file_of(
    plan: Plan,
    store: Store,
    *,
    devices: Sequence[str],
    timeout: float | None,
    save_fitted: bool = False,
    save_maps: bool = False,
) -> PlanFile:
    """Return what the file of a plan says.

    Parameters
    ----------
    plan
        Made without machines (:class:`harness.plan.selection.Selection`): it isn't known yet where cells will run.
    store
        Where records are written.
    devices
        Names of devices, unresolved.
    timeout
        Seconds that a cell may take; None for no limit.
    save_fitted, save_maps
        Whether fitted methods and maps are kept.
    """
    return PlanFile(
        entries=tuple(PlanEntry(job, _record_files(store.folder, job.cells)) for job in plan.to_run),
        results=store.folder.absolute(),
        devices=tuple(devices),
        timeout=timeout,
        save_fitted=save_fitted,
        save_maps=save_maps,
        measured=len(plan.cells) - plan.cells_to_run,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def write_plan(path: Path, plan: PlanFile) -> None:
    """Write the file of a plan; an earlier one is replaced.

    Raises
    ------
    PrerequisiteError
        Where it can't be written.
    """
    value: dict[str, Any] = {name: getattr(plan, name) for name in PlanFile.__dataclass_fields__ if name != "entries"}
    entries = [{"job": _planned(entry.job), "before": entry.before} for entry in plan.entries]
    content = {"format": _FORMAT, **value, "results": str(plan.results.absolute()), "entries": entries}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.encode(content))
    except OSError as error:
        raise PrerequisiteError(f"The plan {path} can't be written ({error.strerror}): name another file.") from error


def read_plan(path: Path) -> PlanFile:
    """Read the file of a plan; raise UsageError where it is none, or of another version of harness."""
    try:
        value = msgspec.json.decode(read_regular(path, _LARGEST), type=dict[str, Any])
        if value.pop("format", None) != _FORMAT:
            raise ValueError(f"its format is not {_FORMAT}")
        entries = tuple(map(_entry, value.pop("entries")))
        plan = msgspec.convert({**value, "entries": ()}, PlanFile, dec_hook=lambda _, text: _folder(text))
        if plan.timeout is not None and plan.timeout <= 0:
            raise ValueError(f"its timeout is {plan.timeout:g} s")
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no plan {path}: write one with 'harness run --methods NAME --write-plan FILE'."
        ) from error
    except (*UNREADABLE, OSError) as error:
        raise UsageError(
            f"{path} is not a plan of this version of harness ({type(error).__name__}: {error}): "
            "write it with 'harness run --methods NAME --write-plan FILE'."
        ) from error
    return replace(plan, entries=entries)


def record_since(entry: PlanEntry, results: Path) -> Record | None:
    """Return the record of a cell, or the failed attempt at it, once that of each cell of its fit was written since.

    Parameters
    ----------
    entry
        The cell.
    results
        Results folder; records of further machines in it count as well.

    Returns
    -------
    Record or None
        Of several the newest ok one, else the newest; None where there is none that can be read.
    """
    return _record_since(entry, results, _places(results))


def cells_left(entry: PlanEntry, results: Path) -> list[Cell]:
    """Return the cells of an entry without a record that was written since they were planned."""
    places = _places(results)
    return [cell for cell in entry.job.cells if _cell_since(entry, cell, results, places) is None]


def plan_states(plan: PlanFile, results: Path) -> PlanStates:
    """Return what has become of the cells of a plan.

    Claims are read before records, so that a cell that ends meanwhile is done, and never lost.

    Parameters
    ----------
    plan
        As read from its file.
    results
        Results folder.
    """
    running, lost, places = holders(results), lost_holders(results), _places(results)
    done: dict[str, Record] = {}
    unclaimed: list[PlanEntry] = []
    for entry in plan.entries:
        cell = entry.job.cell
        if (record := _record_since(entry, results, places)) is not None:
            done[cell.id] = record
        elif cell.stem not in running:
            unclaimed.append(entry)

    def open_cells(of: Mapping[str, Holder]) -> dict[str, Holder]:
        cells = (entry.job.cell for entry in plan.entries)
        return {cell.id: of[cell.stem] for cell in cells if cell.stem in of and cell.id not in done}

    return PlanStates(done, open_cells(running), open_cells(lost), tuple(unclaimed))


def _record_since(entry: PlanEntry, results: Path, places: Sequence[Path]) -> Record | None:
    own, *others = (_cell_since(entry, cell, results, places) for cell in entry.job.cells)
    return own if all(others) else None


def _cell_since(entry: PlanEntry, cell: Cell, results: Path, places: Iterable[Path]) -> Record | None:
    found = []
    for place in places:
        store = Store(place)
        for path, read in ((store.path, store.read), (store.failed_path, store.read_failed)):
            known = entry.before.get(path(cell).relative_to(results).as_posix())
            if path(cell).exists() and (known is None or known != _file_digest(path(cell))):
                found.append(read(cell))
    return max(filter(None, found), key=rank, default=None)


def _places(results: Path) -> list[Path]:
    """Return the folders in which records of a cell may lie."""
    try:
        return [results, *sorted((results / MACHINES).iterdir())]
    except OSError:
        return [results]


def _record_files(results: Path, cells: Sequence[Cell]) -> dict[str, str]:
    stores = [(Store(place), cell) for place in _places(results) for cell in cells]
    paths = (path for store, cell in stores for path in (store.path(cell), store.failed_path(cell)))
    return {path.relative_to(results).as_posix(): known for path in paths if (known := _file_digest(path))}


def _file_digest(path: Path) -> str:
    """Return the SHA-256 of a record's file; empty where it can't be read."""
    try:
        return file_sha256(path)
    except OSError:
        return ""


def _planned(job: Job) -> dict[str, Any]:
    return {name: value for name, value in job_to_json(job).items() if name not in _NOT_PLANNED}


def _entry(value: Mapping[str, Any]) -> PlanEntry:
    if unknown := sorted(set(value["job"]) & set(_NOT_PLANNED)):
        raise ValueError(f"a job in it has '{unknown[0]}', which no plan decides")
    job = job_from_json(value["job"])
    if (version := job.cell.protocol.version) != PROTOCOL_VERSION:
        raise ValueError(f"it was planned for version {version} of the protocol, and this one is {PROTOCOL_VERSION}")
    return PlanEntry(job, msgspec.convert(value["before"], dict[str, str]))


def _folder(text: str) -> Path:
    path = Path(text)
    if "\0" in text or not path.is_absolute():
        raise ValueError(f"{text!r} is not an absolute folder")
    return path
