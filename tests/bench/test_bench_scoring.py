"""Metrics, metrics by defect and counts of 120 maps with 5 defects: ratio to the metrics alone, and seconds.

Seconds are of the processor, which are those of the clock where nothing else runs.
"""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest
from test_bench_metrics import COUNT, NOMINAL, anomaly_maps

from harness.metrics import RankedTestSet, evaluate, evaluate_test_set
from harness.store.counts import count_images

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
def test_scoring_of_a_cell_against_the_metrics_of_the_whole_set(kind, pixel_maps, benchmark, capsys):
    maps, masks = anomaly_maps(kind == "cfm-like")
    labels, scores = masks.any(axis=(1, 2)), maps.max(axis=(1, 2))
    images, truth = list(maps), list(masks)
    others = images if pixel_maps == "shared" else list(maps / np.sqrt(maps.mean(axis=(1, 2), keepdims=True)))
    names = [f"defect {index % DEFECTS}" if index >= NOMINAL else "good" for index in range(COUNT)]

    def score():
        test_set = RankedTestSet.of(images, truth, labels, scores, names, others)
        evaluation, by_defect = evaluate_test_set(test_set)
        assert len(count_images(test_set, names)) == COUNT
        assert (len(by_defect), evaluation.reasons) == (DEFECTS, {})

    def whole():
        evaluate(images, truth, labels, scores, others)

    pairs = [(seconds(score), seconds(whole)) for _ in range(ROUNDS)]
    scoring, evaluating = (min(times) for times in zip(*pairs, strict=True))
    ratio = scoring / evaluating
    benchmark.extra_info["ratio"] = ratio
    benchmark.pedantic(score, rounds=1)
    with capsys.disabled():
        print(f"\n{kind}, {pixel_maps} pixel maps: {scoring:.3f} s / {evaluating:.3f} s = {ratio:.1f}")
    assert ratio <= MOST_RATIO
    assert scoring <= MOST_SECONDS
