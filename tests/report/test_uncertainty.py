"""Intervals: what a bootstrap over images tells of one method and of two, and Student's t over seeds."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from count_records import keep_counts

from harness.metrics import METRICS
from harness.metrics.evaluation import evaluate_by_defect
from harness.report import replicates
from harness.report.grid import NumberId
from harness.report.groups import MethodRecords
from harness.report.replicates import bootstrap_cell, draw_images
from harness.report.uncertainty import Uncertainty
from harness.store.details import read_counts
from harness.store.store import Store

SIZE, NOMINAL = 24, 8


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "results")


def draw_test_set(seed, images=24):
    """Draw masks with a square in all but the first images, and how hard each image is."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((images, SIZE, SIZE), bool)
    for mask in masks[NOMINAL:]:
        row, column = rng.integers(0, SIZE - 8, 2)
        mask[row : row + 8, column : column + 8] = True
    return masks, rng.normal(size=images)


def measured(store, masks, hardness, category="bagel", method="cfm", clarity=1.0, seed=0, shared=1.0, ids=None):
    """Write the record and the counts of a detector that sees defects as clearly as asked, and images by hardness."""
    rng = np.random.default_rng([seed, 77])
    own = rng.normal(size=len(masks))
    clear = clarity * (1 + 0.4 * (shared * hardness + (1 - shared) * own)).clip(0.05)
    maps = rng.normal(size=masks.shape).astype(np.float32) + masks * clear[:, np.newaxis, np.newaxis]
    labels = masks.any(axis=(1, 2)).astype(int)
    scores = rng.normal(size=len(masks)) + labels * clear
    return keep_counts(store, maps, masks, scores, method, category, ids=ids or ())


def method_of(*records) -> MethodRecords:
    return MethodRecords(records[0].cell.label, {record.cell.category: record for record in records})


def number(method, categories, metric, defect=""):
    return NumberId(method, tuple(categories), metric, defect)


def difference(intervals, best, other, *what):
    """Return how far one method is below another one."""
    (found,) = intervals.against_best(number(best, *what), [number(other, *what)])
    return found


def tied(intervals, *what):
    found = difference(intervals, *what)
    return None if found is None else found.tied


def width(interval):
    return interval.high - interval.low


def test_an_interval_lies_about_the_recorded_mean(store):
    first = measured(store, *draw_test_set(1), "bagel")
    second = measured(store, *draw_test_set(2), "carrot", clarity=2.0)
    method, intervals = method_of(first, second), Uncertainty(store, 300)
    for metric in METRICS:
        found = intervals.of(number(method, ["bagel", "carrot", "foam"], metric))
        assert found.value == pytest.approx((first.metrics[metric] + second.metrics[metric]) / 2)
        assert found.low < found.value < found.high
        assert 0 <= found.low <= found.high <= 1


def test_a_mean_over_categories_is_tighter_than_one_category(store):
    records = [measured(store, *draw_test_set(seed), f"part {seed}", seed=seed) for seed in range(4)]
    intervals, method = Uncertainty(store, 400), method_of(*records)
    names = [record.cell.category for record in records]
    alone = [width(intervals.of(number(method, [name], "i_auroc"))) for name in names]
    assert width(intervals.of(number(method, names, "i_auroc"))) < 0.7 * np.mean(alone)


def test_a_higher_level_is_wider_and_more_images_are_tighter(store):
    few = method_of(measured(store, *draw_test_set(1, 24)))
    many = method_of(measured(store, *draw_test_set(1, 96), "carrot"))
    interval = Uncertainty(store, 500).of(number(few, ["bagel"], "aupro_30"))
    assert width(interval) < width(Uncertainty(store, 500, level=0.99).of(number(few, ["bagel"], "aupro_30")))
    assert width(Uncertainty(store, 500).of(number(many, ["carrot"], "aupro_30"))) < width(interval)


