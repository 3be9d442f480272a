"""Records as tables see them: groups that may share a table, rows of one method, means that name what they lack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum
from textwrap import shorten

from harness.cell import Cell
from harness.contract import ParameterValue
from harness.data.base import DATASETS
from harness.data.splits import Shots
from harness.files.digest import digest
from harness.protocol import PRESETS, Protocol
from harness.registry import label
from harness.store.published import Published
from harness.store.record import Record

__all__ = ["Mean", "MeasuredGroup", "MeasuredMethod", "group_records", "mean_of", "why_not_comparable"]

_REASON = 100
"""Characters of a failed cell's reason that a footnote quotes."""


_LISTED = 2
"""Categories that a reason names one by one even where they are all."""


@dataclass(frozen=True)
class MeasuredMethod:
    """All categories of one method in a group.

    Parameters
    ----------
    label
        As the user typed it; parameters that tell it from a method of the same label are added.
    records
        The newest record of each category, whatever its status.
    replaced
        Categories with an older record of other data or another split, which is left out.
    """

    label: str
    records: Mapping[str, Record]
    replaced: tuple[str, ...] = ()

    @property
    def cell(self) -> Cell:
        """The cell of its first category: method, parameters and protocol are the same in all."""
        return next(iter(self.records.values())).cell

    @cached_property
    def ok(self) -> dict[str, Record]:
        """The records that hold numbers, by category."""
        return {category: record for category, record in self.records.items() if record.status == "ok"}

    def why_missing(self, category: str) -> str:
        """Return why a category has no numbers, for example ``foam (oom: CUDA out of memory)``."""
        record = self.records.get(category)
        if record is None:
            return f"{category} (not run)"
        reason = shorten(record.reason, _REASON, placeholder=" ...")
        return f"{category} ({record.status}{f': {reason}' if reason else ''})"


