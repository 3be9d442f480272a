"""Bootstrap over 120 images: ratio of replicates from counts to metrics from maps, cost and size of the counts.

Seconds are of the processor, which are those of the clock where nothing else runs. The counts are meant to make 1000
replicates cheaper than a handful of evaluations, and to add little to a cell.
"""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest
from test_bench_metrics import COUNT, anomaly_maps

from harness.metrics import METRICS, RankedTestSet, evaluate
from harness.report.replicates import draw_images
from harness.store.counts import ImageCounts, count_images

REPLICATES, DIRECT = 1000, 3
LEAST_RATIO = 100
MOST_SECONDS_TO_COUNT = 1
MOST_SECONDS_TO_DRAW = 1
MOST_BYTES = 300_000
MOST_OFF = 0.002


def seconds(call):
    begin = process_time()
    result = call()
    return process_time() - begin, result


@pytest.mark.parametrize("kind", ["cfm-like", "dense"])
def test_replicates_from_counts_against_replicates_from_maps(kind, benchmark, capsys, tmp_path):
    maps, masks = anomaly_maps(kind == "cfm-like")
    labels, scores = masks.any(axis=(1, 2)), maps.max(axis=(1, 2))
    ids = [f"{index:03d}" for index in range(COUNT)]

    def count() -> ImageCounts:
        return count_images(RankedTestSet.of(maps, masks, labels, scores, ["good"] * len(ids)), ids)

    counting, counts = min((seconds(count) for _ in range(3)), key=lambda one: one[0])
    np.savez_compressed(tmp_path / "counts.npz", **counts.arrays())
    size = (tmp_path / "counts.npz").stat().st_size
    drawn = draw_images(counts.ids, counts.labels, REPLICATES, 1)
    drawing, found = seconds(lambda: counts.evaluate(drawn))
    benchmark.pedantic(lambda: counts.evaluate(drawn), rounds=3)

    direct = []
    for index in range(DIRECT):
        order = np.repeat(np.arange(COUNT), drawn[index])
        taken, expected = seconds(lambda order=order: evaluate(maps[order], masks[order], labels[order], scores[order]))
        direct.append(taken)
        assert {name: found[name][index] for name in METRICS} == pytest.approx(expected, abs=MOST_OFF)
    ratio = np.median(direct) * REPLICATES / drawing
    benchmark.extra_info["ratio"] = ratio
    with capsys.disabled():
        print(f"\n{kind}: {REPLICATES} replicates in {drawing:.2f} s, from maps {ratio:.0f} times that; ", end="")
        print(f"counting {counting:.2f} s, {size / 1e3:.0f} kB, {counts.regions.thresholds.size} thresholds")
    assert ratio >= LEAST_RATIO
    assert drawing <= MOST_SECONDS_TO_DRAW
    assert counting <= MOST_SECONDS_TO_COUNT
    assert size <= MOST_BYTES
