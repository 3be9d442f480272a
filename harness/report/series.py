"""Measured methods as the rows of a table in the paper's layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.data.base import DATASETS
from harness.data.splits import Shots
from harness.report.beside import remarks, same_parameters
from harness.report.measured import MeasuredGroup, MeasuredMethod, why_not_comparable
from harness.report.papertables import PaperTable
from harness.store.published import Published

__all__ = ["Entry", "Series", "find_series"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A measured method with all its training-set sizes.

    Parameters
    ----------
    label
        As in its groups.
    methods
        By number of training samples.
    """

    label: str
    methods: Mapping[Shots, MeasuredMethod]

    def means(self, name: str, preset: str, but: Sequence[str] = ()) -> bool:
        """Return whether a label of the paper means this method, but for some parameters."""
        method = next(iter(self.methods.values()))
        return same_parameters(name, method.cell, preset, but=but)


@dataclass(frozen=True)
class Series:
    """Groups that differ in the number of training samples only: what one table in the paper's layout shows.

    Parameters
    ----------
    groups
        By number of training samples; one group where a table has one number.
    """

    groups: Mapping[Shots, MeasuredGroup]

    @property
    def first(self) -> MeasuredGroup:
        """The group with the fewest training samples."""
        return next(iter(self.groups.values()))

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The methods by label."""
        found: dict[str, dict[Shots, MeasuredMethod]] = {}
        for shots, group in self.groups.items():
            for method in group.methods:
                found.setdefault(method.label, {})[shots] = method
        return tuple(Entry(label, found[label]) for label in sorted(found))

    @property
    def title(self) -> str:
        """What its numbers share, in words."""
        if len(self.groups) == 1:
            return self.first.title
        dataset = DATASETS[self.first.dataset].title if self.first.dataset in DATASETS else self.first.dataset
        protocol, split = self.first.protocol, self.first.split
        return f"{dataset}, split {split}, preset {protocol.preset}, {protocol.weights} weights"

    @property
    def keys(self) -> dict[str, str]:
        """What holds for every number, in data formats."""
        keys = self.first.keys
        return keys if len(self.groups) == 1 else {key: value for key, value in keys.items() if key != "shots"}

    def why_apart(self, table: PaperTable, published: Published | None) -> str:
        """Return why its numbers do not stand in the paper's table itself, in one sentence; empty where they do.

        Parameters
        ----------
        table
            A table of the paper.
        published
            None where published numbers are not asked for; then there is nothing to explain.
        """
        if published is None:
            return ""
        for group in self.groups.values():
            if reason := why_not_comparable(group, published):
                return reason
        if self.first.dataset != table.dataset:
            return f"Not comparable: the paper has these numbers for {DATASETS[table.dataset].title} only."
        if table.across != "shots" and "full" not in self.groups:
            return "Not comparable: the paper has these numbers for all training samples only; few-shot means are in 4."
        return ""

    def rows(self, table: PaperTable, *, apart: bool) -> list[tuple[str, Entry]]:
        """Return its methods in the order of a paper's table, each with the paper's label of its row.

        Methods that the table lacks follow with their own labels, unless the table is about variants of one method.

        Parameters
        ----------
        table
            A table of the paper.
        apart
            True where no published number stands beside them: labels are matched at the preset of the cells, and the
            number of epochs in them is no condition.
        """
        preset = self.first.protocol.preset if apart else "paper"
        free = ("epochs",) if apart else ()
        rest = list(self.entries)
        found = []
        for label in table.methods:
            for entry in [entry for entry in rest if entry.means(label, preset, free)]:
                found.append((label, entry))
                rest.remove(entry)
        if table.variants:
            return found if not apart or _varies(table, found) else []
        return found + [("", entry) for entry in rest]

    def remarks(self, entry: Entry) -> str:
        """Return what a reader must know of a method's records."""
        told = (remarks(self.groups[shots], method) for shots, method in entry.methods.items())
        return "; ".join(dict.fromkeys(filter(None, told)))


def find_series(groups: Iterable[MeasuredGroup], *, joined: bool) -> tuple[Series, ...]:
    """Return groups as series.

    Parameters
    ----------
    groups
        In order.
    joined
        True to join groups of one dataset, protocol and split that differ in training samples only; those with all
        samples, which have no split, join those of every split.
    """
    if not joined:
        return tuple(Series({group.shots: group}) for group in groups)
    families: dict[tuple[str, str], dict[str, dict[Shots, MeasuredGroup]]] = {}
    whole: dict[tuple[str, str], MeasuredGroup] = {}
    for group in groups:
        key = (group.dataset, group.protocol.digest)
        splits = families.setdefault(key, {})
        if group.shots == "full":
            whole[key] = group
        else:
            splits.setdefault(group.split, {})[group.shots] = group
    found = []
    for key, by_split in families.items():
        for members in by_split.values() or [{}]:
            found.append(Series(members | ({"full": whole[key]} if key in whole else {})))
    return tuple(found)


def _varies(table: PaperTable, found: Sequence[tuple[str, Entry]]) -> bool:
    """Return whether rows are about what a table of variants varies: several of them, and its first kind among them."""
    labels = {label for label, _ in found}
    kinds = {"mapping=intra" in label for label in table.methods}
    return len(labels) > 1 and {"mapping=intra" in label for label in labels} >= kinds