@dataclass(frozen=True)
class MeasuredGroup:
    """Methods that were measured under one protocol on the same samples, so that their numbers may be compared.

    Parameters
    ----------
    dataset, shots, split
        What the methods were trained on.
    protocol
        What is equal for all of them.
    methods
        Rows of a table, by label.
    """

    dataset: str
    shots: Shots
    split: str
    protocol: Protocol
    methods: tuple[MeasuredMethod, ...]

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """All categories of the dataset, in the published order, whether measured or not."""
        info = DATASETS.get(self.dataset)
        found = dict.fromkeys(category for method in self.methods for category in method.records)
        return tuple(dict.fromkeys((*(info.categories if info else ()), *sorted(found))))

    @property
    def title(self) -> str:
        """Dataset, training samples, preset and weights, in words."""
        title = DATASETS[self.dataset].title if self.dataset in DATASETS else self.dataset
        samples = "all training samples" if self.shots == "full" else f"{self.shots} training samples"
        which = "" if self.shots == "full" else f" (split {self.split})"
        return f"{title}, {samples}{which}, preset {self.protocol.preset}, {self.protocol.weights} weights"

    @property
    def keys(self) -> dict[str, str]:
        """What holds for every number of the group, in data formats."""
        return {
            "dataset": self.dataset,
            "shots": str(self.shots),
            "split": self.split,
            "preset": self.protocol.preset,
            "weights": self.protocol.weights,
        }


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over categories.

    Parameters
    ----------
    value
        None where no category has a number, or one has an undefined one.
    categories
        Those with a number.
    reason
        Why there is no value.
    """

    value: float | None
    categories: tuple[str, ...]
    reason: str = ""


def group_records(records: Iterable[Record]) -> tuple[MeasuredGroup, ...]:
    """Sort records into groups: by dataset, preset, weights, shots and split; methods in a group by label."""
    groups: dict[tuple[str, str, str, str], list[Record]] = {}
    for record in records:
        cell = record.cell
        key = (cell.dataset, cell.protocol.digest, str(cell.shots), cell.split)
        groups.setdefault(key, []).append(record)
    return tuple(sorted((_group(found) for found in groups.values()), key=_order))


def mean_of(
    method: MeasuredMethod,
    categories: Sequence[str],
    pick: Callable[[Record], float | None],
    why: Callable[[Record], str] = lambda record: "",
) -> Mean:
    """Return the mean of a number over those of some categories that have a record.

    Parameters
    ----------
    method
        Its records; those that are not ok are left out.
    categories
        Where to look.
    pick
        Takes the number from a record; None where it is undefined, and then the mean is too.
    why
        Takes the reason from a record where the number is undefined.
    """
    found = {category: pick(method.ok[category]) for category in categories if category in method.ok}
    if not found:
        return Mean(None, (), "no category is measured")
    undefined = [category for category, value in found.items() if value is None]
    if undefined:
        reasons = ", ".join(dict.fromkeys(filter(None, (why(method.ok[category]) for category in undefined))))
        everywhere = len(undefined) == len(found) > _LISTED
        where = f"all {len(found)} categories" if everywhere else ", ".join(undefined)
        return Mean(None, tuple(found), f"undefined in {where}{f': {reasons}' if reasons else ''}")
    values = [value for value in found.values() if value is not None]
    return Mean(fsum(values) / len(values), tuple(found))


def why_not_comparable(group: MeasuredGroup, published: Published) -> str:
    """Return why no number of a group may be compared with published ones, in one sentence; empty where they may."""
    reasons = []
    if not published.has(group.dataset):
        reasons.append(f"there are none for the dataset '{group.dataset}'")
    elif not published.has(group.dataset, group.shots):
        reasons.append(f"there are none for '{group.dataset}' with {group.shots} training samples")
    if group.protocol.weights == "random":
        reasons.append("the pretrained networks have random weights")
    if group.protocol.preset != "paper":
        reasons.append(f"the preset '{group.protocol.preset}' is not the published setting")
    if group.shots != "full" and group.split != "first":
        reasons.append(f"the published ones are trained on the first {group.shots} samples (split 'first')")
    if _scoring(group.protocol) != _scoring(Protocol()):
        reasons.append("size, ground truth or cleaning are not those of this version's protocol")
    return f"Not comparable with published numbers: {'; '.join(reasons)}." if reasons else ""


def _scoring(protocol: Protocol) -> tuple[object, ...]:
    return protocol.eval_size, protocol.ground_truth, protocol.cleaning


def _group(records: Sequence[Record]) -> MeasuredGroup:
    cell = records[0].cell
    by_method: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda one: one.created):
        found = record.cell
        settings = {"method": found.method, "parameters": dict(found.parameters), "weights": dict(found.weights)}
        key = digest(settings | {"released": bool(found.checkpoint)})
        by_method.setdefault(key, []).append(record)
    methods = _told_apart([_method(found) for found in by_method.values()])
    return MeasuredGroup(cell.dataset, cell.shots, cell.split, cell.protocol, methods)


def _method(records: Sequence[Record]) -> MeasuredMethod:
    newest = {record.cell.category: record for record in records}
    replaced = {record.cell.category for record in records if newest[record.cell.category] is not record}
    return MeasuredMethod(_label(records[-1].cell, {}), newest, tuple(sorted(replaced)))


def _label(cell: Cell, more: Mapping[str, ParameterValue]) -> str:
    released = " (released weights)" if cell.checkpoint else ""
    return label(cell.method, {**cell.given, **more}) + released


def _told_apart(methods: Sequence[MeasuredMethod]) -> tuple[MeasuredMethod, ...]:
    """Return methods by label; where resolved parameters differ under one label, they are added to it."""
    result = []
    for method in methods:
        twins = [other.cell for other in methods if other.label == method.label]
        parameters = method.cell.parameters
        differing = {
            name: value
            for name, value in parameters.items()
            if any(twin.parameters.get(name) != value for twin in twins)
        }
        result.append(MeasuredMethod(_label(method.cell, differing), method.records, method.replaced))
    return tuple(sorted(result, key=lambda one: one.label))


def _order(group: MeasuredGroup) -> tuple[object, ...]:
    return (
        _position(group.dataset, tuple(DATASETS)),
        _position(group.protocol.preset, tuple(PRESETS)),
        group.protocol.weights,
        (group.shots == "full", group.shots if isinstance(group.shots, int) else 0),
        (group.split != "first", group.split),
        group.protocol.digest,
    )


def _position(name: str, known: Sequence[str]) -> tuple[int, str]:
    return (known.index(name), "") if name in known else (len(known), name)
