"""Latency measured on methods whose latency is known."""

from __future__ import annotations

import time
import weakref
from dataclasses import replace

import numpy as np
import pytest
from samples import make_sample
from scipy.stats import binom

from harness.contract import MethodError, Prediction, UnsupportedError
from harness.measure.clock import DeviceClock
from harness.measure.latency import Call, Timing, calls_needed, measure_latency, raw_times, summarise, windows
from harness.metrics.scoring import check_prediction
from harness.protocol import LatencyBudget
from harness.store.measurements import LatencyWindow

NOTHING = Prediction(np.zeros((4, 4), np.float32), 0.0)


class Sleeper:
    """Sleeps at least 5 ms in prepare and 20 ms in infer, and keeps how long it did: a busy machine wakes it late."""

    def __init__(self) -> None:
        self.seen = []
        self.prepared_ms = []
        self.inferred_ms = []

    def prepare(self, sample):
        self.seen.append(sample.rgb)
        self.prepared_ms.append(slept_ms(0.005))
        return sample

    def infer(self, inputs):
        self.inferred_ms.append(slept_ms(0.020))
        return NOTHING


def slept_ms(seconds: float) -> float:
    started = time.perf_counter()
    time.sleep(seconds)
    return 1000 * (time.perf_counter() - started)


class Recorder(DeviceClock):
    """A clock that writes down when it is asked, between the calls of a method that does too."""

    def __init__(self) -> None:
        super().__init__("cpu")
        self.order = []

    def synchronise(self) -> None:
        self.order.append("synchronise")

    def mark(self):
        self.order.append("mark")

    def prepare(self, sample):
        self.order.append("prepare")

    def infer(self, inputs):
        self.order.append("infer")
        return NOTHING

    def between(self, first, last):
        self.order.append("between")


ONCE = ["synchronise", "prepare", "synchronise", "mark", "infer", "mark", "synchronise", "between"]


def budget(**changes) -> LatencyBudget:
    return LatencyBudget(**{"warmups": 0, "min_calls": 20, "min_seconds": 0.0, "max_seconds": 60.0, **changes})


def test_a_method_that_sleeps_is_measured_at_the_time_that_it_sleeps() -> None:
    method = Sleeper()
    samples = [make_sample(seed, height=32, width=32) for seed in range(3)]
    timing = measure_latency(method, samples, budget(warmups=4), DeviceClock("cpu"))
    found = windows(timing)
    device = np.array(method.inferred_ms[4:])
    assert found.device.median_ms == pytest.approx(np.median(device), rel=0.05)
    assert found.end_to_end.median_ms == pytest.approx(np.median(device + method.prepared_ms[4:]), rel=0.05)
    assert min(raw_times(timing)["device"]) >= 20
    assert all(call.end_to_end_ms - call.device_ms >= 5 for call in timing.calls)
    assert (len(timing.warmups), len(timing.calls)) == (4, 20)
    assert all(seen is samples[index % 3].rgb for index, seen in enumerate(method.seen))
    assert len(method.seen) == 24
    assert timing.seconds >= 24 * 0.025


def test_the_device_is_idle_at_both_ends_of_both_windows() -> None:
    recorder = Recorder()
    measure_latency(recorder, [make_sample(0, height=32, width=32)], budget(min_calls=2), recorder)
    assert recorder.order == ONCE * 2


def test_the_first_prediction_of_each_sample_is_handed_out_after_both_windows() -> None:
    recorder = Recorder()
    samples = [make_sample(seed, height=32, width=32) for seed in range(3)]
    kept = []

    def keep(sample, prediction) -> None:
        recorder.order.append("keep")
        kept.append((sample, prediction))

    timing = measure_latency(recorder, samples, budget(warmups=2, min_calls=3), recorder, keep=keep)
    assert recorder.order == [*ONCE, "keep"] * 3 + ONCE * 2
    assert [sample for sample, _ in kept] == samples  # as they were passed, not blind
    assert all(prediction is NOTHING for _, prediction in kept)
    assert (len(timing.warmups), len(timing.calls)) == (2, 3)


def test_no_prediction_is_held_during_the_next_call() -> None:
    class Holding(Recorder):
        """Tells whether its last prediction is still there."""

        last, found = None, ()

        def infer(self, inputs):
            self.found = (*self.found, self.last and self.last())
            anomaly_map = np.zeros((4, 4), np.float32)
            self.last = weakref.ref(anomaly_map)
            return Prediction(anomaly_map, 0.0)

    method = Holding()
    measure_latency(method, [make_sample(0, height=32, width=32)], budget(min_calls=3), DeviceClock("cpu"))
    assert method.found == (None,) * 3


class Wrong(Recorder):
    """Refuses a sample, or says nonsense about it."""

    def __init__(self, position: int, *, refuses: bool) -> None:
        super().__init__()
        self.position, self.refuses = position, refuses

    def infer(self, inputs):
        wrong = self.order.count("infer") == self.position
        self.order.append("infer")
        if wrong and self.refuses:
            raise UnsupportedError("no point is valid")
        return replace(NOTHING, score=float("nan")) if wrong else NOTHING


