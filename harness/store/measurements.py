"""Times and sizes of a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

__all__ = [
    "Amount",
    "Count",
    "Energies",
    "Energy",
    "Latency",
    "LatencyWindow",
    "Memory",
    "Share",
    "Size",
    "StateCheck",
    "StateSizes",
]

Amount = Annotated[float, Meta(ge=0)]
"""A number from 0 on; JSON has no infinite one."""
Count = Annotated[int, Meta(ge=0, le=2**53)]
Share = Annotated[float, Meta(ge=0, le=1)]


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

    calls: Count | None = None
    median_ms: Amount | None = None
    low_ms: Amount | None = None
    high_ms: Amount | None = None
    mean_ms: Amount | None = None
    min_ms: Amount | None = None
    max_ms: Amount | None = None
    p95_ms: Amount | None = None
    p99_ms: Amount | None = None
    fps: Amount | None = None
    reason: str = ""
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class Latency:
    """The latency of each window; None where it was not measured.

    Parameters
    ----------
    device
        ``infer`` alone, in strict math (:data:`harness.protocol.Math`).
    end_to_end
        ``prepare`` and ``infer``, in strict math.
    device_default, end_to_end_default
        The same in default math; on a CPU without times, as they would be the same.
    device_events
        ``infer`` by CUDA events, in strict math.
    decode
        Reading and decoding the files of a sample.
    clean
        Removing its background.
    """

    device: LatencyWindow | None = None
    end_to_end: LatencyWindow | None = None
    device_default: LatencyWindow | None = None
    end_to_end_default: LatencyWindow | None = None
    device_events: LatencyWindow | None = None
    decode: LatencyWindow | None = None
    clean: LatencyWindow | None = None


@dataclass(frozen=True, slots=True)
class Energy:
    """What a device took while calls were timed, by a counter of the hardware.

    Parameters
    ----------
    joules
        Per image: what was counted from the first measured call to the last, over their number; None where nothing
        was, with a ``reason``.
    watts
        Mean power in that time.
    calls
        Number of these calls.
    seconds
        That time, with what lies between two calls.
    source
        The counter, and what it counts.
    reason
        Why nothing was counted.
    """

    joules: Amount | None = None
    watts: Amount | None = None
    calls: Count | None = None
    seconds: Amount | None = None
    source: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Energies:
    """The energy of both passes of timed calls; None where there was no such pass, or a version that counted nothing.

    Parameters
    ----------
    strict, default
        In strict and in default math (:data:`harness.protocol.Math`).
    """

    strict: Energy | None = None
    default: Energy | None = None


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

    mb: Amount | None = None
    source: str = ""
    reason: str = ""
    calls: Count | None = None
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class StateSizes:
    """The memory that a fitted method reports, in MB (1e6 bytes)."""

    weights_mb: Amount | None = None
    bank_mb: Amount | None = None
    other_mb: Amount | None = None


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
    paper_mb: Amount | None = None
    state_check: StateCheck | None = None
    peak_inference: Size | None = None
    peak_inference_reserved: Size | None = None
    device_delta: Size | None = None
