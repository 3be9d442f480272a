"""Records sorted into groups that may share a table, and in a group by method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter
from textwrap import shorten

from harness.cell import Cell
from harness.contract import ParameterValue
from harness.data.conditions import NONE, condition_order
from harness.data.registry import DATASETS, dataset_title
from harness.data.splits import Shots, shots_order
from harness.dataset_contract import Split
from harness.files.digest import digest
from harness.protocol import PRESETS, PROTOCOL_VERSION, Protocol, WeightsMode
from harness.registry import label, needs_weights
from harness.store.means import machine_of, machines_of
from harness.store.provenance import stale_reasons
from harness.store.quantities import Quantity
from harness.store.query import RecordQuery
from harness.store.record import Record, unlike_published

__all__ = [
    "Group",
    "MethodRecords",
    "cell_title",
    "group_records",
    "samples_title",
    "setting_title",
    "shared_title",
    "split_by_machine",
]

_REASON = 100
"""Characters of a failed cell's reason that a footnote quotes."""


@dataclass(frozen=True)
class MethodRecords:
    """All categories of one method in a group.

    Parameters
    ----------
    label
        As the user typed it; parameters that tell it from a method of the same label are added.
    records
        The newest record of each category, whatever its status, and a stale one only where there is no other.
    replaced
        Categories with an older record of other data or another split, which is left out.
    stale
        Why the record of a category no longer stands for what it says, as part of a sentence.
    """

    label: str
    records: Mapping[str, Record]
    replaced: tuple[str, ...] = ()
    stale: Mapping[str, str] = field(default_factory=dict)

    @property
    def cell(self) -> Cell:
        """The cell of its first category: method, parameters and protocol are the same in all."""
        return next(iter(self.records.values())).cell

    @cached_property
    def ok(self) -> dict[str, Record]:
        """The records that hold numbers, by category; stale ones only among their like, where all are stale."""
        ok = {category: record for category, record in self.records.items() if record.status == "ok"}
        fresh = {category: record for category, record in ok.items() if category not in self.stale}
        if fresh or not ok:
            return fresh
        newest = _origin(max(ok.values(), key=attrgetter("created")))
        return {category: record for category, record in ok.items() if _origin(record) == newest}

    @property
    def shown_stale(self) -> str:
        """Why the numbers that are shown no longer stand for what they say; empty where they do."""
        return "; ".join(dict.fromkeys(self.stale[name] for name in self.ok if name in self.stale))

    def among(self, categories: Iterable[str]) -> dict[str, Record]:
        """Return the ok records of some categories."""
        return {name: self.ok[name] for name in categories if name in self.ok}

    def why_missing(self, category: str) -> str:
        """Return why a category has no numbers, for example ``foam (oom: CUDA out of memory)``."""
        record = self.records.get(category)
        if record is None:
            return f"{category} (not run)"
        if record.status == "ok":
            return f"{category} (stale: {self.stale[category]})"
        reason = shorten(record.reason, _REASON, placeholder=" ...")
        return f"{category} ({record.status}{f': {reason}' if reason else ''})"


@dataclass(frozen=True)
class Group:
    """Methods that were measured under one protocol on the same samples, so that their numbers may be compared.

    Parameters
    ----------
    dataset, shots, split
        What the methods were trained on.
    protocol
        What is equal for all of them.
    methods
        Rows of a table, by label.
    query
        What was asked for: means are over the categories that it chooses.
    machine
        The hardware that all were measured on, where the group is one of several that differ in it.
    """

    dataset: str
    shots: Shots
    split: str
    protocol: Protocol
    methods: tuple[MethodRecords, ...]
    query: RecordQuery = field(default_factory=RecordQuery)
    machine: str = ""

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The categories that are asked for, in the published order, whether measured or not."""
        return tuple(filter(self.query.keeps_category, self.all_categories))

    @cached_property
    def all_categories(self) -> tuple[str, ...]:
        """All categories of the dataset, in the published order."""
        info = DATASETS.get(self.dataset)
        recorded = {category for method in self.methods for category in method.records}
        return tuple(dict.fromkeys((*(info.categories if info else ()), *sorted(recorded))))

    @cached_property
    def ok(self) -> tuple[Record, ...]:
        """The ok records of all methods."""
        return tuple(record for method in self.methods for record in method.ok.values())

    @cached_property
    def _comparable(self) -> dict[str, bool]:
        """The answers of :meth:`comparable` so far, by the quantity's id: each row of a table asks again."""
        return {}

    def comparable(self, quantity: Quantity) -> bool:
        """Return whether numbers of the methods may be compared: those of a machine are of one, and of one counter."""
        if not quantity.of_machine:
            return True
        if quantity.id not in self._comparable:
            sources = set(filter(None, map(quantity.source, self.ok)))
            self._comparable[quantity.id] = len(machines_of(self.ok)) <= 1 and len(sources) <= 1
        return self._comparable[quantity.id]

    @property
    def title(self) -> str:
        """Dataset, training samples, preset and weights, in words."""
        title = setting_title(**self.keys, unlike=self.unlike_published, version=self.protocol.version)
        return f"{title}, on {self.machine}" if self.machine else title

    @cached_property
    def unlike_published(self) -> Mapping[Split, str]:
        """How the numbers of samples differ from the published ones (:func:`harness.store.record.unlike_published`).

        Validation samples are of single methods, whose records note it.
        """
        records = (record for method in self.methods for record in method.among(self.categories).values())
        return {split: text for split, text in unlike_published(records).items() if split != "validation"}

    @property
    def keys(self) -> dict[str, str]:
        """What holds for every number of the group, in data formats."""
        keys = {
            "dataset": self.dataset,
            "shots": str(self.shots),
            "split": self.split,
            "preset": self.protocol.preset,
            "weights": self.protocol.weights,
        }
        return keys if self.protocol.condition == NONE else {**keys, "condition": self.protocol.condition}

    @property
    def cells(self) -> int:
        """Number of measured cells in the categories that are asked for."""
        return sum(len(method.among(self.categories)) for method in self.methods)

    @property
    def options(self) -> str:
        """The command-line options that choose it."""
        keys = {**self.keys, "split": "" if self.shots == "full" else self.split}
        return " ".join(f"--{name} {value}" for name, value in keys.items() if value)


