"""The measurements measured on a CUDA device: kernels of known length, tensors of known size."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from samples import make_sample

from harness.contract import Prediction
from harness.measure.clock import DeviceClock
from harness.measure.environment import describe_torch
from harness.measure.latency import measure_latency, raw_times, windows
from harness.measure.load import LoadWatch
from harness.measure.memory import measure_peak, meter_of
from harness.measure.state import allocator_level, check_state
from harness.protocol import LatencyBudget
from harness.store.environment import Environment

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]

DEVICE = "cuda:0"
GIB = 2**30
KERNEL_MS = 30.0
BUDGET = LatencyBudget(warmups=3, min_calls=15, min_seconds=0.0, max_seconds=60.0)


@pytest.fixture(scope="module")
def cycles() -> int:
    """Return how many of the device's cycles take 30 ms, once its clock has settled."""
    clock, probe = DeviceClock(DEVICE), 100_000_000
    for _ in range(10):
        torch.cuda._sleep(probe)
    first = clock.mark()
    torch.cuda._sleep(probe)
    last = clock.mark()
    clock.synchronise()
    return int(probe * KERNEL_MS / clock.between(first, last))


class Asynchronous:
    """Queues a kernel of 30 ms in prepare or in infer, and never waits for it."""

    def __init__(self, cycles: int, where: str) -> None:
        self.cycles, self.where = cycles, where

    def prepare(self, sample):
        if self.where == "prepare":
            torch.cuda._sleep(self.cycles)
        return sample

    def infer(self, inputs):
        if self.where == "infer":
            torch.cuda._sleep(self.cycles)
        return Prediction(np.zeros((4, 4), np.float32), 0.0)


def test_a_kernel_that_nobody_waits_for_is_not_under_reported(cycles: int) -> None:
    timing = measure_latency(Asynchronous(cycles, "infer"), [make_sample(0)], BUDGET, DeviceClock(DEVICE))
    found = windows(timing)
    assert found.device_events.median_ms == pytest.approx(KERNEL_MS, rel=0.1)
    assert found.device.median_ms == pytest.approx(KERNEL_MS, rel=0.1)
    assert all(call.device_ms >= call.events_ms - 0.2 for call in timing.calls)
    assert len(raw_times(timing)["device_events"]) == 15


def test_what_prepare_queues_belongs_to_the_whole_and_not_to_infer(cycles: int) -> None:
    timing = measure_latency(Asynchronous(cycles, "prepare"), [make_sample(0)], BUDGET, DeviceClock(DEVICE))
    found = windows(timing)
    assert found.end_to_end.median_ms == pytest.approx(KERNEL_MS, rel=0.1)
    assert found.device.median_ms < 3
    assert found.device_events.median_ms < 3


def take_a_gibibyte(_: object = None) -> torch.Tensor:
    return torch.ones(GIB, dtype=torch.uint8, device=DEVICE)


def test_a_gibibyte_held_is_in_the_level_and_off_the_device() -> None:
    meter = meter_of(DEVICE)
    held = take_a_gibibyte()
    assert meter.static().mb == pytest.approx(GIB / 1e6, rel=0.01)
    assert meter.device_delta().mb == pytest.approx(GIB / 1e6, rel=0.05)
    del held
    assert meter.static().mb < 1


def test_a_gibibyte_taken_for_a_moment_is_in_every_peak() -> None:
    meter = meter_of(DEVICE)
    found = measure_peak(lambda sample: take_a_gibibyte(sample) is None, [make_sample(0)] * 2, meter, max_seconds=60)
    for name, tolerance in (("peak_inference", 0.01), ("peak_inference_reserved", 0.01), ("device_delta", 0.05)):
        assert found[name].mb == pytest.approx(GIB / 1e6, rel=tolerance), name
        assert "cuda" in found[name].source
    assert meter.static().mb < 1


def test_what_an_earlier_stage_left_in_the_cache_is_not_charged_to_inference() -> None:
    meter = meter_of(DEVICE)
    take_a_gibibyte()
    found = measure_peak(lambda _: torch.ones(2**26, dtype=torch.uint8, device=DEVICE), [make_sample(0)], meter, 60)
    assert found["peak_inference_reserved"].mb == pytest.approx(2**26 / 1e6, rel=0.05)
    assert found["device_delta"].mb < 200


class Banked:
    """Holds 64 MB on the device and 40 MB on the host, and says what it is told to say."""

    def __init__(self, reported: int) -> None:
        self.reported = reported
        self.weights = torch.ones(64_000_000, dtype=torch.uint8, device=DEVICE)
        self.view = self.weights[:1000]
        self.bank = np.ones(40_000_000, np.uint8)

    def state_bytes(self):
        return {"weights": self.reported, "bank": 0, "other": 0}


@pytest.mark.parametrize(
    ("reported", "agrees"), [(104_000_000, True), (64_000_000, False), (93_000_000, False)], ids=str
)
def test_state_is_what_is_held_on_the_device_and_on_the_host(reported: int, agrees: bool) -> None:
    gc.collect()
    before = allocator_level(DEVICE)
    found = check_state(Banked(reported), DEVICE, before)
    assert found.agrees is agrees
    assert found.allocator_mb == pytest.approx(104, rel=0.01)
    assert found.source.startswith("cuda memory_allocated")


WORKSPACES = """
import json
from harness.measure import torch_state
from harness.measure.memory import meter_of
torch_state.configure("cuda:0", 0)
import torch
meter = meter_of("cuda:0")
square = torch.ones(512, 512, device="cuda:0")
torch.nn.functional.linear(square, square, square[0]) @ square
del square
print(json.dumps(meter.static().mb))
"""


def test_the_workspaces_that_all_methods_share_are_charged_to_none() -> None:
    environment = os.environ | {"CUDA_MODULE_LOADING": "LAZY"}
    command = [sys.executable, "-c", WORKSPACES]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    assert json.loads(found.stdout) < 1


def test_the_device_is_named_and_watched() -> None:
    found = describe_torch(Environment(), DEVICE)
    assert found.device_name == torch.cuda.get_device_name(DEVICE)
    assert found.cuda == torch.version.cuda
    torch.ones(1, device=DEVICE)
    load = LoadWatch(DEVICE).finish()
    assert load.contended == ("used" in load.sentence)
