"""From a selection to cells: everything is checked here, before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Literal

from harness import registry
from harness.cell import Cell
from harness.contract import Checkpointed, MethodError, ParameterValue
from harness.data.conditions import Condition, parse_condition
from harness.data.contamination import contaminated
from harness.data.fields import lacking_fields
from harness.data.open import open_dataset
from harness.data.registry import OWN_DATA, is_embedded, way_to_get
from harness.data.splits import TrainingSplit, load_split
from harness.data.weights import ResolvedWeight, WeightStore
from harness.dataset_contract import Dataset
from harness.errors import PrerequisiteError, UsageError
from harness.files.digest import digest, file_sha256
from harness.plan.changes import Changes
from harness.plan.job import Job, one_class
from harness.plan.modalities import condition_refused, lacking_modalities
from harness.plan.samples import lacking_validation
from harness.plan.selection import ChosenMethod, Selection, chosen_methods
from harness.protocol import Protocol, WeightsMode
from harness.store.store import Store

__all__ = ["Plan", "PlannedCell", "join_plans", "make_plan"]


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A job, and whether it runs.

    Parameters
    ----------
    job
        What a worker needs to know.
    action, why
        Whether it runs, and the reason.
    test_samples
        Size of the category's test set.
    """

    job: Job
    action: Literal["run", "skip"]
    why: str
    test_samples: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """All cells of a selection, and sentences that a user should read before they run."""

    cells: tuple[PlannedCell, ...]
    notes: tuple[str, ...]

    @property
    def to_run(self) -> tuple[Job, ...]:
        """The jobs of all cells that are not skipped: those of one fit, which differ in the condition, are one job.

        The cell without a condition comes first: the others are measured with what is fitted for it.
        """
        fits: dict[tuple[str, Path], list[Job]] = {}
        for job in (planned.job for planned in self.cells if planned.action == "run"):
            shared = job.cell.id if job.unsupported else job.cell.fit_id
            fits.setdefault((shared, job.results), []).append(job)
        ordered = (sorted(jobs, key=lambda job: job.cell.condition.of_test) for jobs in fits.values())
        return tuple(jobs[0].of([job.cell for job in jobs]) for jobs in ordered)

    @property
    def cells_to_run(self) -> int:
        """Number of cells that are not skipped."""
        return sum(planned.action == "run" for planned in self.cells)

    def to_json(self) -> dict[str, object]:
        """Return every cell with its action and the reason, and the notes, as plain JSON values."""
        return {
            "to_run": self.cells_to_run,
            "cells": [
                {"id": planned.job.cell.id, **planned.job.cell.keys, "action": planned.action, "why": planned.why}
                for planned in self.cells
            ],
            "notes": list(self.notes),
        }


def make_plan(selection: Selection, store: Store) -> Plan:
    """Expand a selection into cells and decide which run.

    A cell with a record of status ``ok`` is skipped, unless ``rerun`` asks for it.

    Raises
    ------
    UsageError, PrerequisiteError, DataError
        For anything that would make a cell fail later: an unknown name, a missing sample, weight file or folder.
    """
    methods = chosen_methods(selection)
    dataset = open_dataset(selection.dataset, selection.data)
    categories = _categories(selection.categories, dataset)
    mode, weights, notes = _weights(selection, methods)
    protocol = Protocol.for_preset(selection.used_preset, mode)
    conditions = tuple(map(parse_condition, selection.conditions))
    planned: dict[str, PlannedCell] = {}
    changes, lacking = Changes(dataset), cache(partial(lacking_fields, dataset))
    for shots in selection.shots:
        for split_name in selection.splits_of(shots):
            for category in categories:
                split = load_split(dataset, category, shots, split_name)
                tested = dataset.refs(category, "test")
                if not tested:
                    raise PrerequisiteError(
                        f"Category '{category}' in {dataset.root} has no test sample: the download is incomplete; "
                        f"see 'harness data verify {dataset.root}'."
                    )
                lists = [(condition, *contaminated(split, tested, condition)) for condition in conditions]
                wanted = [method for method in methods if selection.wants(method.spec, shots)]
                for method, (condition, trained, why) in product(wanted, lists):
                    under = replace(protocol, condition=condition.text)
                    job = _job(method, trained, dataset, selection, under, weights[str(method.spec)])
                    needs = registry.load(method.spec.name).meta.needs
                    unsupported = trained.too_few or why or one_class(tested) or lacking(category, needs)
                    job = replace(job, unsupported=unsupported or _unsupported(method, job, dataset, condition))
                    decided = _decide(_with_kept_fit(job, store, selection, changes), store, selection, changes)
                    planned.setdefault(job.cell.id, replace(decided, test_samples=len(tested)))
    return Plan(tuple(planned.values()), (*notes, *_left_out(dataset, categories)))


