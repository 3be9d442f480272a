"""Suites: the cells that a table of the paper needs, one for each of its published rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from harness import registry
from harness.data.conditions import condition_texts
from harness.data.registry import DATASETS, DEFAULT_DATASET
from harness.data.splits import Shots, shots_order
from harness.errors import UsageError
from harness.protocol import Protocol
from harness.store.paper import PAPER_TABLES, printed_rows
from harness.store.published import read_published
from harness.store.query import RecordQuery, label_matches

if TYPE_CHECKING:
    from harness.plan.selection import Selection

__all__ = ["SUITES", "OutlineRow", "SuiteRow", "suite_outline", "suite_rows", "suite_selections"]

SUITES: dict[str, int] = {f"table{table.number}": table.number for table in PAPER_TABLES}
"""Name of each suite, and the number of its table in the paper."""

_REHEARSAL = DEFAULT_DATASET
_RERUN_WORDS = ("failed", "all")


@dataclass(frozen=True, slots=True)
class SuiteRow:
    """A method of a table with the samples that it was trained on: one cell for each category.

    Parameters
    ----------
    dataset
        Where the published numbers are from.
    method
        Label, as in the published files.
    shots
        Training samples.
    """

    dataset: str
    method: str
    shots: Shots

    @property
    def name(self) -> str:
        """The method without its parameters."""
        return registry.base_name(self.method)


@dataclass(frozen=True, slots=True)
class OutlineRow:
    """The cells of a method, counted without the files of the dataset.

    Parameters
    ----------
    dataset, method
        Name of the dataset, and label of the method.
    shots
        Training samples.
    categories
        How many of the chosen ones the dataset has.
    splits
        Few-shot lists; none for full, where all samples are one list.
    cells
        Of all categories, shots and lists.
    """

    dataset: str
    method: str
    shots: tuple[Shots, ...]
    categories: int
    splits: tuple[str, ...]
    cells: int


def suite_rows(suites: Sequence[str]) -> tuple[SuiteRow, ...]:
    """Return the rows of some suites, each once, in the order of the tables.

    Parameters
    ----------
    suites
        Keys of :data:`SUITES`, or ``all``.

    Raises
    ------
    UsageError
        For an unknown suite, with the nearest names.
    """
    for suite in suites:
        if suite != "all" and suite not in SUITES:
            raise UsageError(f"There is no suite '{suite}': {registry.nearest_names(suite, (*SUITES, 'all'))}")
    numbers = {number for name, number in SUITES.items() if "all" in suites or name in suites}
    published = read_published()
    printed = (row for table in PAPER_TABLES if table.number in numbers for row in printed_rows(published, table))
    return tuple(dict.fromkeys(SuiteRow(row.dataset, row.method, row.shots) for row in printed))


def suite_selections(
    suites: Sequence[str], selection: Selection, dataset: str | None
) -> tuple[tuple[Selection, ...], tuple[str, ...]]:
    """Turn suites into one selection for each dataset.

    Parameters
    ----------
    suites
        Keys of :data:`SUITES`, or ``all``.
    selection
        What else a user chose. Its methods (names, globs, labels), categories and shots narrow the suites; empty ones
        narrow nothing.
    dataset
        None for those of the tables. The toy dataset replaces all of them; any other leaves the other tables out.

    Returns
    -------
    selections
        Of the methods that are registered.
    notes
        What is left out, and why.

    Raises
    ------
    UsageError
        For an unknown suite, and where no row of the suites remains.
    """
    names = " and ".join(suites)
    rows = _narrow(suite_rows(suites), selection, dataset, names)
    rows, missing = _registered(rows, names)
    notes = [f"Not planned, as no such method is installed: {', '.join(missing)}."] if missing else []
    if dataset == _REHEARSAL:
        rows, more = _rehearsal(rows)
        notes += more
    datasets = tuple(dict.fromkeys(row.dataset for row in rows))
    categories = _categories(selection.categories, datasets)
    selections = tuple(
        _selection(selection, name, [row for row in rows if row.dataset == name], categories[name])
        for name in datasets
        if not selection.categories or categories[name]
    )
    return _share_rerun(selections, selection.rerun), tuple(notes)


def suite_outline(selections: Sequence[Selection]) -> tuple[OutlineRow, ...]:
    """Count the cells of selections by the names of categories alone, for a machine without the datasets.

    Parameters
    ----------
    selections
        Of :func:`suite_selections`.

    Returns
    -------
    A row for each dataset and method, in the order of a plan.

    Raises
    ------
    UsageError
        For all that a plan refuses before it looks at files.
    """
    return tuple(row for selection in selections for row in _outline(selection))


def _outline(selection: Selection) -> Iterator[OutlineRow]:
    from harness.plan.selection import chosen_methods

    methods = chosen_methods(selection)
    Protocol.for_preset(selection.used_preset, "random")
    names = DATASETS[selection.dataset].categories
    count = sum(not selection.categories or any(_fits(name, p) for p in selection.categories) for name in names)
    conditions = len(condition_texts(selection.conditions))
    sizes: dict[str, set[Shots]] = {}
    for method in methods:
        wanted = {shots for shots in selection.shots if selection.wants(method.spec, shots)}
        sizes.setdefault(registry.label(method.spec.name, method.given), set()).update(wanted)
    for label, wanted in sizes.items():
        shown = tuple(sorted(wanted, key=shots_order))
        lists = tuple(dict.fromkeys((shots, name) for shots in shown for name in selection.splits_of(shots)))
        splits = tuple(dict.fromkeys(name for shots, name in lists if shots != "full"))
        yield OutlineRow(selection.dataset, label, shown, count, splits, count * len(lists) * conditions)


def _fits(name: str, pattern: str) -> bool:
    return pattern == "all" or fnmatchcase(name, pattern)


def _narrow(rows: Sequence[SuiteRow], selection: Selection, dataset: str | None, suites: str) -> tuple[SuiteRow, ...]:
    """Keep the rows that a user chose; each error names the option that leaves none."""
    if dataset is not None and dataset != _REHEARSAL:
        if dataset not in DATASETS:
            raise UsageError(f"There is no dataset '{dataset}': {registry.nearest_names(dataset, DATASETS)}")
        datasets = " and ".join(dict.fromkeys(row.dataset for row in rows))
        rows = [row for row in rows if row.dataset == dataset]
        if not rows:
            raise UsageError(
                f"{suites} is about {datasets}, not {dataset}: leave out --dataset, or rehearse with '--dataset toy'."
            )
    for pattern in selection.methods:
        if not any(label_matches(pattern, row.method) for row in rows):
            names = {name for row in rows for name in (row.method, row.name)}
            raise UsageError(f"{suites} has no method '{pattern}': {registry.nearest_names(pattern, names)}")
    query = RecordQuery(methods=selection.methods)
    kept = [row for row in rows if query.keeps_label(row.method)]
    sizes = {row.shots for row in kept}
    kept = [row for row in kept if not selection.shots or row.shots in selection.shots]
    if not kept:
        wanted, published = _list(selection.shots), _list(sizes)
        raise UsageError(f"{suites} has no number of {wanted} shots (it has {published}): leave out --shots.")
    return tuple(kept)


def _list(sizes: Iterable[Shots]) -> str:
    return ", ".join(map(str, sorted(set(sizes), key=shots_order)))


def _registered(rows: Sequence[SuiteRow], suites: str) -> tuple[tuple[SuiteRow, ...], tuple[str, ...]]:
    known = registry.method_names()
    missing = tuple(dict.fromkeys(row.name for row in rows if row.name not in known))
    present = tuple(row for row in rows if row.name in known)
    if not present:
        raise UsageError(
            f"No installed package registers {', '.join(missing)}, which are all the rows left of {suites}: "
            "leave out --methods, or see 'harness methods'."
        )
    return present, missing


def _rehearsal(rows: Sequence[SuiteRow]) -> tuple[tuple[SuiteRow, ...], list[str]]:
    """Move rows to the toy dataset; leave out training sets that it is too small for."""
    info = DATASETS[_REHEARSAL]
    count = min(counts["train"] for counts in info.counts.values())
    moved = dict.fromkeys(replace(row, dataset=_REHEARSAL) for row in rows)
    kept = tuple(row for row in moved if row.shots == "full" or row.shots <= count)
    lost = _list(row.shots for row in moved if row not in kept)
    notes = []
    if lost:
        notes.append(f"Not planned, as {info.title} has {count} training samples of a category: {lost} shots.")
    if {count, "full"} <= {row.shots for row in kept}:
        notes.append(f"{info.title} has {count} training samples of a category: {count} and full are the same samples.")
    return kept, notes


def _categories(patterns: Sequence[str], datasets: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the patterns that each dataset has a category for; raise UsageError for one that none has."""
    everything = {name: DATASETS[name].categories for name in datasets}
    for pattern in patterns:
        known = [category for categories in everything.values() for category in categories]
        if not any(_fits(category, pattern) for category in known):
            raise UsageError(f"There is no category '{pattern}': {registry.nearest_names(pattern, known)}")
    return {
        name: tuple(pattern for pattern in patterns if any(_fits(category, pattern) for category in categories))
        for name, categories in everything.items()
    }


def _selection(selection: Selection, dataset: str, rows: Sequence[SuiteRow], categories: tuple[str, ...]) -> Selection:
    texts = {row.method: str(registry.parse([row.method])[0]) for row in rows}
    pairs = frozenset((texts[row.method], row.shots) for row in rows)
    return replace(
        selection,
        methods=tuple(dict.fromkeys(texts.values())),
        dataset=dataset,
        categories=categories,
        shots=tuple(sorted({shots for _, shots in pairs}, key=shots_order)),
        pairs=pairs,
    )


def _share_rerun(selections: Sequence[Selection], rerun: Sequence[str]) -> tuple[Selection, ...]:
    """Give each selection those of ``--rerun`` that it knows; unknown ones to all, so that a plan refuses them."""
    known = [{name for text in part.methods for name in (text, registry.base_name(text))} for part in selections]
    everywhere = {*_RERUN_WORDS, *(name for name in rerun if not any(name in names for names in known))}
    return tuple(
        replace(part, rerun=tuple(name for name in rerun if name in names or name in everywhere))
        for part, names in zip(selections, known, strict=True)
    )
