"""A folder through ``harness predict``: its rate in steady state over that of the device window, in one run.

On a CPU reading and cleaning take cores from the method. ``waiting`` stands in for a method on a GPU: its inference
leaves the cores alone.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from time import perf_counter, sleep

import numpy as np
import pytest
from samples import no_progress

from harness import registry
from harness.contract import Method, Prediction
from harness.data.open import open_dataset
from harness.data.pairs import NewFiles, pairs_below
from harness.data.toy import Toy
from harness.plan.modalities import used_modalities
from harness.plan.planning import Selection, make_plan
from harness.running.predict import FittedMethod, load_fitted
from harness.running.stream import predict_each
from harness.store.fitted import save_fitted
from harness.store.store import Store

LEAST = 0.9
CATEGORY = "ridge"
BEGINNING, SAMPLES = 3, 12
ROUNDS = 3
WAITING_SECONDS = 0.1


class Waiting:
    """A method whose inference waits."""

    def __init__(self, real: Method) -> None:
        self.real = real

    def prepare(self, sample):
        return self.real.prepare(sample)

    def infer(self, inputs):
        sleep(WAITING_SECONDS)
        return Prediction(np.zeros((224, 224), np.float32), 0.0)


@pytest.fixture(params=("waiting", "cfm-t", "cfm"))
def method(request: pytest.FixtureRequest, tmp_path: Path) -> FittedMethod:
    """A method fitted on two samples of the toy dataset, loaded from its file."""
    name = request.param if request.param != "waiting" else "cfm-t"
    selection = Selection(methods=(f"{name}[epochs=1]",), categories=(CATEGORY,), shots=(2,), weights="random")
    (job,) = make_plan(selection, Store(tmp_path)).to_run
    fresh, dataset = registry.load(job.cell.method)(**job.cell.parameters), open_dataset("toy", Toy.make())
    train = [dataset.load(ref).blind() for ref in dataset.refs(CATEGORY, "train")[:2]]
    fresh.fit(train, seed=0, device="cpu", progress=no_progress)
    save_fitted(tmp_path / "fitted.safetensors", fresh, job.cell)
    loaded = load_fitted(tmp_path / "fitted.safetensors", device="cpu")
    if request.param == "waiting":
        loaded.method = Waiting(loaded.method)
    return loaded


def folder() -> list[NewFiles]:
    return pairs_below(Toy.make() / CATEGORY / "test", None, None)[:SAMPLES]


def device_seconds(method: FittedMethod) -> float:
    """Return the median time of inference alone, of samples in memory."""
    modalities, times = used_modalities(method.cell.method, method.cell.parameters), []
    for one in folder():
        assert one.rgb is not None
        assert one.xyz is not None
        inputs = method.method.prepare(method.reader.read(one.rgb, one.xyz).sample.only(modalities))
        begin = perf_counter()
        method.method.infer(inputs)
        times.append(perf_counter() - begin)
    return median(times[BEGINNING:])


def folder_seconds(method: FittedMethod) -> float:
    """Return how long a sample of a folder takes, the first ones left out."""
    times = [perf_counter() for answer in predict_each(method, folder()) if answer.predicted]
    return (times[-1] - times[BEGINNING]) / (len(times) - 1 - BEGINNING)


def ratios(method: FittedMethod) -> list[float]:
    """Return the rate of a folder over that of the device window, by rounds."""
    return [device_seconds(method) / folder_seconds(method) for _ in range(ROUNDS)]


def test_rate_on_a_folder(benchmark, capsys, request, method: FittedMethod) -> None:
    device = device_seconds(method)
    found = benchmark.pedantic(ratios, args=(method,), rounds=1)
    with capsys.disabled():
        print(f"\n{request.node.callspec.id}: device window {device * 1e3:.0f} ms, a folder's rate over its: ", end="")
        print(", ".join(f"{ratio:.2f}" for ratio in found), flush=True)
    assert median(found) >= LEAST
