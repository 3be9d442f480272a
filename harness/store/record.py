"""The record of a cell: every part of it as a type, read from and written as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Literal, cast

import msgspec

from harness.cell import Cell
from harness.data.registry import DATASETS
from harness.dataset_contract import Split
from harness.files.digest import digest
from harness.files.names import bad_name_reason
from harness.protocol import LatencyBudget, Protocol
from harness.store.decisions import Decisions
from harness.store.environment import Environment
from harness.store.measurements import Count, Energies, Latency, Memory, Share

__all__ = [
    "SCHEMA",
    "STATUSES",
    "DataContent",
    "ImageScore",
    "Record",
    "SampleCounts",
    "Status",
    "TestImages",
    "UsedWeights",
    "decode_record",
    "encode_record",
    "unlike_published",
]

Status = Literal["ok", "failed", "oom", "timeout", "killed", "unsupported"]
STATUSES: tuple[Status, ...] = ("ok", "failed", "oom", "timeout", "killed", "unsupported")

SCHEMA = 2
"""Version of the file's layout. Records of version 1, which hold scores of images and raw times, are read, too."""

_KNOWN_SCHEMAS = (1, SCHEMA)


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """Number of training and test samples, and of validation samples where the method was given some."""

    train: Count | None = None
    test: Count | None = None
    validation: Count | None = None


@dataclass(frozen=True, slots=True)
class DataContent:
    """Digests of the content of a cell's files; empty where unknown, as in records of version 0.1.

    Parameters
    ----------
    train
        Of the training samples; empty where there was no training.
    test
        Of all test samples and their masks.
    fields
        Of the optional fields of all these that the method needs; empty where these have no files of their own.
    validation
        Of the validation samples; empty where the method was given none.
    nominal
        Of the nominal samples that thresholds are set on; empty where there are none.
    """

    train: str = ""
    test: str = ""
    fields: str = ""
    validation: str = ""
    nominal: str = ""


@dataclass(frozen=True, slots=True)
class UsedWeights:
    """A pretrained file: its SHA-256, and whether it is the published one."""

    sha256: str = ""
    verified: bool = True


@dataclass(frozen=True, slots=True)
class ImageScore:
    """The score of a test image.

    Parameters
    ----------
    id
        Of the sample.
    defect
        Name of its defect; ``good`` for a nominal one.
    label
        1 for an anomalous image, 0 for a nominal one.
    score
        Higher is more anomalous.
    also
        Names of further defects that it counts under, where it has several.
    """

    id: str
    defect: str
    label: int
    score: float
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TestImages:
    """Which images a cell was tested on.

    Parameters
    ----------
    digest
        Of ids, defects and labels, in whatever order: methods with equal ones were tested on the same images.
    defects
        Number of images of each defect, ``good`` among them; an image with several counts for each.
    """

    __test__ = False  # no test case, whatever its name

    digest: str = ""
    defects: Mapping[str, Count] = field(default_factory=dict)

    @classmethod
    def of(cls, images: Iterable[ImageScore]) -> TestImages:
        """Summarise the images of a test set."""
        counts: dict[str, int] = {}
        rows = []
        for image in images:
            rows.append([image.id, image.defect, int(image.label)])
            for defect in (image.defect, *image.also):
                counts[defect] = counts.get(defect, 0) + 1
        return cls(digest(sorted(rows)), counts)


