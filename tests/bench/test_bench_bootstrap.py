"""Bootstrap over 120 images: ratio of replicates from counts to metrics from maps, cost and size of the counts.

Seconds are of the processor, which are those of the clock where nothing else runs. The counts are meant to make 1000
replicates cheaper than a handful of evaluations, and to add little to a cell.
"""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest
from count_records import keep_counts
from test_bench_metrics import COUNT, anomaly_maps

from harness.metrics import METRICS, RankedTestSet, evaluate
from harness.report.grid import NumberId
from harness.report.groups import MethodRecords
from harness.report.replicates import draw_images
from harness.report.uncertainty import Uncertainty
from harness.store.counts import ImageCounts, count_images
from harness.store.details import read_counts
from harness.store.store import Store

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


CELLS, DRAWN_PLAINLY = 12, 2000
LEAST_RATIO_TO_PLAIN = 2


def plainly(counts: ImageCounts) -> dict[str, np.ndarray]:
    """Evaluate as many draws as percentiles need, curve by curve at every threshold; three of the six metrics alone."""
    drawn = draw_images(counts.ids, counts.labels, DRAWN_PLAINLY, 1).astype(float)
    overlap = np.zeros(counts.regions.normal.shape)
    np.add.at(overlap, counts.region_image, counts.regions.anomalous / counts.region_sizes[:, np.newaxis])
    curves = [
        np.pad(drawn @ part, ((0, 0), (1, 0))) for part in (counts.regions.normal, overlap, counts.pixels.anomalous)
    ]
    rates, regions, found = (curve / curve[:, -1:] for curve in curves)
    areas = {}
    for name, y, limit in (("p_auroc", found, 1.0), ("aupro_30", regions, 0.3), ("aupro_1", regions, 0.01)):
        width = np.diff(rates, axis=1)
        taken = np.clip(limit - rates[:, :-1], 0, width)
        slope = np.diff(y, axis=1) / np.where(width > 0, width, 1)
        areas[name] = (taken * (y[:, :-1] + slope * taken / 2)).sum(axis=1) / limit
    return areas


def test_the_first_comparison_of_cells_against_plain_draws(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    store = Store(tmp_path / "results")
    maps, masks = anomaly_maps(False)
    test_set = (maps[:60], masks[:60])
    records = [
        keep_counts(store, *test_set, maps[:60].max(axis=(1, 2)) + index, "cfm", f"part {index}", by_defect={})
        for index in range(CELLS)
    ]
    method = MethodRecords("cfm", {record.cell.category: record for record in records})
    told: list[tuple[int, int]] = []
    intervals = Uncertainty(store, progress=lambda done, total: told.append((done, total)))
    numbers = [NumberId(method, tuple(method.records), "aupro_1")]
    today, _ = seconds(lambda: intervals.prepare(numbers))
    before, areas = seconds(lambda: [plainly(counts) for record in records if (counts := read_counts(store, record))])
    assert told[-1] == (CELLS, CELLS)
    spread = intervals.of(numbers[0])
    assert spread is not None
    assert len(areas) == CELLS
    with capsys.disabled():
        print(f"\n{CELLS} cells: {today / CELLS:.3f} s each, curve by curve {before / today:.1f} times that")
    assert before / today >= LEAST_RATIO_TO_PLAIN