def _job(
    method: ChosenMethod,
    split: TrainingSplit,
    dataset: Dataset,
    selection: Selection,
    protocol: Protocol,
    weights: Mapping[str, ResolvedWeight],
) -> Job:
    """Return the job of a cell, without the reason why it is unsupported and without a place to write to."""
    spec, parameters = method.spec, method.parameters
    cell = Cell(
        method=spec.name,
        parameters=parameters,
        given=method.given,
        dataset=dataset.info.name,
        category=split.category,
        data_digest=dataset.digest(split.category),
        shots=split.shots,
        split=split.name,
        split_digest=split.digest,
        protocol=protocol,
        checkpoint=_checkpoint_digest(selection.checkpoint, spec.name, parameters, split.category),
        weights={name: file.sha256 for name, file in weights.items()},
    )
    return Job(
        cell,
        selection.data,
        split.ids,
        weights,
        selection.checkpoint,
        cache=selection.cache,
        log=selection.log,
        reference=registry.reference_of(spec.name),
    )


def _unsupported(method: ChosenMethod, job: Job, dataset: Dataset, condition: Condition) -> str:
    """Return why a method can't be measured on a category under a condition, a sentence; empty where it can."""
    name, parameters, category = method.spec.name, method.parameters, job.cell.category
    unsupported = lacking_modalities(name, parameters, dataset, category)
    unsupported = unsupported or condition_refused(name, parameters, condition, dataset, category)
    if job.checkpoint is None:
        return unsupported or lacking_validation(name, parameters, dataset, category)
    trained = f"Released weights are trained already, so '{condition.text}' changes nothing: leave out --checkpoint."
    return unsupported or (trained if condition.of_training else "")


def join_plans(plans: Sequence[Plan], notes: Sequence[str] = ()) -> Plan:
    """Return one plan of several, each cell and each note once.

    Parameters
    ----------
    plans
        In the order of their cells.
    notes
        Further sentences, before those of the plans.
    """
    cells: dict[str, PlannedCell] = {}
    for plan in plans:
        for planned in plan.cells:
            cells.setdefault(planned.job.cell.id, planned)
    all_notes = dict.fromkeys((*notes, *(note for plan in plans for note in plan.notes)))
    return Plan(tuple(cells.values()), tuple(all_notes))


def _decide(job: Job, store: Store, selection: Selection, changes: Changes) -> PlannedCell:
    place, record = store.place_of(job.cell, selection.machines)
    job = replace(job, results=place.folder)
    repeated = any(name in selection.rerun for name in ("all", job.cell.method, job.cell.label))
    if record is None and any(file.path == place.path(job.cell) for file in place.left_out):
        return PlannedCell(job, "run", "the file in the place of its record can't be used and is moved to 'aside'")
    if record is None:
        only_failed = "failed" in selection.rerun and not repeated
        elsewhere = store.read(job.cell) if place is not store else None
        why = f"measured on {elsewhere.environment.machine}, not on this machine" if elsewhere else "no record yet"
        return PlannedCell(job, "skip" if only_failed else "run", job.unsupported or why)
    if record.status != "ok":
        return PlannedCell(job, "run", f"was {record.status}: {record.reason}")
    if repeated:
        return PlannedCell(job, "run", f"measured on {record.created[:10]}, again by --rerun")
    if change := changes.since(job, record):
        return PlannedCell(job, "run", f"measured on {record.created[:10]}, but {change}")
    if selection.save_fitted and job.cell.fit_id == job.cell.id and not place.fitted_path(job.cell).is_file():
        return PlannedCell(job, "run", "measured, but the fitted method was not kept")
    if selection.save_maps and not place.maps_path(job.cell).is_file():
        return PlannedCell(job, "run", "measured, but its maps were not kept")
    failed = place.read_failed(job.cell)
    if failed is None:
        return PlannedCell(job, "skip", f"measured on {record.created[:10]}")
    why = f"measured on {record.created[:10]}; measured again on {failed.created[:10]} it was {failed.status}"
    return PlannedCell(job, "run" if "failed" in selection.rerun else "skip", why)


