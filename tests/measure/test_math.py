"""Which math is in force when: training and predictions that count are strict, times are taken in both on CUDA."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from report_records import make_cell
from samples import make_sample

from harness.contract import Prediction
from harness.measure import torch_state
from harness.measure.clock import DeviceClock
from harness.measure.energy import EnergyMeter
from harness.measure.load import OtherLoad
from harness.plan.job import Job
from harness.protocol import LatencyBudget
from harness.running import speed as speed_pass
from harness.running.events import EventWriter
from harness.running.stages import CellRun

STRICT = {"tf32": False, "deterministic cuDNN": True, "deterministic": True}
DEFAULT = {"tf32": True, "deterministic cuDNN": False, "deterministic": False}


def flags() -> dict[str, bool]:
    assert not torch.backends.cuda.matmul.allow_tf32, "torch leaves TF32 in products off by default, too"
    assert not torch.backends.cudnn.benchmark
    return {
        "tf32": torch.backends.cudnn.allow_tf32,
        "deterministic cuDNN": torch.backends.cudnn.deterministic,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


@pytest.fixture(autouse=True)
def strict_math() -> Iterator[None]:
    before = flags()
    torch_state._set("strict")
    yield
    torch.backends.cudnn.allow_tf32 = before["tf32"]
    torch.backends.cudnn.deterministic = before["deterministic cuDNN"]
    torch.use_deterministic_algorithms(before["deterministic"])


def test_default_math_ends_with_its_block_whatever_happens_in_it() -> None:
    assert flags() == STRICT
    with torch_state.default_math():
        assert flags() == DEFAULT
    assert flags() == STRICT
    with pytest.raises(ZeroDivisionError), torch_state.default_math():
        raise ZeroDivisionError
    assert flags() == STRICT


class Watcher:
    """Predicts as its score how many calls came before, and keeps the flags of each call."""

    def __init__(self) -> None:
        self.seen: list[dict[str, bool]] = []

    def prepare(self, sample: Any) -> Any:
        return sample

    def infer(self, inputs: Any) -> Prediction:
        self.seen.append(flags())
        return Prediction(np.zeros((4, 4), np.float32), float(len(self.seen)))


class Idle:
    """Watches no load: there is no device to ask."""

    def __init__(self, device: str) -> None:
        pass

    def finish(self) -> OtherLoad:
        return OtherLoad(contended=False, sentence="", cores=None)


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_predictions_that_count_are_strict_and_only_cuda_is_timed_in_default_math(
    monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.setattr(speed_pass, "DeviceClock", lambda device: DeviceClock("cpu"))
    monkeypatch.setattr(speed_pass, "LoadWatch", Idle)
    monkeypatch.setattr(speed_pass, "energy_meter", lambda device: EnergyMeter(None, "there is no device to ask"))
    cell = make_cell("cfm", weights="random")
    budget = LatencyBudget(warmups=1, min_calls=3, min_seconds=0.0)
    cell = replace(cell, protocol=replace(cell.protocol, latency=budget))
    run = CellRun(Job(cell, None, (), {}).on(device), EventWriter(io.StringIO()))
    steps: list[tuple[int, int]] = []
    monkeypatch.setattr(run.events, "progress", lambda stage, done, total: steps.append((done, total)))
    method = Watcher()
    samples = {sample.id: sample for sample in (make_sample(0), make_sample(1))}
    speed, predicted = run._speed(method, SimpleNamespace(samples=samples))
    assert method.seen == [STRICT] * 4 + ([] if device == "cpu" else [DEFAULT] * 4 + [STRICT])
    assert [prediction.score for prediction in predicted.values()] == [1.0, 2.0]
    assert [len(timing.calls) for timing in speed.timings] == ([3] if device == "cpu" else [3, 3])
    total = 3 * len(speed.timings)
    assert steps == [(done, total) for done in range(1, total + 1)], "it only goes up"
    assert flags() == STRICT