def test_a_method_is_tied_with_itself_and_with_a_twin(store):
    test_set = draw_test_set(1)
    one, twin = (method_of(measured(store, *test_set, method=name)) for name in ("cfm", "cfm-t"))
    intervals = Uncertainty(store, 200)
    for metric in METRICS:
        assert difference(intervals, one, one, ["bagel"], metric).value == 0
        assert width(difference(intervals, one, twin, ["bagel"], metric)) == 0
        assert tied(intervals, one, twin, ["bagel"], metric) is True


def test_a_clearly_better_method_is_not_tied(store):
    test_set = draw_test_set(1)
    good = method_of(measured(store, *test_set, method="cfm", clarity=2.5, seed=1))
    poor = method_of(measured(store, *test_set, method="cfm-t", clarity=0.6, seed=2))
    intervals = Uncertainty(store, 500)
    for metric in ("p_auroc", "aupro_30", "aupro_1", "aupro_30_official"):
        assert tied(intervals, good, poor, ["bagel"], metric) is False
        assert difference(intervals, good, poor, ["bagel"], metric).high < 0


def test_pairing_is_tighter_where_images_are_hard_for_both(store):
    """The interval of a difference of unpaired methods would be that of a sum of independent variances."""
    test_set = draw_test_set(3, 40)
    one = method_of(measured(store, *test_set, method="cfm", seed=1))
    other = method_of(measured(store, *test_set, method="cfm-t", seed=2))
    intervals = Uncertainty(store, 1000)
    for metric in ("p_auroc", "aupro_30"):
        apart = np.hypot(*(width(intervals.of(number(method, ["bagel"], metric))) for method in (one, other)))
        assert width(difference(intervals, one, other, ["bagel"], metric)) < 0.7 * apart


def test_the_order_of_the_images_plays_no_part(store):
    masks, hardness = draw_test_set(4)
    one = measured(store, masks, hardness)
    first = Uncertainty(store, 100).of(number(method_of(one), ["bagel"], "i_auroc"))
    counts = read_counts(store, one)
    order = np.random.default_rng(0).permutation(len(counts))
    weights = draw_images(counts.ids, counts.labels, 50, 7)
    shuffled = draw_images(tuple(counts.ids[index] for index in order), counts.labels[order], 50, 7)
    np.testing.assert_array_equal(weights[:, order], shuffled)
    assert Uncertainty(store, 100).of(number(method_of(one), ["bagel"], "i_auroc")) == first


def test_images_are_drawn_by_kind_and_with_replacement():
    labels = np.arange(30) >= 10
    drawn = draw_images(tuple(map(str, range(30))), labels, 4000, 1)
    assert (drawn[:, labels].sum(1) == 19).all()
    assert (drawn[:, ~labels].sum(1) == 9).all()
    assert drawn[:, labels].mean() == pytest.approx(0.95)
    assert drawn[:, ~labels].var() == pytest.approx(0.81, abs=0.05)


def with_defects(store, seed=0, easy_cracks=0.0, method="cfm"):
    """Write a record and counts of noise with two types of defect; ``easy_cracks`` is added to the scores of one."""
    rng = np.random.default_rng(seed)
    defects = ["good"] * 12 + ["hole"] * 14 + ["crack"] * 14
    labels = np.arange(40) >= 12
    masks = np.zeros((40, SIZE, SIZE), bool)
    masks[labels, 4:12, 4:12] = True
    maps = rng.normal(size=masks.shape) + 1.5 * masks
    scores = rng.normal(size=40) + 0.5 * labels + easy_cracks * np.array([defect == "crack" for defect in defects])
    by_defect = evaluate_by_defect(maps, masks, labels, scores, defects)
    return keep_counts(store, maps, masks, scores, method, defects=defects, by_defect=by_defect)


def test_an_interval_of_a_defect_lies_about_its_recorded_value(store):
    record = with_defects(store)
    for defect in ("hole", "crack"):
        for metric in METRICS:
            found = Uncertainty(store, 300).of(number(method_of(record), ["bagel"], metric, defect))
            assert found.value == pytest.approx(record.by_defect[defect][metric])
            assert found.low < found.value < found.high


