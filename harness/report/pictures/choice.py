"""What a figure shows: methods whose maps were kept, under one protocol, and samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.data.base import DATASETS, Dataset, SampleRef
from harness.data.open import open_dataset
from harness.errors import PrerequisiteError, UsageError
from harness.registry import nearest_names
from harness.report.pictures.methods import categories_with_maps, runs_with_maps
from harness.report.pictures.request import ShownMethod, ShowRequest
from harness.report.pictures.samples import choose_samples
from harness.store.store import Store

__all__ = ["Choice", "choose"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is shown.

    Parameters
    ----------
    title
        Dataset, training samples, preset and weights, in words.
    methods
        Columns, in the order of the request.
    dataset
        Where the samples lie.
    samples
        Rows.
    others
        Titles of other runs that the request fits too.
    """

    title: str
    methods: tuple[ShownMethod, ...]
    dataset: Dataset
    samples: tuple[SampleRef, ...]
    others: tuple[str, ...]


def choose(store: Store, request: ShowRequest, data: Path | None) -> Choice:
    """Return what a request means; ``data`` is the folder of its dataset, None for the embedded one.

    Where several runs fit (other shots, splits or presets), the one with maps of most methods is taken, then the
    newest.

    Raises
    ------
    UsageError
        For names that are not there, or options that don't go together.
    MapsMissingError
        Where nothing is measured, or its maps were not kept.
    PrerequisiteError
        Where the maps were made of other files than those of the dataset.
    """
    _check(request)
    groups = runs_with_maps(store, request)
    group, methods = max(groups, key=lambda found: (len(found[1]), _newest(found[1])))
    if request.figure == 6 and not request.methods:
        methods = tuple(filter(_has_features, methods)) or methods
    dataset = open_dataset(request.dataset, data)
    categories = categories_with_maps(store, dataset, group, methods, request)
    for method in methods:
        _check_data(method, dataset, categories)
    others = tuple(found.title for found, kept in groups if kept and found is not group)
    return Choice(group.title, methods, dataset, choose_samples(dataset, categories, methods[0], request), others)


def _check(request: ShowRequest) -> None:
    if request.dataset not in DATASETS:
        raise UsageError(f"There is no dataset '{request.dataset}': {nearest_names(request.dataset, DATASETS)}")
    if sum((request.worst is not None, request.best is not None, bool(request.samples))) > 1:
        raise UsageError("--samples, --worst and --best choose samples in different ways: give one of them.")
    if request.samples and request.defects:
        raise UsageError("--samples names the samples already: leave out --defects.")


def _check_data(method: ShownMethod, dataset: Dataset, categories: Sequence[str]) -> None:
    for category in categories:
        if method.records[category].cell.data_digest != dataset.digest(category):
            title = DATASETS[dataset.info.name].title
            raise PrerequisiteError(
                f"The maps of {method.label} on {category} were made of other files than those of {title} in "
                f"{dataset.root}: name the folder of that run with --data DIR, or run it again with --save-maps."
            )


def _has_features(method: ShownMethod) -> bool:
    return all("e2d" in file.names(file.ids[0]) for file in method.maps.values())


def _newest(methods: Sequence[ShownMethod]) -> str:
    return max(record.created for method in methods for record in method.records.values())
