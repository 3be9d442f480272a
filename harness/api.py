"""The verbs of the command line as plain functions; ``harness`` re-exports them.

>>> import harness
>>> records = harness.run(methods=["cfm", "cfm-t"], dataset="toy", shots=[10])
>>> harness.table("accuracy").to_pandas()
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from harness.data.open import dataset_in
from harness.data.registry import DATASETS, DEFAULT_DATASET
from harness.data.splits import parse_shots
from harness.errors import UsageError
from harness.files.paths import user_path
from harness.measure.environment import machine_of
from harness.metrics import evaluate
from harness.plan.estimate import estimate
from harness.plan.job import Job
from harness.plan.planning import Plan, make_plan
from harness.plan.selection import Selection
from harness.report.results import Results
from harness.report.tables import NothingMeasuredError, Source, TableRequest, published_grids
from harness.running.predict import load_fitted
from harness.store.pending import drop_finished, save_pending
from harness.store.published import read_published
from harness.store.query import RecordQuery
from harness.store.several import open_store
from harness.store.store import Store, left_out_records_text

if TYPE_CHECKING:
    from harness.report.answer.answer import Answer
    from harness.report.grid import Grid
    from harness.store.merging import Merged

__all__ = [
    "Results",
    "compare",
    "datasets",
    "evaluate",
    "load_fitted",
    "merge",
    "methods",
    "placed_jobs",
    "results",
    "run",
    "run_plan",
    "table",
    "tables",
]

_Folder = str | Path
_Sizes = Iterable[int | str]
_Value = TypeVar("_Value")

_PLACES = ("checkpoint", "log", "weights_dir")
"""Options that are folders."""


def run(
    methods: str | Iterable[str],
    *,
    dataset: str | None = None,
    data: _Folder | None = None,
    categories: Iterable[str] = (),
    shots: _Sizes = (10,),
    splits: Iterable[str] = ("first",),
    preset: str | None = None,
    weights: Literal["auto", "pretrained", "random"] = "auto",
    devices: str | Iterable[str] = "auto",
    results: _Folder = "results",
    timeout: float | None = None,
    rerun: Iterable[str] = (),
    progress: bool = True,
    **options: Any,
) -> Results:
    """Run methods on a dataset, each cell in a process of its own, and return the records of all cells of the plan.

    What is measured already is not run again. A cell that goes wrong is a record with the reason, not an exception.

    Parameters
    ----------
    methods
        Names, globs, ``name[parameter=value]``, or ``./file.py:Class`` for a method that is not installed.
    dataset, data
        Name of the dataset, and its folder. A folder alone is recognised by its content; without either it is the toy
        dataset, which needs no folder.
    categories
        Names or globs; all of the dataset where empty.
    shots, splits
        Training-set sizes (numbers of 1 or more, or ``full``) and names of few-shot lists.
    preset, weights
        As ``harness run --preset`` and ``--weights``.
    devices
        ``cpu``, ``cuda:0``, ``all`` or ``auto``; one cell runs at a time on each.
    results
        Folder of records.
    timeout
        Seconds that a cell may take.
    rerun
        ``failed``, ``all``, or methods whose measured cells run again.
    progress
        Whether bars and a line for each finished cell are shown, in a terminal or a notebook.
    **options
        Further fields of :class:`harness.plan.selection.Selection`.

    Raises
    ------
    HarnessError
        Where something is unknown or missing: the message says what, why, and how to mend it.
    """
    from harness.running.devices import choose_devices

    chosen = choose_devices(_listed(devices))
    places = {name: user_path(options[name]) for name in _PLACES if options.get(name)}
    selection = Selection(
        methods=_listed(methods),
        dataset=dataset or (dataset_in(user_path(data)) if data is not None else DEFAULT_DATASET),
        data=None if data is None else user_path(data),
        categories=_listed(categories),
        shots=_at_least_one("shots", tuple(parse_shots(str(size)) for size in shots)),
        splits=_at_least_one("splits", _listed(splits)),
        preset=preset,
        weights=weights,
        rerun=_listed(rerun),
        machines=tuple(map(machine_of, chosen)),
        **{**options, **places},
    )
    store = Store(user_path(results))
    plan = make_plan(selection, store)
    store.ensure_writable()
    return run_plan(
        plan,
        store,
        devices=chosen,
        timeout=timeout,
        save_fitted=selection.save_fitted,
        save_maps=selection.save_maps,
        progress=progress,
    )


def run_plan(
    plan: Plan,
    store: Store,
    *,
    devices: Sequence[str],
    timeout: float | None = None,
    save_fitted: bool = False,
    save_maps: bool = False,
    progress: bool = True,
    verbosity: int = 0,
) -> Results:
    """Run what is to run of a plan, and return the records of all its cells, with the attempts that failed beside them.

    Parameters
    ----------
    plan
        As checked by :func:`harness.plan.planning.make_plan`.
    store
        Where records are written.
    devices
        Torch device names, at least one.
    timeout
        Seconds that a cell may take.
    save_fitted, save_maps
        Whether fitted methods and maps of the test images are kept.
    progress
        Whether bars are shown.
    verbosity
        As for :func:`harness.report.progress.run_with_progress`.
    """
    from harness.report.progress import run_with_progress
    from harness.running.interrupts import end_with_signals
    from harness.running.scheduler import run_jobs

    jobs = placed_jobs(plan, save_fitted=save_fitted, save_maps=save_maps)
    if jobs:
        for folder in {job.results for job in jobs}:
            save_pending(folder, [cell for job in jobs if job.results == folder for cell in job.cells])
        start = partial(run_jobs, jobs, devices=devices, timeout=timeout)
        end_with_signals()
        if progress:
            known = estimate(plan, store.all(), devices).cells
            expected = {time.planned.job.cell.id: time.seconds for time in known if time.seconds is not None}
            run_with_progress(start, plan.cells_to_run, devices, expected=expected, verbosity=verbosity)
        else:
            for _ in start(lambda job, event: None):
                pass
    for folder in {store.folder, *(job.results for job in jobs)}:
        drop_finished(folder)
    records = (Store(planned.job.results).read(planned.job.cell) for planned in plan.cells)
    failed = (Store(job.results).read_failed(cell) for job in jobs for cell in job.cells)
    return Results(filter(None, records), store, filter(None, failed))


def placed_jobs(plan: Plan, *, save_fitted: bool = False, save_maps: bool = False) -> list[Job]:
    """Return the jobs of a plan that are to run, with the places that they write to."""
    places = ((job, Store(job.results)) for job in plan.to_run)
    return [
        job.placed(
            place.folder,
            place.fitted_path(job.cell) if save_fitted else None,
            place.maps_path(job.cell) if save_maps else None,
        )
        for job, place in places
    ]


def results(folders: _Folder | Iterable[_Folder] = "results", **query: Any) -> Results:
    """Return the records of one or several results folders.

    Parameters
    ----------
    folders
        Of several, the newest ok record of each cell counts.
    **query
        Fields of :class:`harness.store.query.RecordQuery`: ``dataset``, ``methods``, ``categories``, ``shots``,
        ``splits``, ``preset``, ``weights``, ``device``, ``statuses``, ``contended``, ``conditions``; texts and single
        values stand for lists of one.

    Raises
    ------
    UsageError
        For an unknown field or name.
    """
    chosen = _query(query)
    store = open_store(_folders(folders), chosen.device)
    records = store.all()
    if store.left_out:
        warnings.warn(left_out_records_text(store), stacklevel=2)
    chosen.check(records)
    return Results(chosen.select(records), store, contended=chosen.contended)


def merge(folders: _Folder | Iterable[_Folder], to: _Folder, *, progress: bool = True) -> Merged:
    """Merge results folders into one: records, counts, maps, fitted methods and logs; ``harness merge``.

    Of the records of a cell on the same hardware the newest ok one counts, else the newest. Records of other hardware
    stay side by side. Nothing is deleted: replaced files of ``to`` move to its ``aside`` folder.

    Parameters
    ----------
    folders
        Results folders; none of them is changed but ``to``, where it is among them.
    to
        Folder that is merged into; it may hold records already.
    progress
        Whether a bar is shown, in a terminal.

    Returns
    -------
    Merged
        What was copied, what was replaced, and what could not be merged, which a warning names, too.

    Raises
    ------
    UsageError
        Where a folder does not exist, there is none but ``to``, or ``to`` is in another one.
    PrerequisiteError
        Where ``to`` can't be written.
    """
    from harness.report.console import counting
    from harness.store.merging import merge_folders

    with counting("Merging", show=progress) as count:
        merged = merge_folders(_folders(folders), user_path(to), count)
    for sentence in merged.warnings:
        warnings.warn(sentence, stacklevel=2)
    return merged


def tables(
    name: str = "all",
    folders: _Folder | Iterable[_Folder] = "results",
    *,
    metrics: Sequence[str] = (),
    source: Source = "both",
    **query: Any,
) -> list[Grid]:
    """Return a table for every setting that a query leaves, as ``harness tables --table NAME`` prints them.

    Parameters
    ----------
    name
        One of ``harness tables --list``, or ``all``.
    folders
        Results folders.
    metrics
        Ids of accuracy metrics; those of the table where empty.
    source
        ``measured``, ``published``, or ``both`` to set published numbers beside measured ones.
    **query
        As in :func:`results`.

    Returns
    -------
    list of Grid
        Each with ``to_pandas()``, and shown as a table in a notebook.
    """
    if source == "published":
        request = TableRequest(_query(query), (name,), tuple(metrics))
        published = read_published()
        request.check((), published)
        return published_grids(published, request)
    wide = {"conditions": "all"} if name == "stress" else {}
    return results(folders, **(wide | query)).tables(name, metrics=metrics, source=source)


def table(
    name: str = "accuracy",
    folders: _Folder | Iterable[_Folder] = "results",
    *,
    metrics: Sequence[str] = (),
    source: Source = "both",
    **query: Any,
) -> Grid:
    """Return the table of the fullest setting: that with the most numbers; the parameters are those of :func:`tables`.

    Raises
    ------
    NothingMeasuredError
        Where nothing is measured that the table shows.
    """
    grids = tables(name, folders, metrics=metrics, source=source, **query)
    if not grids:
        raise NothingMeasuredError(f"Nothing is measured that table '{name}' shows: see 'harness status'.")
    return max(grids, key=lambda grid: sum(value.number is not None for row in grid.rows for value in row.values))


def compare(
    methods: str | Iterable[str] = (), folders: _Folder | Iterable[_Folder] = "results", *, metric: str = "", **q: Any
) -> list[Answer]:
    """Return which method is best, by how much and at what cost, for each setting: ``harness compare``.

    Parameters
    ----------
    methods
        Those to compare; all that are measured where empty.
    folders, **q
        As in :func:`results`.
    metric
        Id of an accuracy metric; where empty AUPRO@1%, or I-AUROC where masks are missing.

    Returns
    -------
    list of Answer
        Empty where nothing is ok. Each prints itself in words, and as words and a table in a notebook.
    """
    return results(folders, methods=_listed(methods), **q).compare(metric)


def methods() -> tuple[str, ...]:
    """Return the names of all installed methods."""
    from harness.registry import method_names

    return tuple(method_names())


def datasets() -> tuple[str, ...]:
    """Return the names of all datasets."""
    return tuple(DATASETS)


def _folders(folders: _Folder | Iterable[_Folder]) -> list[Path]:
    return [user_path(folder) for folder in ([folders] if isinstance(folders, str | Path) else folders)]


def _listed(texts: str | Iterable[str]) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else tuple(texts)


def _at_least_one(name: str, values: tuple[_Value, ...]) -> tuple[_Value, ...]:
    if not values:
        raise UsageError(f"'{name}' names nothing, so nothing would be run: give at least one, or leave it out.")
    return values


def _query(fields: dict[str, Any]) -> RecordQuery:
    unknown = sorted(set(fields) - set(RecordQuery.__dataclass_fields__))
    if unknown:
        raise UsageError(
            f"There is no selection by {', '.join(unknown)}: choose from {', '.join(RecordQuery.__dataclass_fields__)}."
        )
    many = ("methods", "categories", "shots", "splits", "statuses", "conditions")
    listed: dict[str, Any] = {name: _listed_values(value) if name in many else value for name, value in fields.items()}
    if "shots" in listed:
        listed["shots"] = tuple(parse_shots(str(size)) for size in listed["shots"])
    return RecordQuery(**listed)


def _listed_values(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, list | tuple | set) else (value,)