def _with_kept_fit(job: Job, store: Store, selection: Selection, changes: Changes) -> Job:
    """Return a job under a condition of test samples with the method that is kept of its fit, where that is fresh."""
    if not job.cell.condition.of_test:
        return job
    plain = replace(job, cell=job.cell.without_condition)
    place, record = store.place_of(plain.cell, selection.machines)
    path = place.fitted_path(plain.cell)
    fresh = record is not None and record.status == "ok" and path.is_file() and not changes.since(plain, record)
    return replace(job, fitted=path) if fresh else job


def _categories(wanted: Sequence[str], dataset: Dataset) -> tuple[str, ...]:
    if not wanted:
        return dataset.categories
    chosen: dict[str, None] = {}
    for pattern in wanted:
        matching = [name for name in dataset.categories if pattern == "all" or fnmatchcase(name, pattern)]
        if not matching and pattern in dataset.info.categories:
            raise PrerequisiteError(
                f"Category '{pattern}' is not in {dataset.root} (found: {', '.join(dataset.categories)}): "
                f"{way_to_get(dataset.info) or 'complete the folder'}."
            )
        if not matching and pattern in dataset.unofficial:
            title, known = dataset.info.title, ", ".join(dataset.categories)
            way = f"choose from {known}, or read it as own data with --dataset {OWN_DATA}"
            raise UsageError(f"'{pattern}' is not an official category of {title}: {way}.")
        if not matching:
            nearest = registry.nearest_names(pattern, dataset.categories)
            raise UsageError(f"Dataset '{dataset.info.name}' has no category '{pattern}': {nearest}")
        chosen.update(dict.fromkeys(matching))
    return tuple(name for name in dataset.categories if name in chosen)


def _left_out(dataset: Dataset, categories: Sequence[str]) -> list[str]:
    """Return a sentence for each thing in the dataset's folder that no cell uses."""
    notes = [f"{category}: {note}." for category in categories for note in dataset.notes(category)]
    if dataset.unofficial:
        title, names = dataset.info.title, ", ".join(dataset.unofficial)
        notes.append(f"{dataset.root} holds {names}: not an official category of {title}, and left out.")
    return notes


def _weights(
    selection: Selection, methods: Sequence[ChosenMethod]
) -> tuple[WeightsMode, Mapping[str, Mapping[str, ResolvedWeight]], list[str]]:
    nothing: dict[str, Mapping[str, ResolvedWeight]] = {str(method.spec): {} for method in methods}
    if selection.weights == "random":
        return "random", nothing, []
    store = WeightStore(selection.weights_dir)
    needed = {str(method.spec): registry.weights_of(method.spec.name, method.parameters) for method in methods}
    try:
        files = {text: store.resolve(own, unverified=selection.unverified) for text, own in needed.items()}
    except PrerequisiteError as error:
        if selection.weights == "pretrained" or not is_embedded(selection.dataset):
            raise
        notice = (
            "RANDOM WEIGHTS: the feature extractors are untrained, so these numbers say nothing about the methods "
            f"on real data. {error}"
        )
        return "random", nothing, [notice]
    return "pretrained", files, []


def _checkpoint_digest(folder: Path | None, name: str, parameters: Mapping[str, ParameterValue], category: str) -> str:
    if folder is None:
        return ""
    method = registry.load(name)(**parameters)
    if not isinstance(method, Checkpointed):
        raise UsageError(f"Method '{name}' has no released checkpoints: leave out --checkpoint.")
    try:
        paths = method.find_checkpoint(folder, category)
    except MethodError as error:
        raise PrerequisiteError(str(error)) from error
    return digest([file_sha256(path) for path in paths])