def test_images_of_another_defect_play_no_part(store):
    intervals = []
    for easy in (0.0, 5.0):
        method, told = method_of(with_defects(store, easy_cracks=easy)), Uncertainty(store, 300)
        intervals.append([told.of(number(method, ["bagel"], "i_auroc", defect)) for defect in ("hole", "crack", "")])
    (hole, crack, whole), (same, easier, better) = intervals
    assert hole == same
    assert easier.value == 1.0 > crack.high > crack.low
    assert better.value > whole.value


def test_methods_are_tied_in_one_defect_and_told_apart_in_another(store):
    plain, easy = with_defects(store, 1), with_defects(store, 1, 5.0, "cfm-t")
    told = Uncertainty(store, 300)
    assert tied(told, method_of(easy), method_of(plain), ["bagel"], "i_auroc", "hole") is True
    assert tied(told, method_of(easy), method_of(plain), ["bagel"], "i_auroc", "crack") is False
    assert tied(told, method_of(easy), method_of(plain), ["bagel"], "i_auroc", "no such defect") is None


def test_methods_are_paired_in_a_defect_only_where_the_same_images_count_under_it(store):
    """A record of an earlier version has the same test images and counts those of several defects under one name."""
    now, then = with_defects(store, 1), with_defects(store, 1, 5.0, "cfm-t")
    then = replace(then, test_images=replace(then.test_images, defects={**then.test_images.defects, "hole": 9}))
    told = Uncertainty(store, 300)
    assert tied(told, method_of(then), method_of(now), ["bagel"], "i_auroc", "crack") is False
    assert tied(told, method_of(then), method_of(now), ["bagel"], "i_auroc", "hole") is None
    assert tied(told, method_of(then), method_of(now), ["bagel"], "i_auroc") is not None


def test_without_counts_nothing_can_be_told(store):
    test_set = draw_test_set(1)
    one, other = (measured(store, *test_set, method=name) for name in ("cfm", "cfm-t"))
    store.counts_path(other.cell).unlink()
    intervals = Uncertainty(store, 50)
    assert intervals.of(number(method_of(other), ["bagel"], "i_auroc")) is None
    assert tied(intervals, method_of(one), method_of(other), ["bagel"], "i_auroc") is None
    assert difference(intervals, method_of(other), method_of(one), ["bagel"], "i_auroc") is None
    assert intervals.of(number(method_of(one), ["foam"], "i_auroc")) is None
    assert tied(intervals, method_of(one), method_of(one), ["foam"], "i_auroc") is None


def test_counts_of_another_run_are_none(store):
    test_set = draw_test_set(1)
    replaced = measured(store, *test_set, seed=1)
    record = measured(store, *test_set)
    assert read_counts(store, record) is not None
    assert bootstrap_cell(store, record, 20) is not None
    assert read_counts(store, replaced) is None
    assert bootstrap_cell(store, replaced, 20) is None


def test_an_undefined_metric_has_no_interval(store):
    record = measured(store, *draw_test_set(1))
    method = method_of(replace(record, metrics={**record.metrics, "aupro_1": None}))
    assert Uncertainty(store, 50).of(number(method, ["bagel"], "aupro_1")) is None
    assert Uncertainty(store, 50).of(number(method, ["bagel"], "aupro_30")) is not None


def test_other_test_images_are_no_pair(store):
    test_set = draw_test_set(1)
    one = method_of(measured(store, *test_set))
    other = method_of(measured(store, *test_set, method="cfm-t", ids=[f"other/{index:03d}" for index in range(24)]))
    assert tied(Uncertainty(store, 50), one, other, ["bagel"], "i_auroc") is None


