"""Metrics, metrics by defect and counts of 120 maps with 5 defects: ratios to the metrics alone and to one sort.

Also the memory that 2,000 maps take. Seconds are of the processor, those of all threads together.
"""

from __future__ import annotations

import tracemalloc
from time import process_time

import numpy as np
import pytest
from test_bench_metrics import COUNT, anomaly_maps

from harness.metrics import RankedTestSet, evaluate, evaluate_test_set
from harness.store.counts import count_images

DEFECTS = 5
ROUNDS = 5
MOST_RATIO = 3
MOST_SORTS = 6
MANY, MOST_EXTRA_MEGABYTES = 2_000, 300


def seconds(call) -> float:
    begin = process_time()
    call()
    return process_time() - begin


def names_of(labels) -> list[str]:
    return [f"defect {index % DEFECTS}" if label else "good" for index, label in enumerate(labels)]


def score(images, truth, labels, scores, names, others) -> None:
    test_set = RankedTestSet.of(images, truth, labels, scores, names, others)
    evaluation, by_defect = evaluate_test_set(test_set)
    assert len(count_images(test_set, names)) == len(images)
    assert (len(by_defect), evaluation.reasons) == (DEFECTS, {})


@pytest.mark.parametrize("pixel_maps", ["shared", "own"])
@pytest.mark.parametrize("kind", ["cfm-like", "dense"])
def test_scoring_of_a_cell_against_the_metrics_of_the_whole_set(kind, pixel_maps, benchmark, capsys):
    maps, masks = anomaly_maps(kind == "cfm-like")
    labels, scores = masks.any(axis=(1, 2)), maps.max(axis=(1, 2))
    images, truth = list(maps), list(masks)
    others = images if pixel_maps == "shared" else list(maps / np.sqrt(maps.mean(axis=(1, 2), keepdims=True)))
    names = names_of(labels)

    def ours():
        score(images, truth, labels, scores, names, others)

    def whole():
        evaluate(images, truth, labels, scores, others)

    pairs = [(seconds(ours), seconds(whole)) for _ in range(ROUNDS)]
    scoring, evaluating = (min(times) for times in zip(*pairs, strict=True))
    ratio = scoring / evaluating
    benchmark.extra_info["ratio"] = ratio
    benchmark.pedantic(ours, rounds=1)
    with capsys.disabled():
        print(f"\n{kind}, {pixel_maps} pixel maps: {scoring:.3f} s / {evaluating:.3f} s = {ratio:.1f}")
    assert ratio <= MOST_RATIO


@pytest.mark.parametrize("kind", ["cfm-like", "dense"])
def test_scoring_of_a_cell_against_one_sort(kind, benchmark, capsys):
    maps, masks = anomaly_maps(kind == "cfm-like")
    labels, scores = masks.any(axis=(1, 2)), maps.max(axis=(1, 2))
    images, normal = list(maps), maps[~masks]

    def ours():
        score(images, list(masks), labels, scores, names_of(labels), images)

    pairs = [(seconds(ours), seconds(lambda: np.sort(normal))) for _ in range(2 * ROUNDS)]
    scoring, sorting = (min(times) for times in zip(*pairs, strict=True))
    benchmark.extra_info["ratio"] = scoring / sorting
    benchmark.pedantic(ours, rounds=1)
    with capsys.disabled():
        print(f"\n{kind}: {1000 * scoring:.0f} ms / {1000 * sorting:.0f} ms of a sort = {scoring / sorting:.1f}")
    assert scoring / sorting <= MOST_SORTS


@pytest.mark.parametrize("kind", ["cfm-like", "dense"])
def test_extra_memory_of_many_maps(kind, capsys):
    maps, masks = anomaly_maps(kind == "cfm-like")
    draw = np.random.default_rng(1)
    images = [maps[index % COUNT] * np.float32(1 + draw.random() / 10) for index in range(MANY)]
    truth = [masks[index % COUNT] for index in range(MANY)]
    labels, scores = [mask.any() for mask in truth], [image.max() for image in images]
    tracemalloc.start()
    score(images, truth, labels, scores, names_of(labels), images)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    with capsys.disabled():
        print(f"\n{kind}: {peak:.0f} MB beyond {MANY} maps of {sum(image.nbytes for image in images) / 1e6:.0f} MB")
    assert peak < MOST_EXTRA_MEGABYTES
