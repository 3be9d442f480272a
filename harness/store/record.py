"""The record of a cell: every part of it as a type, read from and written as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import msgspec

from harness.cell import Cell
from harness.files.digest import digest

__all__ = [
    "SCHEMA",
    "STATUSES",
    "CacheUse",
    "Environment",
    "Git",
    "Gpu",
    "ImageScore",
    "Latency",
    "LatencyWindow",
    "Memory",
    "Provider",
    "Record",
    "SampleCounts",
    "Size",
    "StateCheck",
    "StateSizes",
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
class LatencyWindow:
    """Times of one window over all calls, in ms.

    Parameters
    ----------
    calls
        Number of calls.
    median_ms, mean_ms, min_ms, max_ms
        Over all calls; None where nothing was measured, with a ``reason``.
    low_ms, high_ms
        Order-statistic 95% interval of the median; None below 6 calls.
    p95_ms, p99_ms
        Percentiles; None below 59 and 299 calls.
    fps
        Frames a second: 1000 / median.
    reason
        Why nothing was measured.
    stopped
        Why there are fewer calls than the protocol asks for.
    """

    calls: int | None = None
    median_ms: float | None = None
    low_ms: float | None = None
    high_ms: float | None = None
    mean_ms: float | None = None
    min_ms: float | None = None
    max_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    fps: float | None = None
    reason: str = ""
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class Latency:
    """The latency of each window; None where it was not measured.

    Parameters
    ----------
    device
        ``infer`` alone.
    end_to_end
        ``prepare`` and ``infer``.
    device_events
        ``infer`` by CUDA events.
    decode
        Reading and decoding the files of a sample.
    clean
        Removing its background.
    """

    device: LatencyWindow | None = None
    end_to_end: LatencyWindow | None = None
    device_events: LatencyWindow | None = None
    decode: LatencyWindow | None = None
    clean: LatencyWindow | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """An amount of memory.

    Parameters
    ----------
    mb
        In MB (1e6 bytes); None where it can't be had, with a ``reason``.
    source
        The counter that it was read from.
    reason
        Why there is no number.
    calls
        Number of inferences that a peak was seen over.
    stopped
        Why these are fewer than planned.
    """

    mb: float | None = None
    source: str = ""
    reason: str = ""
    calls: int | None = None
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class StateSizes:
    """What a fitted method reports to hold, in MB (1e6 bytes)."""

    weights_mb: float | None = None
    bank_mb: float | None = None
    other_mb: float | None = None


@dataclass(frozen=True, slots=True)
class StateCheck:
    """The reported state beside what the allocators hold.

    Parameters
    ----------
    reported_mb, allocator_mb
        In MB (1e6 bytes).
    source
        What ``allocator_mb`` was read from.
    agrees
        Whether they are equal within 5% or 1 MB; None where that can't be decided.
    reason
        Where they differ, or why it can't be decided.
    """

    reported_mb: float = 0.0
    allocator_mb: float = 0.0
    source: str = ""
    agrees: bool | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a cell; None where it was not measured.

    Parameters
    ----------
    peak_fit, peak_fit_reserved, static, peak_inference, peak_inference_reserved, device_delta
        Above the level before the method was built; ``reserved`` and ``device_delta`` exist on CUDA only.
    state
        Parts of the state, as the method reports them.
    paper_mb
        Parameters and memory bank in MB (1e6 bytes): the column of papers.
    state_check
        Whether the report agrees with the allocators.
    """

    peak_fit: Size | None = None
    peak_fit_reserved: Size | None = None
    static: Size | None = None
    state: StateSizes | None = None
    paper_mb: float | None = None
    state_check: StateCheck | None = None
    peak_inference: Size | None = None
    peak_inference_reserved: Size | None = None
    device_delta: Size | None = None


@dataclass(frozen=True, slots=True)
class Git:
    """The checkout that harness ran from."""

    commit: str
    dirty: bool = False


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as ``nvidia-smi`` lists it."""

    name: str = ""
    memory: str = ""
    driver: str = ""


@dataclass(frozen=True, slots=True)
class Provider:
    """The installed distribution that registers a method."""

    distribution: str
    version: str


@dataclass(frozen=True, slots=True)
class CacheUse:
    """How many arrays of training samples were read from the cache and how many were computed."""

    read: int = 0
    made: int = 0


@dataclass(frozen=True, slots=True)
class Environment:
    """What a number was measured on and with; None and empty where unknown.

    Parameters
    ----------
    harness, git, python, system, packages, provider
        Versions.
    cpu, cores, gpus, gpus_reason, driver
        The machine; ``gpus_reason`` says why no GPU is listed.
    device, device_name
        Torch device and its name.
    cuda, dtype, threads, interop_threads, tf32, tf32_matmul, tf32_cudnn, cudnn_benchmark, cudnn_deterministic
        Version and settings of torch.
    deterministic_algorithms, cublas_workspace_config
        The same.
    load_average
        Of the system, over one minute.
    contended
        Whether something else kept the machine busy while times were measured.
    contention
        What it was, or why that is unknown.
    other_load_cores
        Cores that other processes kept busy on average.
    cache
        Use of cached features in fit; None where the method uses no cache or had none.
    """

    harness: str | None = None
    git: Git | None = None
    python: str | None = None
    system: str | None = None
    cpu: str | None = None
    cores: int | None = None
    gpus: tuple[Gpu, ...] = ()
    gpus_reason: str = ""
    driver: str | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    provider: Provider | None = None
    device: str = ""
    device_name: str | None = None
    cuda: str | None = None
    dtype: str | None = None
    threads: int | None = None
    interop_threads: int | None = None
    tf32: bool | None = None
    tf32_matmul: bool | None = None
    tf32_cudnn: bool | None = None
    cudnn_benchmark: bool | None = None
    cudnn_deterministic: bool | None = None
    deterministic_algorithms: bool | None = None
    cublas_workspace_config: str | None = None
    load_average: float | None = None
    contended: bool = False
    contention: str = ""
    other_load_cores: float | None = None
    cache: CacheUse | None = None

    @property
    def kind(self) -> str:
        """Kind of the device without its index: ``cpu``, ``cuda``, or empty where unknown."""
        return self.device.partition(":")[0]

    @property
    def hardware(self) -> str:
        """The machine that speeds and peaks of memory belong to; they are comparable on equal hardware only.

        ``<cpu>, <n> cores, <n> threads`` for the CPU, ``<gpu> in <cpu>`` for a CUDA device, whatever its index. Empty
        where the device or its name is unknown: such a record is comparable with no other. Versions of packages are no
        part of it, so that a slowdown by an upgrade shows.
        """
        name, cpu = (" ".join((text or "").split()) for text in (self.device_name, self.cpu))
        if self.device == "cpu":
            counts = (_count(self.cores, "core"), _count(self.threads, "thread"))
            return ", ".join(filter(None, (cpu or name, *counts))) if cpu or name else ""
        return " in ".join(filter(None, (name, cpu))) if self.device and name else ""

    @property
    def busy_reason(self) -> str:
        """What else kept the machine busy; empty where nothing did."""
        return (self.contention or "something else kept the device busy") if self.contended else ""


def _count(number: int | None, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else ""


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

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values; in the layout of :data:`SCHEMA`."""
        plain = cast(dict[str, Any], msgspec.to_builtins(self))
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
        Where a number is not finite.
    """
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