def samples_title(shots: Shots | str, split: str = "") -> str:
    """Return a number of training samples in words, with the name of their list where one is given."""
    if str(shots) in ("0", "full"):
        return "no training samples" if str(shots) == "0" else "all training samples"
    return f"{shots} training sample{'' if str(shots) == '1' else 's'}" + (f" (split {split})" if split else "")


def cell_title(cell: Cell) -> str:
    """Return method, category and training samples of a cell in words."""
    title = f"{cell.label} {cell.dataset}/{cell.category}, {samples_title(cell.shots, cell.split)}"
    return title if cell.protocol.condition == NONE else f"{title}, condition {cell.protocol.condition}"


def setting_title(
    dataset: str,
    preset: str,
    weights: str,
    shots: Shots | str = "",
    split: str = "",
    *,
    unlike: Mapping[Split, str] | None = None,
    version: int = PROTOCOL_VERSION,
    condition: str = NONE,
) -> str:
    """Return what numbers share, in words: every table, figure and page names a setting like this.

    Parameters
    ----------
    dataset, preset, weights
        Names.
    shots
        Number of training samples; empty where the numbers are of several.
    split
        Name of the few-shot list; empty where the numbers are of several.
    unlike
        Numbers of samples that are not the published ones, in words.
    version
        Of the protocol; named where it is not that of today.
    condition
        Of the samples; named where they were changed.
    """
    samples = samples_title(shots, split) if shots else f"split {split}" if split else ""
    unlike = unlike or {}
    samples = unlike.get("train", samples)
    older = "" if version == PROTOCOL_VERSION else f"protocol version {version}"
    changed = "" if condition == NONE else f"condition {condition}"
    tested = unlike.get("test")
    parts = (dataset_title(dataset), samples, tested, f"preset {preset}", f"{weights} weights", changed, older)
    return ", ".join(filter(None, parts))


def shared_title(groups: Sequence[Group], *shared: str) -> str:
    """Return what numbers of several groups share, in words.

    Parameters
    ----------
    groups
        At least one, of one dataset and protocol.
    shared
        Keys of the groups beside these: ``shots``, ``split``.
    """
    first = groups[0]
    named = ("dataset", "preset", "weights", "condition", *shared)
    keys = {name: first.keys[name] for name in named if name in first.keys}
    unlike = {split: text for group in groups for split, text in group.unlike_published.items()}
    return setting_title(**keys, unlike=unlike, version=first.protocol.version)


def group_records(records: Iterable[Record], query: RecordQuery | None = None) -> tuple[Group, ...]:
    """Sort records into groups: by dataset, preset, weights, shots and split; methods in a group by label.

    A method without pretrained files stands beside those with any kind of weights.

    Parameters
    ----------
    records
        In any order.
    query
        Chooses among them; all where None, under whatever condition.
    """
    query, records = query or RecordQuery(conditions=()), list(records)
    stale, chosen = _stale(records), query.select(records)
    groups: dict[tuple[str, ...], dict[WeightsMode, list[Record]]] = {}
    for record in chosen:
        if needs_weights(record.cell.method):
            groups.setdefault(_setting(record), {}).setdefault(record.cell.protocol.weights, []).append(record)
    for record in chosen:
        if not needs_weights(record.cell.method):
            own: WeightsMode = "random" if query.weights == "random" else record.cell.protocol.weights
            kinds = groups.setdefault(_setting(record), {})
            for members in kinds.values() or [kinds.setdefault(own, [])]:
                members.append(record)
    members_of = [
        _group(members, weights, query, stale) for kinds in groups.values() for weights, members in kinds.items()
    ]
    return tuple(sorted(members_of, key=_order))


