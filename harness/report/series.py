"""Groups that one table in the paper's layout shows: settings that differ in the number of training samples only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.data.registry import DATASETS
from harness.data.splits import Shots, shots_order
from harness.report.compare import same_parameters, why_not_comparable
from harness.report.groups import Group, MethodRecords, shared_title
from harness.store.paper import PAPER_SHOTS, PaperTable
from harness.store.published import Published

__all__ = ["Series", "find_series"]


@dataclass(frozen=True)
class Series:
    """Groups that differ in the number of training samples only: what one table in the paper's layout shows.

    Parameters
    ----------
    groups
        By number of training samples; one group where a table has one number.
    """

    groups: Mapping[Shots, Group]

    @property
    def first(self) -> Group:
        """The group with the fewest training samples."""
        return next(iter(self.groups.values()))

    def of_paper(self) -> Series:
        """Return its groups with the paper's numbers of training samples; itself where it has none of them."""
        return Series({shots: group for shots, group in self.groups.items() if shots in PAPER_SHOTS} or self.groups)

    @property
    def sizes(self) -> tuple[Shots, ...]:
        """The columns of a table of its own: the paper's numbers where all measured ones are of them, else these."""
        return PAPER_SHOTS if set(self.groups) <= set(PAPER_SHOTS) else tuple(sorted(self.groups, key=shots_order))

    @cached_property
    def methods(self) -> Mapping[str, Mapping[Shots, MethodRecords]]:
        """Label to the records of a method by number of training samples, by label."""
        by_label: dict[str, dict[Shots, MethodRecords]] = {}
        for shots, group in self.groups.items():
            for method in group.methods:
                by_label.setdefault(method.label, {})[shots] = method
        return {label: by_label[label] for label in sorted(by_label)}

    @property
    def keys(self) -> dict[str, str]:
        """What holds for every number, in data formats."""
        keys = self.first.keys
        return keys if len(self.groups) == 1 else {key: value for key, value in keys.items() if key != "shots"}

    @property
    def title(self) -> str:
        """What its numbers share, in words."""
        return self.first.title if len(self.groups) == 1 else shared_title(tuple(self.groups.values()), "split")

    def reason_not_in_paper_table(self, table: PaperTable, published: Published | None) -> str:
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

    def rows(self, table: PaperTable, *, apart: bool) -> list[tuple[str, str]]:
        """Return the labels of its methods in the order of a paper's table, each after the paper's label of its row.

        Methods that the table lacks follow with no label of the paper, unless the table is about variants of one
        method. ``apart`` is true where no published number stands beside them: labels are matched at the preset of the
        cells, and the number of epochs in them is not a condition.
        """
        preset = self.first.protocol.preset if apart else "paper"
        free = ("epochs",) if apart else ()
        cells = {label: next(iter(by_shots.values())).cell for label, by_shots in self.methods.items()}
        rows: list[tuple[str, str]] = []
        for printed in table.methods:
            for label in [label for label, cell in cells.items() if same_parameters(printed, cell, preset, but=free)]:
                rows.append((printed, label))
                del cells[label]
        if table.variants:
            return rows if not apart or _varies(table, rows) else []
        return rows + [("", label) for label in cells]


def find_series(groups: Iterable[Group], *, joined: bool) -> tuple[Series, ...]:
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
    families: dict[tuple[str, str], dict[str, dict[Shots, Group]]] = {}
    whole: dict[tuple[str, str], Group] = {}
    for group in groups:
        key = (group.dataset, group.protocol.digest)
        splits = families.setdefault(key, {})
        if group.shots == "full":
            whole[key] = group
        else:
            splits.setdefault(group.split, {})[group.shots] = group
    series = []
    for key, by_split in families.items():
        for members in by_split.values() or [{}]:
            series.append(Series(members | ({"full": whole[key]} if key in whole else {})))
    return tuple(series)


def _varies(table: PaperTable, rows: Sequence[tuple[str, str]]) -> bool:
    """Return whether rows are about what a table of variants varies: several of them, and its first kind among them."""
    labels = {printed for printed, _ in rows}
    kinds = {"mapping=intra" in label for label in table.methods}
    return len(labels) > 1 and {"mapping=intra" in label for label in labels} >= kinds