@pytest.mark.parametrize(("position", "name"), [(0, "000"), (1, "001"), (4, "000"), (5, "001")])
def test_an_error_names_its_sample_in_warm_ups_and_calls(position: int, name: str) -> None:
    samples = [make_sample(seed, height=32, width=32) for seed in range(2)]
    with pytest.raises(UnsupportedError, match=f"^Sample disc/train/good/{name}: no point is valid$"):
        measure_latency(Wrong(position, refuses=True), samples, budget(warmups=3), DeviceClock("cpu"))


def test_an_error_of_the_one_who_keeps_names_the_sample_too() -> None:
    samples = [make_sample(seed, height=32, width=32) for seed in range(2)]
    with pytest.raises(MethodError, match=r"^Sample disc/train/good/001: The score of sample train/good/001 is nan"):
        measure_latency(
            Wrong(1, refuses=False),
            samples,
            budget(),
            DeviceClock("cpu"),
            keep=lambda sample, prediction: check_prediction(prediction, sample.id),
        )


def test_calls_go_on_until_both_the_number_and_the_seconds_are_reached() -> None:
    timing = measure_latency(
        Recorder(), [make_sample(0, height=32, width=32)], budget(min_calls=2, min_seconds=0.05), DeviceClock("cpu")
    )
    assert len(timing.calls) > 2
    assert timing.stopped == ""
    assert windows(timing).device.stopped == ""


def test_a_slow_method_is_cut_off_by_the_budget_but_measured_once_and_the_windows_say_so() -> None:
    told = []
    timing = measure_latency(
        Sleeper(),
        [make_sample(0, height=32, width=32)],
        budget(min_calls=1000, max_seconds=0.001),
        DeviceClock("cpu"),
        lambda *progress: told.append(progress),
    )
    assert len(timing.calls) == 1
    assert told == [(1, 1000)]
    for window in ("device", "end_to_end", "device_events"):
        assert getattr(windows(timing), window).stopped == "the budget of 0.001 s was over after 1 of 1000 calls"


def test_event_times_stand_beside_wall_times_where_there_are_events() -> None:
    on_cpu = windows(Timing((Call(2.0, 3.0, None),)))
    assert on_cpu.device_events == LatencyWindow(reason="a CPU has no event clock")
    timing = Timing((Call(2.0, 3.0, 1.5), Call(4.0, 5.0, 3.5)))
    with_events = windows(timing)
    assert with_events.device.median_ms == 3.0
    assert with_events.device_events.median_ms == 2.5
    assert raw_times(timing)["device_events"] == [1.5, 3.5]


def test_times_in_default_math_stand_beside_those_in_strict_math() -> None:
    strict, default = Timing((Call(4.0, 5.0, 3.0),)), Timing((Call(2.0, 3.0, 1.0),), stopped="the time was over")
    found = windows(strict, default)
    assert (found.device.median_ms, found.device_default.median_ms) == (4.0, 2.0)
    assert (found.end_to_end.median_ms, found.end_to_end_default.median_ms) == (5.0, 3.0)
    assert (found.end_to_end.stopped, found.end_to_end_default.stopped) == ("", "the time was over")
    raw = raw_times(strict, default)
    assert (raw["device"], raw["device_default"], raw["end_to_end_default"]) == ([4.0], [2.0], [3.0])


def test_a_cpu_is_measured_in_strict_math_alone_and_says_so() -> None:
    timing = Timing((Call(2.0, 3.0, None),))
    found = windows(timing)
    for window in (found.device_default, found.end_to_end_default):
        assert window.median_ms is None
        assert "the same as in strict math" in window.reason
    assert set(raw_times(timing)) == {"device", "end_to_end"}


@pytest.mark.parametrize(("quantile", "calls"), [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299)])
def test_a_percentile_needs_enough_calls(quantile: float, calls: int) -> None:
    assert calls_needed(quantile) == calls
    assert 1 - quantile**calls >= 0.95 > 1 - quantile ** (calls - 1)


@pytest.mark.parametrize("count", [1, 5, 6, 9, 10, 58, 59, 100, 298, 299, 1000])
def test_the_median_s_interval_has_its_confidence_and_is_as_narrow_as_can_be(count: int) -> None:
    summary = summarise([float(value) for value in range(count, 0, -1)])
    assert summary.median_ms == (count + 1) / 2
    assert (summary.p95_ms is None) == (count < 59)
    assert (summary.p99_ms is None) == (count < 299)
    if count < 6:
        assert summary.low_ms is None
        assert summary.high_ms is None
        return
    below = int(summary.low_ms) - 1
    assert summary.high_ms == count - below
    assert 2 * binom.cdf(below, count, 0.5) <= 0.05 < 2 * binom.cdf(below + 1, count, 0.5)


def test_percentiles_are_those_of_the_sample() -> None:
    values = list(np.random.default_rng(0).exponential(10, 400))
    summary = summarise(values)
    assert summary.p95_ms == pytest.approx(np.quantile(values, 0.95))
    assert summary.p99_ms == pytest.approx(np.quantile(values, 0.99))
