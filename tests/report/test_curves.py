"""Curves for figures: means over categories at common false positive rates."""

from __future__ import annotations

import numpy as np
import pytest
from count_records import counted_record

from harness.report.curves import LIMITS, curve_of, mean_curve, rate_grid
from harness.report.groups import MethodRecords
from harness.store.store import Store


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "results")


def method_of(*records) -> MethodRecords:
    return MethodRecords("cfm", {record.cell.category: record for record in records})


def area(curve, limit) -> float:
    x, y = curve.up_to(limit)
    return float(np.trapezoid(y, x) / limit)


@pytest.mark.parametrize("clarity", [0.0, 1.5, 8.0])
def test_the_area_below_a_curve_is_the_mean_of_the_metric(store, clarity):
    records = [
        counted_record(store, "cfm", name, seed, clarity=clarity) for seed, name in enumerate(["bagel", "carrot"])
    ]
    pro = curve_of(store, method_of(*records), ["bagel", "carrot", "foam"], "pro")
    roc = curve_of(store, method_of(*records), ["bagel", "carrot", "foam"], "roc")
    assert pro.categories == roc.categories == ("bagel", "carrot")
    for metric, limit in LIMITS.items():
        expected = np.mean([record.metrics[metric] for record in records])
        assert area(pro, limit) == pytest.approx(expected, abs=0.002)
    assert area(roc, 1.0) == pytest.approx(np.mean([record.metrics["p_auroc"] for record in records]), abs=0.001)


def test_a_curve_rises_from_zero_to_one_with_the_limits_among_its_points(store):
    record = counted_record(store)
    for kind in ("pro", "roc"):
        curve = mean_curve(store, {"bagel": record}, kind)
        assert (curve.rates[0], curve.values[0], curve.rates[-1], curve.values[-1]) == (0, 0, 1, 1)
        assert (np.diff(curve.rates) >= 0).all()
        assert (np.diff(curve.values) >= 0).all()
        assert curve.rates.shape == curve.values.shape
        for limit in LIMITS.values():
            x, y = curve.up_to(limit)
            assert x[-1] == limit in curve.rates
            assert y[-1] == curve.values[curve.rates == limit][0]
            assert (x < limit).sum() == x.size - 1


def test_what_is_found_without_a_false_positive_is_a_step_at_zero(store):
    curve = curve_of(store, method_of(counted_record(store, clarity=20.0)), ["bagel"], "pro")
    assert curve.rates[:2].tolist() == [0, 0]
    assert curve.values[:2].tolist() == [0, 1]


def test_the_grid_is_dense_below_one_percent():
    rates = rate_grid()
    assert (np.diff(rates) > 0).all()
    assert (rates <= 0.01).sum() > 200
    assert {0.0, 0.01, 0.3, 1.0} <= set(rates)


def test_without_counts_or_anomalous_pixels_there_is_no_curve(store):
    whole, empty = counted_record(store), counted_record(store, "cfm", "carrot", 1, anomalous=False)
    gone = counted_record(store, "cfm", "foam", 2)
    store.counts_path(gone.cell).unlink()
    method = method_of(whole, empty, gone)
    assert curve_of(store, method, ["bagel"], "pro") is not None
    assert curve_of(store, method, ["bagel", "carrot"], "pro") is None
    assert curve_of(store, method, ["bagel", "foam"], "roc") is None
    assert curve_of(store, method, ["peach"], "pro") is None
