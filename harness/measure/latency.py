"""Latency at batch 1 on real samples, in two windows: on the device, and end to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contract import Method, Sample
from harness.protocol import LatencyBudget

__all__ = ["Timing", "measure_latency", "summarise"]

_P95_NEEDS = 59
"""Calls below which no 95th percentile is reported: its one-sided 95% bound would lie outside the sample."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Raw wall times in milliseconds, one for each measured call.

    Parameters
    ----------
    device
        ``infer`` alone: inputs on the device to prediction in host memory (the CFM authors' window).
    end_to_end
        ``prepare`` and ``infer`` (what the paper's text says).
    """

    device: tuple[float, ...]
    end_to_end: tuple[float, ...]


def measure_latency(
    method: Method,
    samples: Sequence[Sample],
    budget: LatencyBudget,
    synchronise: Callable[[], None],
    progress: Callable[[int, int], None] | None = None,
) -> Timing:
    """Time prepare and infer, cycling through the samples, with the device idle before and after each window.

    Parameters
    ----------
    method
        Fitted.
    samples
        Blind samples, held in memory so that reading files is outside both windows.
    budget
        Warm-ups, and when to stop.
    synchronise
        Waits until the device is idle.
    progress
        Told of (calls, calls at least).
    """
    source = cycle(samples)
    for _ in range(budget.warmups):
        method.infer(method.prepare(next(source)))
    device: list[float] = []
    whole: list[float] = []
    started = perf_counter_ns()
    while not _enough(len(device), (perf_counter_ns() - started) / 1e9, budget):
        sample = next(source)
        synchronise()
        begin = perf_counter_ns()
        inputs = method.prepare(sample)
        synchronise()
        ready = perf_counter_ns()
        method.infer(inputs)
        synchronise()
        end = perf_counter_ns()
        device.append((end - ready) / 1e6)
        whole.append((end - begin) / 1e6)
        if progress is not None:
            progress(min(len(device), budget.min_calls), budget.min_calls)
    return Timing(tuple(device), tuple(whole))


def _enough(calls: int, seconds: float, budget: LatencyBudget) -> bool:
    if calls == 0:
        return False
    return (calls >= budget.min_calls and seconds >= budget.min_seconds) or seconds >= budget.max_seconds


def summarise(values: Sequence[float]) -> dict[str, Any]:
    """Return median with its order-statistic 95% interval, mean, extremes and raw values, all in milliseconds.

    The interval is None below 6 calls, where no two order statistics enclose the median with 95% confidence; p95 is
    None below 59 calls.
    """
    raw = np.sort(np.asarray(values, float))
    low, high = _median_interval(raw)
    return {
        "calls": len(raw),
        "median_ms": float(np.median(raw)),
        "low_ms": low,
        "high_ms": high,
        "mean_ms": float(raw.mean()),
        "min_ms": float(raw[0]),
        "max_ms": float(raw[-1]),
        "p95_ms": float(np.quantile(raw, 0.95)) if len(raw) >= _P95_NEEDS else None,
        "fps": 1000 / float(np.median(raw)),
        "raw_ms": [round(float(value), 4) for value in values],
    }


def _median_interval(ordered: NDArray[np.float64]) -> tuple[float | None, float | None]:
    from scipy.stats import binom

    count = len(ordered)
    below = int(binom.ppf(0.025, count, 0.5)) - 1
    if below < 0 or binom.cdf(below, count, 0.5) > 0.025:
        return None, None
    return float(ordered[below]), float(ordered[count - 1 - below])
