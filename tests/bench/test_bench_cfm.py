"""CFM's fast path against the direct one, at published sizes: inference, its peak memory, and an epoch of training.

Each pair does the same work on the same sample of the toy dataset. Its cloud is moved by a micrometre at random, since
equally distant neighbours may come in any order. ``HARNESS_BENCH_ROUNDS`` sets how often.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest
import torch
from direct_cfm import direct_epoch, direct_map

from harness.data.open import open_dataset
from methods.cfm import CFM, CFMTiny
from methods.parts.cfm_training import Schedule, train

METHODS = {"cfm": CFM, "cfm-t": CFMTiny}
ROUNDS = int(os.environ.get("HARNESS_BENCH_ROUNDS", "3"))
TOLERANCE = 1e-4


def built(name: str) -> CFM:
    method = METHODS[name]()
    method._build(0, "cpu")
    return method


def sample_inputs(method: CFM, index: int = 0):
    dataset = open_dataset("toy", None)
    inputs = method.prepare(dataset.load(dataset.refs("bump", "test")[index]))
    noise = torch.randn(inputs.points.shape, generator=torch.Generator().manual_seed(index))
    return replace(inputs, points=inputs.points + 1e-6 * noise)


def seconds(call) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def compare(name, slow, fast, benchmark, capsys, rounds: int = ROUNDS) -> float:
    pairs = [(seconds(slow), seconds(fast)) for _ in range(rounds)]
    theirs, ours = (median(times) for times in zip(*pairs, strict=True))
    benchmark.extra_info["ratio"] = theirs / ours
    benchmark.pedantic(fast, rounds=1)
    with capsys.disabled():
        print(f"\n{name}: direct {theirs:.2f} s, fast {ours:.2f} s, ratio {theirs / ours:.2f}")
    return theirs / ours


@pytest.mark.parametrize("name", METHODS)
def test_inference(name, benchmark, capsys):
    method = built(name)
    inputs = sample_inputs(method)
    expected, score = direct_map(method, inputs, torch.float64)
    found = method.infer(inputs)
    worst = float((torch.from_numpy(found.anomaly_map) - expected).abs().max() / expected.max())
    with capsys.disabled():
        print(f"\n{name}: maps differ by {worst:.1e} of the largest value")
    assert worst < TOLERANCE
    assert found.score == pytest.approx(score, rel=TOLERANCE)
    compare(f"{name}, inference", lambda: direct_map(method, inputs), lambda: method.infer(inputs), benchmark, capsys)


PEAK = """
import sys
from direct_cfm import direct_map
from test_bench_cfm import built, sample_inputs
from harness.measure.host import large_blocks_mapped, reset_high_water, settle, status_bytes
name, path = sys.argv[1:]
method = built(name)
inputs = sample_inputs(method)
with large_blocks_mapped():
    settle()
    level = status_bytes("VmRSS")
    reset_high_water()
    direct_map(method, inputs) if path == "direct" else method.infer(inputs)
    print(status_bytes("VmHWM") - level)
"""


@pytest.mark.parametrize("name", METHODS)
def test_peak_memory_of_inference(name, benchmark, capsys):
    def peak(path: str) -> float:
        command = [sys.executable, "-c", PEAK, name, path]
        found = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, cwd=Path(__file__).parent)
        return int(found.stdout) / 1e6

    direct, fast = peak("direct"), peak("fast")
    benchmark.extra_info["ratio"] = direct / fast
    benchmark.pedantic(lambda: None, rounds=1)
    with capsys.disabled():
        print(
            f"\n{name}, peak above the fitted method: direct {direct:.0f} MB, fast {fast:.0f} MB: {direct / fast:.1f}"
        )


def test_an_epoch_of_training(benchmark, capsys):
    """Ten samples, all pixels, batches of four; of the fast path an epoch after the first, whose features are there."""
    method = built("cfm")
    extractors, pair = method._fitted()
    inputs = [sample_inputs(method, index) for index in range(10)]
    tokens = [extractors.tokens(one) for one in inputs]
    optimizer = torch.optim.Adam(pair.parameters(), lr=1e-3)

    def ours() -> None:
        train(
            pair,
            lambda epoch, index: tokens[index],
            len(tokens),
            Schedule(1, 1e-3, 4, 0),
            seed=0,
            progress=lambda *step: None,
            autocast=extractors.autocast,
        )

    compare(
        "cfm, an epoch",
        lambda: direct_epoch(extractors, pair, optimizer, inputs, 4),
        ours,
        benchmark,
        capsys,
        rounds=1,
    )
