"""From a selection to cells: everything is checked here, before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache, partial
from pathlib import Path
from typing import Literal

from harness import registry
from harness.cell import Cell
from harness.contract import Checkpointed, MethodError, ParameterValue, Portable
from harness.data.fields import lacking_fields
from harness.data.open import open_dataset
from harness.data.registry import DEFAULT_DATASET, OWN_DATA, default_preset, is_embedded, way_to_get
from harness.data.splits import Shots, load_split, require_split_name
from harness.data.weights import ResolvedWeight, WeightStore
from harness.dataset_contract import Dataset
from harness.errors import PrerequisiteError, UsageError
from harness.files.digest import digest, file_sha256
from harness.plan.changes import Changes
from harness.plan.job import Job, one_class
from harness.plan.modalities import lacking_modalities
from harness.plan.samples import lacking_validation
from harness.protocol import Protocol, WeightsMode
from harness.store.store import Store

__all__ = ["ChosenMethod", "Plan", "PlannedCell", "Selection", "chosen_methods", "join_plans", "make_plan"]


@dataclass(frozen=True, slots=True)
class Selection:
    """What a user chooses on the command line.

    Parameters
    ----------
    methods
        Texts of methods (:func:`harness.registry.parse`).
    dataset
        Name of the dataset.
    data
        Its folder, None for the embedded one.
    categories
        Names or globs; empty for all on disk.
    shots, splits
        Training-set sizes and names of few-shot lists.
    preset
        None: ``quick`` on the toy dataset, ``paper`` on any other.
    weights
        ``auto``: ``pretrained``, but on the toy dataset ``random`` where a file is missing.
    weights_dir
        Folder of weight files.
    unverified
        Whether weight files with another SHA-256 than the published one are accepted.
    checkpoint
        Folder of released trained weights that take the place of training.
    save_fitted
        Whether fitted methods are kept: a measured cell without its file runs again.
    save_maps
        Whether the maps of the test images are kept: a measured cell without its file runs again.
    rerun
        ``failed``: only cells whose record is not ok, or that were to be measured again and went wrong; ``all``: also
        measured ones; a method: its measured ones too.
    cache
        Whether cells may share extracted features.
    log
        Folder of training logs; None for none.
    machines
        Where cells may run, as records name it: a cell that only another machine has measured runs again. Empty where
        that is unknown: then any machine's record counts.
    pairs
        Methods, as :class:`harness.registry.MethodSpec` prints them, and shots that go together; None: each method
        with all shots.
    """

    methods: tuple[str, ...]
    dataset: str = DEFAULT_DATASET
    data: Path | None = None
    categories: tuple[str, ...] = ()
    shots: tuple[Shots, ...] = (10,)
    splits: tuple[str, ...] = ("first",)
    preset: str | None = None
    weights: Literal["auto", "pretrained", "random"] = "auto"
    weights_dir: Path | None = None
    unverified: bool = False
    checkpoint: Path | None = None
    save_fitted: bool = False
    save_maps: bool = False
    rerun: tuple[str, ...] = ()
    cache: bool = True
    log: Path | None = None
    machines: tuple[str, ...] = ()
    pairs: frozenset[tuple[str, Shots]] | None = None

    def wants(self, spec: registry.MethodSpec, shots: Shots) -> bool:
        """Return whether a method is planned with so many shots."""
        return self.pairs is None or (str(spec), shots) in self.pairs

    @property
    def used_preset(self) -> str:
        """The preset of its cells: the chosen one, or that of its dataset."""
        return self.preset or default_preset(self.dataset)

    def splits_of(self, shots: Shots) -> tuple[str, ...]:
        """Return the names of the lists that are planned with so many shots: all samples are one list."""
        return self.splits if shots != "full" else ("first",)


@dataclass(frozen=True, slots=True)
class ChosenMethod:
    """A method of a selection.

    Parameters
    ----------
    spec
        As parsed.
    parameters
        All of them, resolved.
    given
        Those that the user named and that differ from the default: a cell has one label however it was typed.
    """

    spec: registry.MethodSpec
    parameters: Mapping[str, ParameterValue]
    given: Mapping[str, ParameterValue]


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
        """The jobs that are not skipped."""
        return tuple(planned.job for planned in self.cells if planned.action == "run")

    def to_json(self) -> dict[str, object]:
        """Return every cell with its action and the reason, and the notes, as plain JSON values."""
        return {
            "to_run": len(self.to_run),
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
    metas = {method.spec.name: registry.load(method.spec.name).meta for method in methods}
    mode, weights, notes = _weights(selection, methods)
    protocol = Protocol.for_preset(selection.used_preset, mode)
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
                for method in methods:
                    spec, parameters = method.spec, method.parameters
                    if not selection.wants(spec, shots):
                        continue
                    cell = Cell(
                        method=spec.name,
                        parameters=parameters,
                        given=method.given,
                        dataset=dataset.info.name,
                        category=category,
                        data_digest=dataset.digest(category),
                        shots=shots,
                        split=split_name,
                        split_digest=split.digest,
                        protocol=protocol,
                        checkpoint=_checkpoint_digest(selection.checkpoint, spec.name, parameters, category),
                        weights={name: file.sha256 for name, file in weights[str(spec)].items()},
                    )
                    job = Job(cell, selection.data, tuple(split.ids), weights[str(spec)], selection.checkpoint)
                    reference = registry.reference_of(spec.name)
                    unsupported = split.too_few or one_class(tested) or lacking(category, metas[spec.name].needs)
                    unsupported = unsupported or lacking_modalities(spec.name, parameters, dataset, category)
                    if selection.checkpoint is None:
                        unsupported = unsupported or lacking_validation(spec.name, parameters, dataset, category)
                    job = replace(job, cache=selection.cache, log=selection.log)
                    job = replace(job, reference=reference, unsupported=unsupported)
                    planned.setdefault(
                        cell.id, replace(_decide(job, store, selection, changes), test_samples=len(tested))
                    )
    return Plan(tuple(planned.values()), (*notes, *_left_out(dataset, categories)))


def chosen_methods(selection: Selection) -> tuple[ChosenMethod, ...]:
    """Check all of a selection that needs no data, and return its methods in the order of their cells.

    Raises
    ------
    UsageError
        For an unknown method, parameter, split or method to run again, and for options that don't go together.
    """
    specs = _cache_producers_first(registry.parse(selection.methods))
    _check(selection, specs)
    preset = selection.used_preset
    return tuple(
        ChosenMethod(spec, registry.resolve(spec, preset), _non_default_parameters(spec, preset)) for spec in specs
    )


def _cache_producers_first(specs: Sequence[registry.MethodSpec]) -> list[registry.MethodSpec]:
    """Order methods so that in each family those whose cached features serve the others come first."""
    metas = {spec.name: registry.load(spec.name).meta for spec in specs}
    families = list(dict.fromkeys(metas[spec.name].family for spec in specs))
    return sorted(specs, key=lambda spec: (families.index(metas[spec.name].family), -metas[spec.name].cache_order))


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


def _check(selection: Selection, specs: Sequence[registry.MethodSpec]) -> None:
    """Raise UsageError for choices that no cell can meet."""
    for name in selection.splits:
        require_split_name(name)
    known = ("failed", "all", *dict.fromkeys(name for spec in specs for name in (spec.name, str(spec))))
    for name in selection.rerun:
        if name not in known:
            nearest = registry.nearest_names(name, known)
            raise UsageError(f"--rerun takes failed, all or a method of this run, not '{name}': {nearest}")
    if selection.checkpoint is not None and selection.shots != ("full",):
        raise UsageError(
            "Released checkpoints were trained on all samples, so --checkpoint goes with '--shots full' alone."
        )
    for spec in specs if selection.save_fitted else ():
        if not issubclass(registry.load(spec.name), Portable):
            raise UsageError(f"Method '{spec.name}' can't be saved (it has no state()): leave out --save-fitted.")


def _non_default_parameters(spec: registry.MethodSpec, preset: str) -> dict[str, ParameterValue]:
    """Return the parameters that a user named and that differ from the default."""
    default = registry.resolve(registry.MethodSpec(spec.name, {}), preset)
    return {name: value for name, value in spec.parameters.items() if default[name] != value}


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
    if selection.save_fitted and not place.fitted_path(job.cell).is_file():
        return PlannedCell(job, "run", "measured, but the fitted method was not kept")
    if selection.save_maps and not place.maps_path(job.cell).is_file():
        return PlannedCell(job, "run", "measured, but its maps were not kept")
    failed = place.read_failed(job.cell)
    if failed is None:
        return PlannedCell(job, "skip", f"measured on {record.created[:10]}")
    why = f"measured on {record.created[:10]}; measured again on {failed.created[:10]} it was {failed.status}"
    return PlannedCell(job, "run" if "failed" in selection.rerun else "skip", why)


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
