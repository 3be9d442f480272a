"""The record of a cell: every part of it as a type, read from and written as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import msgspec

from harness.cell import Cell
from harness.files.digest import digest
from harness.store.environment import Environment
from harness.store.measurements import Latency, Memory

__all__ = [
    "SCHEMA",
    "STATUSES",
    "ImageScore",
    "Record",
    "SampleCounts",
    "Status",
    "TestImages",
    "UsedWeights",
    "decode_record",
    "encode_record",
]

Status = Literal["ok", "failed", "oom", "timeout", "killed", "unsupported"]
STATUSES: tuple[Status, ...] = ("ok", "failed", "oom", "timeout", "killed", "unsupported")

SCHEMA = 2
"""Version of the file's layout. Records of version 1, which hold scores of images and raw times, are read, too."""

_KNOWN_SCHEMAS = (1, SCHEMA)


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """Number of training and test samples."""

    train: int | None = None
    test: int | None = None


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
    """

    id: str
    defect: str
    label: int
    score: float


@dataclass(frozen=True, slots=True)
class TestImages:
    """Which images a cell was tested on.

    Parameters
    ----------
    digest
        Of ids, defects and labels, in whatever order: methods with equal ones were tested on the same images.
    defects
        Number of images of each defect, ``good`` among them.
    """

    __test__ = False  # no test case, whatever its name

    digest: str = ""
    defects: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, images: Iterable[ImageScore]) -> TestImages:
        """Summarise the images of a test set."""
        counts: dict[str, int] = {}
        rows = []
        for image in images:
            rows.append([image.id, image.defect, int(image.label)])
            counts[image.defect] = counts.get(image.defect, 0) + 1
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
    latency
        Times of each window, in ms.
    memory
        Sizes in MB (1e6 bytes).
    seconds
        Wall time of the stages, and over all of them the time inside the method's calls (``method``) and outside
        (``overhead``; importing torch counts for neither).
    samples
        Number of training and test samples.
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
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    undefined: Mapping[str, str] = field(default_factory=dict)
    by_defect: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)
    memory: Memory = field(default_factory=Memory)
    seconds: Mapping[str, float] = field(default_factory=dict)
    samples: SampleCounts = field(default_factory=SampleCounts)
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


@dataclass(frozen=True, slots=True)
class _Images:
    images: tuple[ImageScore, ...] = ()


_HEADERS = msgspec.json.Decoder(_Header)
_RECORDS = msgspec.json.Decoder(Record)
_IMAGES = msgspec.json.Decoder(_Images)


def encode_record(record: Record) -> bytes:
    """Return a record as JSON, readable by a person.

    Raises
    ------
    ValueError
        Where a number is not finite, or the record was read from a file of an earlier schema: that file holds scores
        and raw times, which would be lost.
    """
    if record.schema != SCHEMA:
        raise ValueError(f"a record of schema {record.schema} is copied as a file, not written again")
    return (json.dumps(record.to_json(), indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def decode_record(content: bytes) -> Record:
    """Return the record in a file's content.

    Raises
    ------
    ValueError
        Where it is no JSON, of an unknown schema, of wrong types, or where its id is not that of its cell, which
        another version of harness may have computed from more than this one knows.
    """
    header = _HEADERS.decode(content)
    if header.schema not in _KNOWN_SCHEMAS:
        raise ValueError(f"its schema is {header.schema}, and this version of harness reads {_list(_KNOWN_SCHEMAS)}")
    record = _RECORDS.decode(content)
    if record.cell.id != header.id:
        raise ValueError(f"its id {header.id} is not that of its cell, {record.cell.id}")
    if header.schema == 1:
        images = _IMAGES.decode(content).images
        return replace(record, test_images=TestImages.of(images)) if images else record
    return record


def _list(numbers: Iterable[int]) -> str:
    return " and ".join(map(str, numbers))
