"""What a sheet or a gallery shows: methods whose maps were kept, under one protocol, and samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.data.open import open_dataset
from harness.data.registry import DATASETS
from harness.dataset_contract import Dataset, SampleRef
from harness.errors import PrerequisiteError, UsageError
from harness.registry import nearest_names
from harness.report.pictures.runs import ShownMethod, ShowRequest, categories_with_maps, runs_with_maps
from harness.report.separation import share_below
from harness.store.store import Store

__all__ = ["Choice", "choose", "spread_samples"]

_MOST_ROWS = 40


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
        For unknown names, options that don't go together, and more than 40 samples.
    MapsMissingError
        Where nothing is measured, or its maps were not kept.
    PrerequisiteError
        Where the maps were made of other files than those of the dataset.
    """
    name, known = request.query.dataset, {*DATASETS, *(record.cell.dataset for record in store.all())}
    if name not in known:
        raise UsageError(f"There is no dataset '{name}': {nearest_names(name, known)}")
    if sum((request.worst is not None, request.best is not None, bool(request.samples))) > 1:
        raise UsageError("--samples, --worst and --best choose samples in different ways: give one of them.")
    if request.samples and request.defects:
        raise UsageError("--samples names the samples already: leave out --defects.")
    runs = runs_with_maps(store, request)
    group, methods = max(runs, key=lambda run: (len(run[1]), _newest(run[1])))
    if request.figure == 6 and not request.query.methods:
        methods = tuple(filter(_has_features, methods)) or methods
    dataset = open_dataset(request.query.dataset, data)
    categories = categories_with_maps(store, dataset, group, methods, request)
    for method in methods:
        _check_data(method, dataset, categories)
    others = tuple(other.title for other, _ in runs if other is not group)
    return Choice(group.title, methods, dataset, _samples(dataset, categories, methods[0], request), others)


def spread_samples(refs: Sequence[SampleRef], count: int) -> list[SampleRef]:
    """Return at most ``count`` samples of as many defects as possible, and one good sample last."""
    kinds: dict[str, list[SampleRef]] = {}
    for ref in refs:
        kinds.setdefault(ref.defect, []).append(ref)
    good = kinds.pop("good", [])[:1] if count > 1 else []
    deepest = max(map(len, kinds.values()), default=0)
    turns = [kind[turn] for turn in range(deepest) for kind in kinds.values() if turn < len(kind)]
    return [*turns[: max(0, count - len(good))], *good]


def _check_data(method: ShownMethod, dataset: Dataset, categories: Sequence[str]) -> None:
    for category in categories:
        if method.records[category].cell.data_digest != dataset.digest(category):
            title = dataset.info.title
            raise PrerequisiteError(
                f"The maps of {method.label} on {category} were made of other files than those of {title} in "
                f"{dataset.root}: name the folder of that run with --data DIR, or run it again with --save-maps."
            )


def _has_features(method: ShownMethod) -> bool:
    return all("e2d" in file.names(file.ids[0]) for file in method.maps.values())


def _newest(methods: Sequence[ShownMethod]) -> str:
    return max(record.created for method in methods for record in method.records.values())


def _samples(
    dataset: Dataset, categories: Sequence[str], method: ShownMethod, request: ShowRequest
) -> tuple[SampleRef, ...]:
    """Return the test samples of some categories that are shown; the method's scores rank them where it is asked."""
    refs = [ref for category in categories for ref in dataset.refs(category, "test")]
    if request.samples:
        chosen = _named(refs, request.samples)
    elif request.worst is not None or request.best is not None:
        ranked = _ranked(_of_defects(refs, request.defects), refs, method)
        chosen = ranked[: request.worst] if request.worst is not None else ranked[::-1][: request.best]
    else:
        shown = _of_defects(refs, request.defects) if request.defects else [ref for ref in refs if ref.defect != "good"]
        chosen = _one_each(shown, by_category=bool(request.query.categories))
    if len(chosen) > _MOST_ROWS:
        raise UsageError(
            f"The figure would have {len(chosen)} rows, and {_MOST_ROWS} are the most: narrow it with --categories, "
            "--defects or --samples."
        )
    return tuple(chosen)


def _named(refs: Sequence[SampleRef], names: Sequence[str]) -> list[SampleRef]:
    chosen: dict[SampleRef, None] = {}
    for name in names:
        matching = [ref for ref in refs if name in (ref.id, f"{ref.category}/{ref.id}")]
        if not matching:
            raise UsageError(f"There is no test sample '{name}': {nearest_names(name, (ref.id for ref in refs))}")
        chosen.update(dict.fromkeys(matching))
    return list(chosen)


def _of_defects(refs: Sequence[SampleRef], defects: Sequence[str]) -> list[SampleRef]:
    """Return the samples of some defects, in the order of their names; all where none is named."""
    known = dict.fromkeys(ref.defect for ref in refs)
    for name in defects:
        if name not in known:
            raise UsageError(f"There is no defect '{name}' in these categories: {nearest_names(name, known)}")
    return [ref for name in defects for ref in refs if ref.defect == name] if defects else list(refs)


def _one_each(refs: Sequence[SampleRef], *, by_category: bool) -> list[SampleRef]:
    """Return the first sample of each defect: of every category, or from the category that is shown least so far."""
    if by_category:
        return list({(ref.category, ref.defect): ref for ref in reversed(refs)}.values())[::-1]
    shown = dict.fromkeys((ref.category for ref in refs), 0)
    chosen = []
    for defect in dict.fromkeys(ref.defect for ref in refs):
        first = min((ref for ref in refs if ref.defect == defect), key=lambda ref: shown[ref.category])
        shown[first.category] += 1
        chosen.append(first)
    return chosen


def _ranked(chosen: Sequence[SampleRef], refs: Sequence[SampleRef], method: ShownMethod) -> list[SampleRef]:
    """Sort samples by how well the method's score separates them from the other kind of their category, worst first.

    That is the share of the other kind on the right side of the score; ties are broken by the share of their own kind
    that is separated worse.
    """
    scores = {ref: method.maps[ref.category].score(ref.id) for ref in refs}

    def key(ref: SampleRef) -> tuple[float, float, str, str]:
        sign = -1 if ref.defect == "good" else 1
        values: dict[bool, list[float]] = {True: [], False: []}
        for other in refs:
            if other.category == ref.category:
                values[(other.defect == "good") == (ref.defect == "good")].append(sign * scores[other])
        own = sign * scores[ref]
        return share_below(own, values[False]), share_below(own, values[True]), ref.category, ref.id

    return sorted(chosen, key=key)
