"""Scoring a test set of 120 maps with 5 defects, as a cell does: ratio to one sort of all scores, and seconds.

Seconds are of the processor, which are those of the clock where nothing else runs.
"""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest
from test_bench_metrics import COUNT, NOMINAL, anomaly_maps

from harness.metrics.evaluation import evaluate_test_set

DEFECTS = 5
ROUNDS = 5
MOST_RATIO = 3
MOST_SECONDS = 1


def seconds(call) -> float:
    begin = process_time()
    call()
    return process_time() - begin


@pytest.mark.parametrize("pixel_maps", ["shared", "own"])
@pytest.mark.parametrize("kind", ["cfm-like", "dense"])
def test_scoring_of_a_cell_against_one_sort(kind, pixel_maps, benchmark, capsys):
    maps, masks = anomaly_maps(kind == "cfm-like")
    labels, scores = masks.any(axis=(1, 2)), maps.max(axis=(1, 2))
    images, truth = list(maps), list(masks)
    others = images if pixel_maps == "shared" else list(maps / np.sqrt(maps.mean(axis=(1, 2), keepdims=True)))
    names = [f"defect {index % DEFECTS}" if index >= NOMINAL else "good" for index in range(COUNT)]

    def score():
        evaluation, by_defect = evaluate_test_set(images, truth, labels, scores, names, others)
        assert (len(by_defect), evaluation.reasons) == (DEFECTS, {})

    pairs = [(seconds(score), seconds(lambda: np.sort(maps, axis=None))) for _ in range(ROUNDS)]
    scoring, sorting = (min(times) for times in zip(*pairs, strict=True))
    benchmark.extra_info["ratio"] = scoring / sorting
    benchmark.pedantic(score, rounds=1)
    with capsys.disabled():
        print(f"\n{kind}, {pixel_maps} pixel maps: {scoring:.3f} s / {sorting:.3f} s = {scoring / sorting:.1f}")
    assert scoring / sorting <= MOST_RATIO
    assert scoring <= MOST_SECONDS
