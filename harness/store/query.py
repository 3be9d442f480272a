"""One selection of records for every reading verb: dataset, methods, categories, samples, settings, device, status."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.cell import Cell
from harness.data.conditions import NONE, parse_condition
from harness.data.registry import DATASETS
from harness.data.splits import Shots
from harness.errors import UsageError
from harness.protocol import PRESETS
from harness.registry import base_name, nearest_names, needs_weights
from harness.store.published import MEAN, PublishedRow, canonical_label
from harness.store.record import STATUSES, Record, Status

__all__ = ["RecordQuery", "label_matches"]

_GLOB = frozenset("*?[")


def label_matches(pattern: str, label: str) -> bool:
    """Return whether a name, glob or label matches a method's label; one without brackets matches any parameters."""
    if pattern == "all":
        return True
    if "[" in pattern:
        return canonical_label(pattern) == canonical_label(label)
    return fnmatchcase(base_name(label), pattern)


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """Which records are selected; empty fields select all, but for ``conditions`` where nothing is said.

    Parameters
    ----------
    dataset
        Name of a dataset.
    methods
        Names, globs, or labels with parameters.
    categories
        Names or globs.
    shots
        Numbers of training samples.
    splits
        Names of few-shot lists; they say nothing of cells with all samples, which have none.
    preset, weights
        Of the protocol. A method without pretrained files is meant by every kind of weights.
    device
        Kind of device (``cpu``, ``cuda``), or a part of the machine's name.
    statuses
        Statuses of the records.
    contended
        Whether times that were measured while something else kept the machine busy are shown, marked, instead of left
        out. Chooses no records.
    conditions
        Names or globs of conditions (:mod:`harness.data.conditions`), or ``all``. Where nothing is said, ``none``:
        numbers of test samples that were changed stand in tables that ask for them.
    """

    dataset: str = ""
    methods: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    shots: tuple[Shots, ...] = ()
    splits: tuple[str, ...] = ()
    preset: str = ""
    weights: str = ""
    device: str = ""
    statuses: tuple[Status, ...] = ()
    contended: bool = False
    conditions: tuple[str, ...] = (NONE,)

    def check(self, records: Iterable[Record], labels: Iterable[str] = (), categories: Iterable[str] = ()) -> None:
        """Raise UsageError for an unknown name, with the nearest known ones.

        Parameters
        ----------
        records
            All records that the query may choose from.
        labels, categories
            Those that are known beside theirs, for example published ones.
        """
        cells = [record.cell for record in records]
        datasets = {*DATASETS, *(cell.dataset for cell in cells)}
        if self.dataset and self.dataset not in datasets:
            raise UsageError(f"There is no dataset '{self.dataset}': {nearest_names(self.dataset, datasets)}")
        choices: list[tuple[str, str, set[str]]] = [
            ("preset", self.preset, {*PRESETS, *(cell.protocol.preset for cell in cells)}),
            ("weights mode", self.weights, {"pretrained", "random"}),
            *(("status", str(status), set(map(str, STATUSES))) for status in self.statuses),
        ]
        for name, value, known in choices:
            if value and value not in known:
                raise UsageError(f"There is no {name} '{value}': {nearest_names(value, known)}")
        for pattern in self.conditions:
            if pattern != "all" and not _GLOB.intersection(pattern):
                parse_condition(pattern)
        self._check_methods({*labels, *(cell.label for cell in cells)})
        self._check_categories(cells, categories)

    def _check_methods(self, labels: set[str]) -> None:
        for pattern in self.methods:
            if not any(label_matches(pattern, label) for label in labels):
                names = {*labels, *map(base_name, labels)}
                others = nearest_names(pattern, names) if names else "there are no numbers of any method yet."
                raise UsageError(f"Method '{pattern}' is neither measured nor published: {others}")

    def _check_categories(self, cells: Sequence[Cell], others: Iterable[str]) -> None:
        datasets = [self.dataset] if self.dataset in DATASETS else list(DATASETS)
        known = {*others, *(name for dataset in datasets for name in DATASETS[dataset].categories)}
        known |= {cell.category for cell in cells if self.dataset in ("", cell.dataset)}
        for pattern in self.categories:
            if pattern != "all" and not any(fnmatchcase(name, pattern) for name in known):
                raise UsageError(f"There is no category '{pattern}': {nearest_names(pattern, known)}")

    def keeps_label(self, label: str) -> bool:
        """Return whether a method is selected."""
        return not self.methods or any(label_matches(pattern, label) for pattern in self.methods)

    def keeps_category(self, category: str) -> bool:
        """Return whether a category is selected."""
        return not self.categories or any(
            pattern == "all" or fnmatchcase(category, pattern) for pattern in self.categories
        )

    def keeps_condition(self, text: str) -> bool:
        """Return whether a condition is selected."""
        return not self.conditions or any(pattern == "all" or fnmatchcase(text, pattern) for pattern in self.conditions)

    def keeps_published(self, row: PublishedRow) -> bool:
        """Return whether a published number is selected; a mean is of all categories of its dataset."""
        names = DATASETS[row.dataset].categories if row.category == MEAN else (row.category,)
        return (
            self.dataset in ("", row.dataset)
            and (not self.shots or row.shots in self.shots)
            and self.keeps_condition(NONE)
            and all(map(self.keeps_category, names))
            and self.keeps_label(row.method)
        )

    def keeps_cell(self, cell: Cell) -> bool:
        """Return whether a cell is selected, whatever its status."""
        return (
            self.dataset in ("", cell.dataset)
            and (not self.shots or cell.shots in self.shots)
            and (not self.splits or cell.shots == "full" or cell.split in self.splits)
            and self.preset in ("", cell.protocol.preset)
            and self.keeps_condition(cell.protocol.condition)
            and (self.weights in ("", cell.protocol.weights) or not needs_weights(cell.method))
            and self.keeps_category(cell.category)
            and self.keeps_label(cell.label)
        )

    def keeps(self, record: Record) -> bool:
        """Return whether a record is selected."""
        return (
            (not self.statuses or record.status in self.statuses)
            and self.device.lower() in f"{record.environment.device}\n{record.environment.hardware}".lower()
            and self.keeps_cell(record.cell)
        )

    def select(self, records: Iterable[Record]) -> list[Record]:
        """Return the selected records, in their order."""
        return [record for record in records if self.keeps(record)]
