"""The latency pass of a cell, in each math of its device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

from harness.contract import Method, Prediction, Sample
from harness.measure import torch_state
from harness.measure.clock import DeviceClock
from harness.measure.energy import energy_meter
from harness.measure.latency import Timing, measure_latency, raw_times, summarise, windows
from harness.measure.load import LoadWatch, OtherLoad
from harness.measure.reading import Reading
from harness.metrics.scoring import require_prediction
from harness.protocol import LatencyBudget
from harness.store.measurements import Latency

__all__ = ["UNTIMED", "Speed", "measure_speed"]


@dataclass(frozen=True, slots=True)
class Speed:
    """The latency pass in strict math, on CUDA also that in default math, and other load during both.

    Parameters
    ----------
    timings
        Of both; none where a cell is measured without its speed.
    load
        What else ran.
    """

    timings: tuple[Timing, ...]
    load: OtherLoad

    def raw(self, reading: Reading) -> Mapping[str, Sequence[float]]:
        """Return the times of every call by window, in ms, with those of reading."""
        if not self.timings:
            return {}
        return {**raw_times(*self.timings), "decode": reading.decode_ms, "clean": reading.clean_ms}

    def latency(self, reading: Reading) -> Latency:
        """Return the windows of a record, with those of reading."""
        if not self.timings:
            return Latency()
        of_reading = {"decode": summarise(reading.decode_ms), "clean": summarise(reading.clean_ms)}
        return replace(windows(*self.timings), **of_reading)

    @property
    def seconds(self) -> float:
        """Time inside the method's calls."""
        return sum(timing.seconds for timing in self.timings)


UNTIMED = Speed((), OtherLoad(contended=False, sentence="", cores=None))
"""Of a cell without latency pass."""


def measure_speed(
    method: Method,
    samples: Sequence[Sample],
    device: str,
    budget: LatencyBudget,
    progress: Callable[[int, int], None],
) -> tuple[Speed, dict[str, Prediction]]:
    """Run the latency pass.

    Parameters
    ----------
    method
        Fitted.
    samples
        Decoded and cleaned, with what the method gets of them.
    device
        Torch device name.
    budget
        Of each math.
    progress
        Called with how much is done, and of how much.

    Returns
    -------
    Speed
        The times.
    dict
        The first prediction of each sample, in strict math, by the sample's id.
    """
    predicted: dict[str, Prediction] = {}

    def keep(sample: Sample, prediction: Prediction) -> None:
        require_prediction(prediction, sample.id)
        # A copy: the next call may overwrite the buffer of the maps. Scoring later leaves CPU caches as they are.
        predicted[sample.id] = deepcopy(replace(prediction, extras={}))

    clock, passes = DeviceClock(device), 2 if device.startswith("cuda") else 1
    timings: list[Timing] = []

    def report(done: int, total: int) -> None:
        progress(len(timings) * total + done, passes * total)

    watch, meter = LoadWatch(device), energy_meter(device)
    timings.append(measure_latency(method, samples, budget, clock, report, keep, meter))
    if passes > 1:
        with torch_state.default_math():
            timings.append(measure_latency(method, samples, budget, clock, report, meter=meter))
        method.infer(method.prepare(samples[0].blind()))  # makes anew what it keeps for a math, before memory's turn
    return Speed(tuple(timings), watch.finish()), predicted
