"""The measurements measured."""

from __future__ import annotations

import time

import numpy as np
import pytest
from samples import make_sample
from scipy.stats import binom

from harness.contract import Prediction
from harness.measure.latency import measure_latency, summarise
from harness.measure.memory import MemoryMeter
from harness.protocol import LatencyBudget


class Sleeper:
    """Sleeps 5 ms in prepare and 20 ms in infer."""

    def __init__(self) -> None:
        self.calls = 0

    def prepare(self, sample):
        time.sleep(0.005)
        return sample

    def infer(self, inputs):
        self.calls += 1
        time.sleep(0.020)
        return Prediction(np.zeros((4, 4), np.float32), 0.0)


def test_windows_hold_what_they_say_and_the_budget_is_kept() -> None:
    method, synchronised = Sleeper(), []
    budget = LatencyBudget(warmups=3, min_calls=20, min_seconds=0.1, max_seconds=30)
    timing = measure_latency(method, [make_sample(0)], budget, lambda: synchronised.append(1))
    assert method.calls == 3 + len(timing.device)
    assert len(timing.device) >= 20
    assert len(synchronised) == 3 * len(timing.device)
    assert min(timing.device) >= 20
    assert all(whole - device >= 5 for device, whole in zip(timing.device, timing.end_to_end, strict=True))


def test_a_slow_method_is_cut_off_by_the_budget_but_measured_once() -> None:
    budget = LatencyBudget(warmups=0, min_calls=1000, min_seconds=0, max_seconds=0.001)
    assert len(measure_latency(Sleeper(), [make_sample(0)], budget, lambda: None).device) == 1


@pytest.mark.parametrize("count", [1, 5, 6, 9, 10, 58, 59, 100, 1000])
def test_the_median_s_interval_has_its_confidence_and_is_as_narrow_as_can_be(count: int) -> None:
    summary = summarise([float(value) for value in range(count, 0, -1)])
    assert summary["median_ms"] == (count + 1) / 2
    if count < 6:
        assert summary["low_ms"] is None
        return
    below = int(summary["low_ms"]) - 1
    assert summary["high_ms"] == count - below
    assert 2 * binom.cdf(below, count, 0.5) <= 0.05 < 2 * binom.cdf(below + 1, count, 0.5)
    assert (summary["p95_ms"] is None) == (count < 59)


def test_a_peak_that_is_gone_again_is_seen() -> None:
    meter = MemoryMeter("cpu")
    meter.reset_peak()
    block = np.ones(300_000_000 // 8)
    del block
    peak, level = meter.peak(), meter.level()
    assert peak["mb"] == pytest.approx(300, rel=0.05)
    assert level["mb"] < 150
    assert peak["source"].startswith("VmHWM")
    meter.reset_peak()
    assert meter.peak()["mb"] < 150
