"""CFM's fast path against the direct one, at published sizes: inference, its peak memory, and an epoch of training.

Each pair does the same work on the same sample, of the toy dataset and, where ``HARNESS_TEST_DATA`` names its folder,
of Eyecandies' CandyCane. Its cloud is moved by a micrometre at random, since equally distant neighbours may come in any
order. ``HARNESS_BENCH_ROUNDS`` sets how often.
"""

from __future__ import annotations

import copy
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

from harness.contract import Prediction
from harness.data.open import open_dataset
from harness.metrics import evaluate
from harness.metrics.scoring import Scored
from methods.cfm import CFM, CFMTiny
from methods.parts.cfm.mapping import MappingPair
from methods.parts.cfm.training import Schedule, train

METHODS = {"cfm": CFM, "cfm-t": CFMTiny}
CATEGORIES = ["bump", "CandyCane"]
ROUNDS = int(os.environ.get("HARNESS_BENCH_ROUNDS", "3"))
TOLERANCE = 1e-4
LEAST = {"inference": 3.0, "memory": 3.0, "epoch": {"CandyCane": 15.0, "bump": 8.0}}
"""Ratios that hold on a noisy machine too; docs/performance.md has what was measured. On the toy dataset a
cloud reaches a quarter of the pixels, whose mappings remain: an epoch there can't be 15 times faster."""


def built(name: str) -> CFM:
    method = METHODS[name]()
    method._make_ready(*method._build(0, "cpu"))
    return method


def opened(category: str):
    if category != "CandyCane":
        return open_dataset("toy", None)
    if "HARNESS_TEST_DATA" not in os.environ:
        pytest.skip("HARNESS_TEST_DATA names no folder")
    return open_dataset("eyecandies", Path(os.environ["HARNESS_TEST_DATA"]))


def sample_inputs(method: CFM, index: int = 0, category: str = "bump", part: str = "test"):
    dataset = opened(category)
    inputs = method.prepare(dataset.load(dataset.refs(category, part)[index]))
    noise = torch.randn(inputs.points.shape, generator=torch.Generator().manual_seed(index))
    return replace(inputs, points=inputs.points + 1e-6 * noise)


def seconds(call, warm: bool = False) -> float:
    """Return the time of a call; where ``warm``, of one that follows another of its kind, as latency is measured."""
    if warm:
        call()
    start = perf_counter()
    call()
    return perf_counter() - start


def compare(name, slow, fast, benchmark, capsys, rounds: int = ROUNDS, warm: bool = True) -> float:
    pairs = [(seconds(slow, warm), seconds(fast, warm)) for _ in range(rounds)]
    theirs, ours = (median(times) for times in zip(*pairs, strict=True))
    benchmark.extra_info["ratio"] = theirs / ours
    benchmark.pedantic(fast, rounds=1)
    with capsys.disabled():
        print(f"\n{name}: direct {theirs:.2f} s, fast {ours:.2f} s, ratio {theirs / ours:.2f}")
    return theirs / ours


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("category", CATEGORIES)
def test_inference(name, category, benchmark, capsys):
    method = built(name)
    inputs = sample_inputs(method, category=category)
    expected, score = direct_map(method, inputs, torch.float64)
    found = method.infer(inputs)
    worst = float((torch.from_numpy(found.anomaly_map) - expected).abs().max() / expected.max())
    with capsys.disabled():
        print(f"\n{name}, {category}: maps differ by {worst:.1e} of the largest value")
    assert worst < TOLERANCE
    assert found.score == pytest.approx(score, rel=TOLERANCE)
    what = f"{name}, {category}, inference"
    ratio = compare(what, lambda: direct_map(method, inputs), lambda: method.infer(inputs), benchmark, capsys)
    assert ratio >= LEAST["inference"]


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
    assert direct / fast >= LEAST["memory"]


@pytest.mark.parametrize("category", CATEGORIES)
def test_an_epoch_of_training(category, benchmark, capsys):
    """Ten samples, all pixels, batches of four; of the fast path an epoch after the first, whose features are there."""
    method = built("cfm")
    extractors, pair = method._fitted()
    inputs = [sample_inputs(method, index, category, "train") for index in range(10)]
    tokens = [extractors.tokens(one, reused=True) for one in inputs]
    optimizer = torch.optim.Adam(pair.parameters(), lr=1e-3)
    reached = sum(map(len, tokens)) / len(tokens)
    ratio = compare(
        f"cfm, {category} ({reached:.0f} pixels a sample), an epoch",
        lambda: direct_epoch(extractors, pair, optimizer, inputs, 4),
        lambda: fast_epochs(method, pair, tokens, 1),
        benchmark,
        capsys,
        rounds=1,
        warm=False,
    )
    assert ratio >= LEAST["epoch"][category]


def fast_epochs(method: CFM, pair: MappingPair, tokens, epochs: int) -> list[float]:
    return train(
        pair,
        lambda epoch, index: tokens[index],
        len(tokens),
        Schedule(epochs, 1e-3, 4, 0),
        seed=0,
        progress=lambda *step, **_: None,
        autocast=method._fitted()[0].autocast,
    )


@pytest.mark.parametrize("category", CATEGORIES)
def test_metrics_of_a_cell(category, benchmark, capsys):
    """Trained and evaluated by either path at published sizes: four training samples, two epochs, 12 test images."""
    method = built("cfm-t")
    extractors, pair = method._fitted()
    start = copy.deepcopy(pair.state_dict())
    inputs = [sample_inputs(method, index, category, "train") for index in range(4)]
    optimizer = torch.optim.Adam(pair.parameters(), lr=1e-3)
    direct_losses = [loss for _ in range(2) for loss in direct_epoch(extractors, pair, optimizer, inputs, 4)]
    dataset = opened(category)
    refs = dataset.refs(category, "test")
    tested = [position * len(refs) // 12 for position in range(12)]
    direct = Scored(224)
    for index in tested:
        localisation, score = direct_map(method, sample_inputs(method, index, category), torch.float64)
        direct.add(dataset.load(refs[index]), Prediction(localisation.numpy(), score))
    pair.load_state_dict(start)
    tokens = [extractors.tokens(one, reused=True) for one in inputs]
    losses = benchmark.pedantic(fast_epochs, args=(method, pair, tokens, 2), rounds=1)
    fast = Scored(224)
    for index in tested:
        found = method.infer(sample_inputs(method, index, category))
        fast.add(dataset.load(refs[index]), Prediction(found.anomaly_map, found.score))
    values = [evaluate(one.maps, one.masks, one.labels, one.scores) for one in (direct, fast)]
    apart = max(abs(values[0][name] - values[1][name]) for name in values[0])
    with capsys.disabled():
        print(f"\ncfm-t, {category}, metrics after two epochs: {values[1]}; apart by {apart:.1e} at most")
    assert losses == pytest.approx(direct_losses, rel=TOLERANCE)
    assert apart < TOLERANCE
