"""Latency at batch 1 on real samples, in two windows: on the device, and end to end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

from harness.contract import Method, Prediction, Sample
from harness.measure.clock import DeviceClock
from harness.measure.energy import EnergyMeter
from harness.metrics.scoring import errors_name_sample
from harness.protocol import LatencyBudget
from harness.store.measurements import Energy, Latency, LatencyWindow

__all__ = ["Call", "Keep", "Timing", "calls_needed", "measure_latency", "raw_times", "summarise", "windows"]

Keep = Callable[[Sample, Prediction], None]
"""Called with a sample and its prediction."""

_CONFIDENCE = 0.95
"""Of the median's interval, and of the largest value lying at or above a percentile."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of prepare and infer, in milliseconds.

    Parameters
    ----------
    device_ms
        Wall time of ``infer`` alone: inputs on the device to prediction in host memory (the CFM authors' window).
    end_to_end_ms
        Wall time of ``prepare`` and ``infer`` (the window of the paper's text).
    events_ms
        Time of ``infer`` by the device's own clock, between events on its current stream; None on a CPU.
    """

    device_ms: float
    end_to_end_ms: float
    events_ms: float | None


@dataclass(frozen=True, slots=True)
class Timing:
    """The latency pass.

    Parameters
    ----------
    calls
        The measured calls, in order.
    warmups
        The calls before them.
    stopped
        Why there are fewer calls than the protocol requires; empty where there are enough.
    energy
        What the device took from the first of the calls to the last; None where no meter was there.
    """

    calls: tuple[Call, ...]
    warmups: tuple[Call, ...] = ()
    stopped: str = ""
    energy: Energy | None = None

    @property
    def seconds(self) -> float:
        """Time spent inside the method, warm-ups included."""
        return sum(call.end_to_end_ms for call in (*self.warmups, *self.calls)) / 1000


def measure_latency(
    method: Method,
    samples: Sequence[Sample],
    budget: LatencyBudget,
    clock: DeviceClock,
    progress: Callable[[int, int], None] | None = None,
    keep: Keep | None = None,
    meter: EnergyMeter | None = None,
) -> Timing:
    """Time prepare and infer, cycling through the samples, with the device idle before and after each window.

    Warm-ups begin with the first sample, and the measured calls continue after the last warm-up.

    Parameters
    ----------
    method
        Fitted.
    samples
        At least one sample, in memory so that both windows exclude reading files. The method gets them blind.
    budget
        Number of warm-ups, and when to stop.
    clock
        Clock of the device that the method was fitted on.
    progress
        Called with the number of measured calls and the least number to make.
    keep
        Called with each sample, as it was passed, and its first prediction, warm-ups included; outside both windows.
    meter
        Of the device's energy; it is read outside both windows.

    Raises
    ------
    MethodError
        Raised by the method or by ``keep``, with category and id of the sample before its message.
    """
    source = _calls(method, samples, clock, keep)
    warmups = _warm_up(source, budget)
    calls: list[Call] = []
    started = perf_counter_ns()
    if meter is not None:
        meter.begin()
    while not _enough(len(calls), (perf_counter_ns() - started) / 1e9, budget):
        calls.append(next(source))
        if progress is not None:
            progress(min(len(calls), budget.min_calls), budget.min_calls)
        if meter is not None:
            meter.keep_up()
    energy = None if meter is None else meter.end(len(calls))
    short = len(calls) < budget.min_calls
    over = f"the budget of {budget.max_seconds:g} s was over after {len(calls)} of {budget.min_calls} calls"
    return Timing(tuple(calls), warmups, over if short else "", energy)


def _warm_up(source: Iterator[Call], budget: LatencyBudget) -> tuple[Call, ...]:
    """Make the calls before the first measured call, until the budget's time is over."""
    started = perf_counter_ns()
    calls: list[Call] = []
    while len(calls) < budget.warmups and (perf_counter_ns() - started) / 1e9 < budget.max_seconds:
        calls.append(next(source))
    return tuple(calls)


def _calls(method: Method, samples: Sequence[Sample], clock: DeviceClock, keep: Keep | None) -> Iterator[Call]:
    """Yield one call after the other, cycling through the samples; no id tells which sample comes again."""
    for number in count():
        index = number % len(samples)
        blind = samples[index].blind()
        with errors_name_sample(samples[index]):
            call, prediction = _call(method, blind, clock)
            if keep is not None and number == index:
                keep(samples[index], prediction)
        del prediction  # it must not hold memory during the next call
        yield call


def _call(method: Method, sample: Sample, clock: DeviceClock) -> tuple[Call, Prediction]:
    clock.synchronise()
    begin = perf_counter_ns()
    inputs = method.prepare(sample)
    clock.synchronise()
    prepared = perf_counter_ns()
    first = clock.mark()
    ready = perf_counter_ns()
    prediction = method.infer(inputs)
    last = clock.mark()
    clock.synchronise()
    end = perf_counter_ns()
    call = Call((end - ready) / 1e6, (prepared - begin + end - ready) / 1e6, clock.between(first, last))
    return call, prediction


def _enough(calls: int, seconds: float, budget: LatencyBudget) -> bool:
    if calls == 0:
        return False
    return (calls >= budget.min_calls and seconds >= budget.min_seconds) or seconds >= budget.max_seconds


def windows(strict: Timing, default: Timing | None = None) -> Latency:
    """Return the summaries of both windows in each math, and of the times by the device's own clock in strict math.

    Parameters
    ----------
    strict, default
        The latency pass in strict and in default math; None on a CPU.
    """
    summaries = {name: replace(summarise(times), stopped=strict.stopped) for name, times in _strict(strict).items()}
    no_events = LatencyWindow(reason="a CPU has no event clock", stopped=strict.stopped)
    no_default = LatencyWindow(reason="on a CPU the same as in strict math, not measured again")
    in_default = {
        name: replace(summarise(times), stopped=default.stopped) if default else no_default
        for name, times in _default(default).items()
    }
    return Latency(**{"device_events": no_events, **summaries, **in_default})


def raw_times(strict: Timing, default: Timing | None = None) -> dict[str, list[float]]:
    """Return the times of every call by window, in ms to 0.1 us; ``device_events`` and default math on CUDA only."""
    by_window = {**_strict(strict), **_default(default)}
    return {name: [round(time, 4) for time in times] for name, times in by_window.items() if times}


def _strict(timing: Timing) -> dict[str, list[float]]:
    events = [call.events_ms for call in timing.calls if call.events_ms is not None]
    return {
        "device": [call.device_ms for call in timing.calls],
        "end_to_end": [call.end_to_end_ms for call in timing.calls],
        **({"device_events": events} if events else {}),
    }


def _default(timing: Timing | None) -> dict[str, list[float]]:
    calls = timing.calls if timing else ()
    return {
        "device_default": [call.device_ms for call in calls],
        "end_to_end_default": [call.end_to_end_ms for call in calls],
    }


def summarise(values: Sequence[float]) -> LatencyWindow:
    """Return median with its order-statistic 95% interval, mean, extremes and percentiles, all in milliseconds.

    The interval is None below 6 calls, where no two order statistics enclose the median with 95% confidence; p95 is
    None below 59 calls and p99 below 299 (:func:`calls_needed`).
    """
    raw = np.sort(np.asarray(values, float))
    low, high = _median_interval(raw)
    return LatencyWindow(
        calls=len(raw),
        median_ms=float(np.median(raw)),
        low_ms=low,
        high_ms=high,
        mean_ms=float(raw.mean()),
        min_ms=float(raw[0]),
        max_ms=float(raw[-1]),
        p95_ms=_quantile(raw, 0.95),
        p99_ms=_quantile(raw, 0.99),
        fps=1000 / float(np.median(raw)),
    )


def calls_needed(quantile: float) -> int:
    """Return how many calls a quantile in (0, 1) needs: the fewest whose largest value is above it at 95% confidence.

    The largest of n independent values lies below the q-quantile with probability q^n, so 1 - q^n must reach 0.95.
    """
    return math.ceil(math.log(1 - _CONFIDENCE) / math.log(quantile))


def _quantile(ordered: NDArray[np.float64], quantile: float) -> float | None:
    return float(np.quantile(ordered, quantile)) if len(ordered) >= calls_needed(quantile) else None


def _median_interval(ordered: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Return the narrowest pair of values, equally far from both ends, that encloses the median at 95% confidence.

    The value with ``below`` smaller values lies above the median with the probability that a fair coin shows heads at
    most ``below`` times in as many throws as there are values; the same holds at the other end.
    """
    from scipy.special import bdtr

    count, tail = len(ordered), (1 - _CONFIDENCE) / 2
    below = int(np.searchsorted(bdtr(np.arange(count // 2), count, 0.5), tail, "right")) - 1
    if below < 0:
        return None, None
    return float(ordered[below]), float(ordered[count - 1 - below])