def test_methods_of_other_categories_are_no_pair(store):
    test_set = draw_test_set(1)
    bagel = measured(store, *test_set)
    both = method_of(bagel, measured(store, *test_set, category="carrot"))
    assert tied(Uncertainty(store, 50), method_of(bagel), both, ["bagel", "carrot"], "i_auroc") is None
    assert tied(Uncertainty(store, 50), method_of(bagel), both, ["bagel"], "i_auroc") is True


def test_damaged_counts_give_no_interval_and_are_named(store):
    record = measured(store, *draw_test_set(1))
    store.counts_path(record.cell).write_bytes(b"PK")
    intervals = Uncertainty(store, 50)
    assert intervals.of(number(method_of(record), ["bagel"], "i_auroc")) is None
    assert intervals.without_counts(method_of(record), ["bagel"]) == ("bagel",)
    assert [one.path for one in store.left_out] == [store.counts_path(record.cell)]


def test_replicates_are_remembered_on_disk(store, monkeypatch, tmp_path):
    method = method_of(measured(store, *draw_test_set(1)))
    first = Uncertainty(store, 2000).of(number(method, ["bagel"], "aupro_1"))
    monkeypatch.setattr(replicates, "draw_images", None)
    assert Uncertainty(store, 2000).of(number(method, ["bagel"], "aupro_1")) == first
    (kept,) = (tmp_path / "cache" / "bootstrap").iterdir()
    monkeypatch.undo()
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    kept.write_bytes(kept.read_bytes()[:100])
    assert Uncertainty(store, 2000).of(number(method, ["bagel"], "aupro_1")) == first
    assert kept.stat().st_size > 10_000


def test_new_counts_make_new_replicates(store):
    test_set = draw_test_set(1)
    before = Uncertainty(store, 100).of(
        number(method_of(measured(store, *test_set, clarity=2.0)), ["bagel"], "aupro_30")
    )
    after = Uncertainty(store, 100).of(
        number(method_of(measured(store, *test_set, clarity=0.5)), ["bagel"], "aupro_30")
    )
    assert after.high < before.low


def test_a_cache_that_cannot_be_written_costs_only_time(store, monkeypatch, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(blocked))
    method = method_of(measured(store, *draw_test_set(1)))
    with caplog.at_level(logging.WARNING):
        assert Uncertainty(store, 50).of(number(method, ["bagel"], "i_auroc")) is not None
        assert Uncertainty(store, 50).of(number(method, ["bagel"], "i_auroc")) is not None
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("count", "level"), [(0, 0.95), (10, 0.0), (10, 1.0)])
def test_settings_that_make_no_sense(store, count, level):
    with pytest.raises(ValueError, match="replicates"):
        Uncertainty(store, count, level)


def test_work_is_counted_cell_by_cell_and_done_once(store, monkeypatch):
    records = [
        measured(store, *draw_test_set(1), category, method)
        for method in ("cfm", "btf")
        for category in ("bagel", "foam")
    ]
    told = []
    intervals = Uncertainty(store, 50, progress=lambda done, total: told.append((done, total)))
    numbers = [
        number(method_of(*pair), ["bagel", "foam"], metric)
        for pair in (records[:2], records[2:])
        for metric in ("i_auroc", "aupro_1")
    ]
    intervals.prepare(numbers)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    monkeypatch.setattr("harness.report.uncertainty.bootstrap_cell", None)
    assert all(intervals.of(one) is not None for one in numbers)
    assert intervals.few_images(numbers) == NOMINAL


def test_a_perfect_detector_has_a_bound_and_is_tied_with_another_one(store):
    test_set = draw_test_set(1)
    first, second = (method_of(measured(store, *test_set, method=name, clarity=90.0)) for name in ("cfm", "btf"))
    intervals = Uncertainty(store, 50)
    found = intervals.of(number(first, ["bagel"], "i_auroc"))
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.05 ** (1 / NOMINAL))
    assert tied(intervals, first, second, ["bagel"], "i_auroc") is True
    assert difference(intervals, first, second, ["bagel"], "i_auroc").detectable is None
