"""Times and sizes of a record."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Latency", "LatencyWindow", "Memory", "Size", "StateCheck", "StateSizes"]


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