@dataclass(frozen=True, slots=True)
class Record:
    """The outcome of a cell.

    Parameters
    ----------
    cell
        What was measured.
    status
        ``ok``, or why there are no numbers.
    reason
        One sentence where the status is not ``ok``.
    metrics
        Metric id to value in [0, 1]; None where undefined, with a reason in ``undefined``.
    undefined
        Metric id to the reason why it has no value.
    by_defect
        Defect name to metrics over the good samples and those of this defect.
    undefined_by_defect
        Defect name to the reasons why it lacks some.
    decisions
        What thresholds that are set on nominal samples decide on the test set.
    latency
        Times of each window, in ms.
    energy
        What the device took per image while they were measured, in J.
    memory
        Sizes in MB (1e6 bytes).
    seconds
        Wall time of the stages, and over all of them the time inside the method's calls (``method``) and outside
        (``overhead``; importing torch counts for neither).
    samples
        Number of training and test samples.
    content
        What their files held.
    test_images
        Which images the method was tested on.
    details
        SHA-256 of the file with the scores of these images, raw times and counts; empty where there is none.
    weights
        The pretrained files by name.
    environment
        Versions, hardware, threads, flags, other load.
    notes
        Sentences that a reader of the numbers should see.
    log
        Last lines of the worker's log where the status is not ``ok``.
    created
        ISO 8601 time with zone.
    schema
        Layout of the file that it was read from.
    """

    cell: Cell
    status: Status
    reason: str = ""
    metrics: Mapping[str, Share | None] = field(default_factory=dict)
    undefined: Mapping[str, str] = field(default_factory=dict)
    by_defect: Mapping[str, Mapping[str, Share | None]] = field(default_factory=dict)
    undefined_by_defect: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    decisions: Decisions = field(default_factory=Decisions)
    latency: Latency = field(default_factory=Latency)
    energy: Energies = field(default_factory=Energies)
    memory: Memory = field(default_factory=Memory)
    seconds: Mapping[str, float] = field(default_factory=dict)
    samples: SampleCounts = field(default_factory=SampleCounts)
    content: DataContent = field(default_factory=DataContent)
    test_images: TestImages = field(default_factory=TestImages)
    details: str = ""
    weights: Mapping[str, UsedWeights] = field(default_factory=dict)
    environment: Environment = field(default_factory=Environment)
    notes: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    created: str = ""
    schema: int = SCHEMA

    @property
    def wall_seconds(self) -> float:
        """Time from the start of the first stage to the end of the last; parts of it are not counted again."""
        return sum(seconds for name, seconds in self.seconds.items() if name not in ("method", "overhead"))

    def to_json(self) -> dict[str, object]:
        """Return the record as plain JSON values; in the layout of :data:`SCHEMA`."""
        plain = cast(dict[str, object], msgspec.to_builtins(self))
        return {"schema": SCHEMA, "id": self.cell.id, **{name: plain[name] for name in plain if name != "schema"}}


@dataclass(frozen=True, slots=True)
class _Header:
    schema: int
    id: str
    cell: msgspec.Raw


@dataclass(frozen=True, slots=True)
class _Images:
    images: tuple[ImageScore, ...] = ()


_Keys = Mapping[str, msgspec.Raw]


def unlike_published(records: Iterable[Record]) -> dict[Split, str]:
    """Return how samples of some records differ in number from the published ones, by split, in words; empty if not.

    For example ``{"train": "14 of 244 training samples"}``. Of several categories the sum is given, of several numbers
    of one category both ends. A list of a few shots is the same however many samples there are.
    """
    sizes: dict[Split, dict[tuple[str, str], set[int]]] = {"train": {}, "validation": {}, "test": {}}
    for record in records:
        cell = record.cell
        if record.samples.train is not None and cell.shots == "full" and not cell.checkpoint:
            sizes["train"].setdefault((cell.dataset, cell.category), set()).add(record.samples.train)
        if record.samples.validation is not None:
            sizes["validation"].setdefault((cell.dataset, cell.category), set()).add(record.samples.validation)
        if record.samples.test is not None:
            sizes["test"].setdefault((cell.dataset, cell.category), set()).add(record.samples.test)
    unlike: dict[Split, str] = {}
    for split, counts in sizes.items():
        published = {key: DATASETS[key[0]].count(key[1], split) for key in counts if key[0] in DATASETS}
        known = {key: count for key, count in published.items() if count is not None}
        low, high = (sum(end(counts[key]) for key in known) for end in (min, max))
        if any(counts[key] != {count} for key, count in known.items()):
            number = f"{low}" if low == high else f"{low} to {high}"
            kind = "training" if split == "train" else split
            unlike[split] = f"{number} of {sum(known.values())} {kind} samples"
    return unlike


