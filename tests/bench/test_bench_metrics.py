"""Accuracy metrics on 120 maps of 224x224: ratio to the published algorithm with scikit-learn, and memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from harness.metrics import evaluate

COUNT, NOMINAL, SIZE = 120, 30, 224
LEAST_RATIO = 8
MOST_EXTRA_MEGABYTES = 100
ROUNDS = 3


def anomaly_maps(cfm_like: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return smooth noise with a bump on each defect; like CFM's, exactly zero outside a disc in two of three maps."""
    rng = np.random.default_rng(0)
    maps = np.abs(ndimage.gaussian_filter(rng.standard_normal((COUNT, SIZE, SIZE), np.float32), (0, 4, 4)))
    masks = np.zeros(maps.shape, bool)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for index in range(NOMINAL, COUNT):
        for _ in range(rng.integers(1, 4)):
            row, column, radius = *rng.integers(70, 154, 2), rng.integers(4, 20)
            defect = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
            masks[index] |= defect
            maps[index] += defect * np.float32(0.05)
    if cfm_like:
        outside = (rows - SIZE / 2) ** 2 + (columns - SIZE / 2) ** 2 > 0.3 * SIZE**2 / np.pi
        maps[np.arange(COUNT) % 3 > 0] *= ~outside
    return maps, masks


def official_and_sklearn(maps: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """Follow the published algorithm step by step, its components and normal pixels sorted, and call scikit-learn."""
    components, normal = [], []
    for image, mask in zip(maps, masks, strict=True):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        components += [np.sort(image[labels == label]) for label in range(1, count + 1)]
        normal.append(image[labels == 0])
    ranked = np.sort(np.concatenate(normal))
    rates, overlaps = [1.0], [1.0]
    for position in np.linspace(0, ranked.size - 1, 99, dtype=int):
        missed = [np.searchsorted(scores, ranked[position], side="right") / scores.size for scores in components]
        rates.append(1 - (position + 1) / ranked.size)
        overlaps.append(1 - float(np.mean(missed)))
    x, y = np.array(rates[::-1]), np.array(overlaps[::-1])
    areas = {
        name: float(np.trapezoid(np.append(y[x < limit], np.interp(limit, x, y)), np.append(x[x < limit], limit)))
        / limit
        for name, limit in (("aupro_30_official", 0.3), ("aupro_1_official", 0.01))
    }
    return areas | {"p_auroc": float(roc_auc_score(masks.ravel(), maps.ravel()))}


def seconds(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


@pytest.mark.parametrize("kind", ["cfm-like", "dense"])
def test_all_metrics_against_the_official_code_and_sklearn(kind, benchmark, capsys):
    maps, masks = anomaly_maps(kind == "cfm-like")
    labels, scores = masks.any(axis=(1, 2)), maps.max(axis=(1, 2))

    def ours():
        return evaluate(maps, masks, labels, scores)

    def theirs():
        return official_and_sklearn(maps, masks)

    expected, found = theirs(), ours()
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    pairs = [(seconds(theirs), seconds(ours)) for _ in range(ROUNDS)]
    slow, fast = (median(times) for times in zip(*pairs, strict=True))
    benchmark.extra_info["ratio"] = slow / fast
    benchmark.pedantic(ours, rounds=ROUNDS)
    with capsys.disabled():
        print(f"\n{kind}, {np.mean(maps == 0):.0%} zeros: {slow:.3f} s / {fast:.3f} s = {slow / fast:.1f}")
    assert slow / fast >= LEAST_RATIO


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["cfm-like", "dense"])
def test_extra_memory(kind, dtype, capsys):
    maps, masks = anomaly_maps(kind == "cfm-like")
    maps, masks = maps.astype(dtype), masks * np.uint8(255)
    labels, scores = masks.any(axis=(1, 2)), maps.max(axis=(1, 2))
    tracemalloc.start()
    evaluate(maps, masks, labels, scores)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    with capsys.disabled():
        print(f"\n{kind}, {np.dtype(dtype).name}: {peak:.1f} MB beyond the maps")
    assert peak < MOST_EXTRA_MEGABYTES
