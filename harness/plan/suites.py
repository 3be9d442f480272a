"""Suites: the cells that a table of the paper needs, read off its published rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from harness import registry
from harness.data.base import DATASETS
from harness.data.splits import SHOTS, TRAIN_COUNTS, Shots
from harness.errors import UsageError
from harness.protocol import Protocol
from harness.store.paper import PAPER_TABLES, printed_rows
from harness.store.published import canonical_label, read_published

if TYPE_CHECKING:
    from harness.plan.planning import Selection

__all__ = ["SUITES", "OutlineRow", "SuiteRow", "suite_outline", "suite_rows", "suite_selections"]

SUITES: dict[str, int] = {f"table{table.number}": table.number for table in PAPER_TABLES}
"""Name of each suite, and the number of its table in the paper."""

_REHEARSAL = "toy"
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

    def is_named(self, pattern: str) -> bool:
        """Return whether a name, glob or label means this row; one without brackets means all parameters."""
        if "[" in pattern:
            return canonical_label(pattern) == canonical_label(self.method)
        return pattern == "all" or fnmatchcase(self.name, pattern)


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
        How many the dataset has of those that were asked for.
    splits
        Few-shot lists; none where all samples are trained on, which are one list.
    cells
        Of all categories, shots and lists.
    """

    dataset: str
    method: str
    shots: tuple[Shots, ...]
    categories: int
    splits: tuple[str, ...]
    cells: int

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain JSON values."""
        return {**asdict(self), "shots": list(self.shots), "splits": list(self.splits)}


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
    suites: Sequence[str], asked: Selection, dataset: str | None
) -> tuple[tuple[Selection, ...], tuple[str, ...]]:
    """Turn suites into one selection for each dataset.

    Parameters
    ----------
    suites
        Keys of :data:`SUITES`, or ``all``.
    asked
        What else a user asked for. Its methods (names, globs, labels), categories and shots narrow the suites; empty
        ones narrow nothing.
    dataset
        None for those of the tables. The toy dataset takes the place of all of them, any other leaves the tables of
        others out.

    Returns
    -------
    selections
        Of the methods that are registered.
    notes
        What is left out, and why.

    Raises
    ------
    UsageError
        For an unknown suite, and where nothing is left of the suites.
    """
    rows, told = suite_rows(suites), " and ".join(suites)
    rows = _narrow(rows, asked, dataset, told)
    rows, missing = _registered(rows, told)
    notes = [f"Not planned, as no such method is installed: {', '.join(missing)}."] if missing else []
    if dataset == _REHEARSAL:
        rows, more = _rehearsal(rows)
        notes += more
    names = tuple(dict.fromkeys(row.dataset for row in rows))
    categories = _categories(asked.categories, names)
    selections = tuple(
        _selection(asked, name, [row for row in rows if row.dataset == name], categories[name])
        for name in names
        if not asked.categories or categories[name]
    )
    return _share_rerun(selections, asked.rerun), tuple(notes)


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
    from harness.plan.planning import chosen_methods

    methods = chosen_methods(selection)
    Protocol.for_preset(selection.used_preset, "random")
    names = DATASETS[selection.dataset].categories
    count = sum(not selection.categories or any(_fits(name, p) for p in selection.categories) for name in names)
    sizes: dict[str, set[Shots]] = {}
    for method in methods:
        wanted = {shots for shots in selection.shots if selection.wants(method.spec, shots)}
        sizes.setdefault(registry.label(method.spec.name, method.given), set()).update(wanted)
    for label, wanted in sizes.items():
        told = tuple(shots for shots in SHOTS if shots in wanted)
        lists = tuple(dict.fromkeys((shots, name) for shots in told for name in selection.splits_of(shots)))
        splits = tuple(dict.fromkeys(name for shots, name in lists if shots != "full"))
        yield OutlineRow(selection.dataset, label, told, count, splits, count * len(lists))


def _fits(name: str, pattern: str) -> bool:
    return pattern == "all" or fnmatchcase(name, pattern)


def _narrow(rows: Sequence[SuiteRow], asked: Selection, dataset: str | None, told: str) -> tuple[SuiteRow, ...]:
    """Keep the rows that a user asked for; each complaint names the option that leaves none."""
    if dataset is not None and dataset != _REHEARSAL:
        if dataset not in DATASETS:
            raise UsageError(f"There is no dataset '{dataset}': {registry.nearest_names(dataset, DATASETS)}")
        others = " and ".join(dict.fromkeys(row.dataset for row in rows))
        rows = [row for row in rows if row.dataset == dataset]
        if not rows:
            raise UsageError(
                f"{told} is about {others}, not {dataset}: leave out --dataset, or rehearse it with '--dataset toy'."
            )
    for pattern in asked.methods:
        if not any(row.is_named(pattern) for row in rows):
            names = {name for row in rows for name in (row.method, row.name)}
            raise UsageError(f"{told} has no method '{pattern}': {registry.nearest_names(pattern, names)}")
    kept = [row for row in rows if not asked.methods or any(map(row.is_named, asked.methods))]
    sizes = {row.shots for row in kept}
    kept = [row for row in kept if not asked.shots or row.shots in asked.shots]
    if not kept:
        wanted, there = _list(asked.shots), _list(sizes)
        raise UsageError(f"{told} has no number of {wanted} shots (it has {there}): leave out --shots.")
    return tuple(kept)


def _list(sizes: Iterable[Shots]) -> str:
    there = set(sizes)
    return ", ".join(str(shots) for shots in SHOTS if shots in there)


def _registered(rows: Sequence[SuiteRow], told: str) -> tuple[tuple[SuiteRow, ...], tuple[str, ...]]:
    known = registry.method_names()
    missing = tuple(dict.fromkeys(row.name for row in rows if row.name not in known))
    there = tuple(row for row in rows if row.name in known)
    if not there:
        raise UsageError(
            f"No installed package registers {', '.join(missing)}, all that is left of {told}: "
            "leave out --methods, or see 'harness methods'."
        )
    return there, missing


def _rehearsal(rows: Sequence[SuiteRow]) -> tuple[tuple[SuiteRow, ...], list[str]]:
    """Move rows to the toy dataset; leave out training sets that it is too small for."""
    info, count = DATASETS[_REHEARSAL], min(TRAIN_COUNTS[_REHEARSAL].values())
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
    """Return the patterns that each dataset has a category for; complain of one that none has."""
    everything = {name: DATASETS[name].categories for name in datasets}
    for pattern in patterns:
        if not any(_fits(one, pattern) for names in everything.values() for one in names):
            known = [one for names in everything.values() for one in names]
            raise UsageError(f"There is no category '{pattern}': {registry.nearest_names(pattern, known)}")
    return {
        name: tuple(pattern for pattern in patterns if any(_fits(one, pattern) for one in categories))
        for name, categories in everything.items()
    }


def _selection(asked: Selection, dataset: str, rows: Sequence[SuiteRow], categories: tuple[str, ...]) -> Selection:
    texts = {row.method: str(registry.parse([row.method])[0]) for row in rows}
    pairs = frozenset((texts[row.method], row.shots) for row in rows)
    return replace(
        asked,
        methods=tuple(dict.fromkeys(texts.values())),
        dataset=dataset,
        categories=categories,
        shots=tuple(shots for shots in SHOTS if any(shots == size for _, size in pairs)),
        pairs=pairs,
    )


def _share_rerun(selections: Sequence[Selection], rerun: Sequence[str]) -> tuple[Selection, ...]:
    """Give each selection what it knows of ``--rerun``, and all of them what none knows, so that it is refused."""
    known = [{name for text in one.methods for name in (text, registry.base_name(text))} for one in selections]
    everywhere = {*_RERUN_WORDS, *(name for name in rerun if not any(name in names for names in known))}
    return tuple(
        replace(one, rerun=tuple(name for name in rerun if name in names or name in everywhere))
        for one, names in zip(selections, known, strict=True)
    )