_HEADERS = msgspec.json.Decoder(_Header)
_RECORDS = msgspec.json.Decoder(Record)
_IMAGES = msgspec.json.Decoder(_Images)
_KEYS = msgspec.json.Decoder(_Keys)
_KNOWN_KEYS = {kind: {known.name for known in fields(kind)} for kind in (Cell, Protocol, LatencyBudget)}


def encode_record(record: Record) -> bytes:
    """Return a record as JSON, readable by a person.

    Raises
    ------
    ValueError
        Where :func:`decode_record` would refuse it, for example for a metric outside [0, 1] or a number that is not
        finite, or where it was read from a file of an earlier schema: that file holds scores and raw times, which
        would be lost.
    """
    if record.schema != SCHEMA:
        raise ValueError(f"a record of schema {record.schema} is copied as a file, not written again")
    content = (json.dumps(record.to_json(), indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()
    decode_record(content)
    return content


def decode_record(content: bytes) -> Record:
    """Return the record in a file's content, which may come from anyone.

    Raises
    ------
    ValueError
        Where it is not JSON, of an unknown schema, of wrong types, holds a number out of its range or a name that
        could lead elsewhere, or where its id is not that of its cell, which another version of harness may have
        computed from more than this one knows.
    """
    try:
        header = _HEADERS.decode(content)
        if header.schema not in _KNOWN_SCHEMAS:
            raise ValueError(
                f"its schema is {header.schema}, and this version of harness reads {_list(_KNOWN_SCHEMAS)}"
            )
        _refuse_unknown_keys(header.cell)
        record = _RECORDS.decode(content)
        _check(record)
        if record.cell.id != header.id:
            raise ValueError(f"its id {header.id} is not that of its cell, {record.cell.id}")
        images = _IMAGES.decode(content).images if header.schema == 1 else ()
    except (RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from error
    return replace(record, test_images=TestImages.of(images)) if images else record


def _refuse_unknown_keys(cell: msgspec.Raw) -> None:
    """Raise ValueError where a cell has keys that this version of harness doesn't know."""
    keys = _KEYS.decode(cell)
    protocol = _KEYS.decode(keys.get("protocol", b"{}"))
    latency = _KEYS.decode(protocol.get("latency", b"{}"))
    for kind, given in ((Cell, keys), (Protocol, protocol), (LatencyBudget, latency)):
        if unknown := sorted(given.keys() - _KNOWN_KEYS[kind]):
            raise ValueError(f"its cell has '{unknown[0]}', which this version of harness does not know")


def _check(record: Record) -> None:
    """Raise ValueError for what types alone can't rule out."""
    cell = record.cell
    names = [("method", cell.method), ("dataset", cell.dataset), ("category", cell.category), ("split", cell.split)]
    names += [("preset", cell.protocol.preset), *(("defect", name) for name in record.by_defect)]
    names += [("defect", name) for name in record.undefined_by_defect]
    names += [("defect", name) for name in record.test_images.defects]
    names += [("defect", name) for point in record.decisions.points.values() for name in point.missed_by_defect]
    for kind, name in names:
        if reason := bad_name_reason(name):
            raise ValueError(f"the name of its {kind} can't be used: {reason}")
    if not cell.label.isprintable():
        raise ValueError("the parameters in its label have control characters")
    if cell.shots != "full" and cell.shots < 1:
        raise ValueError(f"it has {cell.shots} shots")
    if record.created:
        datetime.fromisoformat(record.created)


def _list(numbers: Iterable[int]) -> str:
    return " and ".join(map(str, numbers))