def split_by_machine(group: Group, elsewhere: Sequence[Record] = ()) -> tuple[Group, ...]:
    """Return a group for each machine that its cells were measured on; the group itself where that is one.

    Parameters
    ----------
    group
        Of :func:`group_records`, with one record of each cell.
    elsewhere
        Records of the same cells on other machines.
    """
    records = [record for method in group.methods for record in method.ok.values()]
    cells = {record.cell.id for record in records}
    records += [record for record in elsewhere if record.cell.id in cells]
    by_machine: dict[str, list[Record]] = {}
    for record in records:
        by_machine.setdefault(machine_of(record), []).append(record)
    if len(by_machine) < 2:
        return (group,)
    weights, query = group.protocol.weights, group.query
    stale = _stale(records)
    for method in group.methods:
        stale |= {id(method.records[category]): reason for category, reason in method.stale.items()}
    return tuple(
        replace(_group(by_machine[machine], weights, query, stale), machine=machine) for machine in sorted(by_machine)
    )


def _stale(records: Sequence[Record]) -> dict[int, str]:
    """Return why records are stale, by the identity of those that are."""
    return {id(record): reason for record, reason in zip(records, stale_reasons(records), strict=True) if reason}


def _setting(record: Record) -> tuple[str, ...]:
    """Return what the records of a group share, but for the kind of weights."""
    cell = record.cell
    return cell.dataset, replace(cell.protocol, weights="pretrained").digest, str(cell.shots), cell.split


def _group(records: Sequence[Record], weights: WeightsMode, query: RecordQuery, stale: Mapping[int, str]) -> Group:
    cell = records[0].cell
    by_method: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.created):
        own = record.cell
        settings = {"method": own.method, "parameters": dict(own.parameters), "weights": dict(own.weights)}
        key = digest(settings | {"released": bool(own.checkpoint)})
        by_method.setdefault(key, []).append(record)
    methods = _with_unique_labels([_method(members, stale) for members in by_method.values()])
    protocol = replace(cell.protocol, weights=weights)
    return Group(cell.dataset, cell.shots, cell.split, protocol, methods, query)


def _method(records: Sequence[Record], stale: Mapping[int, str]) -> MethodRecords:
    """Return the newest record of each category, of those that are not stale where there are any."""
    newest: dict[str, Record] = {}
    for record in sorted(records, key=lambda record: (id(record) not in stale, record.created)):
        newest[record.cell.category] = record
    replaced = {record.cell.category for record in records if newest[record.cell.category].cell.id != record.cell.id}
    reasons = {category: stale[id(record)] for category, record in newest.items() if id(record) in stale}
    return MethodRecords(_label(records[-1].cell, {}), newest, tuple(sorted(replaced)), reasons)


def _origin(record: Record) -> tuple[object, ...]:
    """Return what computed a number, so that a mean is over numbers of one origin."""
    provider = record.environment.provider
    return (provider.source, provider.version) if provider is not None else ()


def _label(cell: Cell, more: Mapping[str, ParameterValue]) -> str:
    released = " (released weights)" if cell.checkpoint else ""
    return label(cell.method, {**cell.given, **more}) + released


def _with_unique_labels(methods: Sequence[MethodRecords]) -> tuple[MethodRecords, ...]:
    """Return methods by label; where resolved parameters differ under one label, they are added to it.

    A record that was made before a parameter existed has it as ``none``, whatever it was by then; the label without it
    is that of the others.
    """
    result = []
    for method in methods:
        twins = [other.cell.parameters for other in methods if other.label == method.label]
        parameters = method.cell.parameters
        differing: dict[str, ParameterValue] = {
            name: parameters.get(name, "none")
            for name in dict.fromkeys(name for twin in twins for name in twin)
            if name not in parameters or any(twin.get(name, parameters[name]) != parameters[name] for twin in twins)
        }
        result.append(replace(method, label=_label(method.cell, differing)))
    return tuple(sorted(result, key=lambda method: method.label))


def _order(group: Group) -> tuple[object, ...]:
    return (
        _position(group.dataset, tuple(DATASETS)),
        _position(group.protocol.preset, tuple(PRESETS)),
        group.protocol.weights,
        shots_order(group.shots),
        (group.split != "first", group.split),
        condition_order(group.protocol.condition),
        group.protocol.digest,
    )


def _position(name: str, known: Sequence[str]) -> tuple[int, str]:
    return (known.index(name), "") if name in known else (len(known), name)
