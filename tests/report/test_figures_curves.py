import numpy as np
import pytest
from count_records import counted_record, keep_counts
from report_records import make_record

from harness.report.figures.curves import draw_curves
from harness.report.figures.curves_data import LIMITS, mean_curve, measured_curves, rate_grid
from harness.report.groups import group_records
from harness.store.query import RecordQuery
from harness.store.store import Store


def images(seed, contrast):
    draw = np.random.default_rng(seed)
    masks = np.zeros((8, 48, 48), dtype=bool)
    for index in range(4):
        masks[index, 5 + 4 * index : 15 + 4 * index, 8 : 18 + index] = True
    maps = draw.gamma(2, 1, masks.shape) + contrast * masks * draw.gamma(3, 1, masks.shape)
    return maps, masks


def write(store, method, category, seed, contrast):
    maps, masks = images(seed, contrast)
    record = keep_counts(store, maps, masks, maps.max((1, 2)), method, category, dataset="toy", shots=10)
    store.write(record)
    return record.metrics


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def data_of(store, kind, **query):
    (group,) = group_records(store.all(), RecordQuery(**query))
    return measured_curves(group, store, kind)


def area(curve, end):
    rates, values = curve.up_to(end)
    return np.trapezoid(values, rates) / end


def test_a_category_by_itself(store):
    value = [write(store, "cfm", name, seed, 1.5 + seed) for seed, name in enumerate(("bump", "ridge"))][1]
    (curve,) = data_of(store, "pro", categories=("ridge",)).parts
    assert area(curve, 0.3) == pytest.approx(value["aupro_30"], abs=2e-3)
    assert curve.label == "cfm"


def test_records_without_counts_are_left_out_and_named(store):
    write(store, "cfm", "bump", 0, 1.5)
    for method, category in (("cfm", "ridge"), ("btf", "bump")):
        store.write(make_record(method, category, dataset="toy", shots=10, defects=("hole",)))
    data = data_of(store, "pro")
    assert [curve.label for curve in data.parts] == ["cfm (1 of 2)"]
    assert "btf (bump), cfm (ridge)" in data.notes[0]
    assert "--rerun METHOD" in data.notes[0]


def test_the_limits_are_marked_and_the_panels_end_there(store):
    write(store, "cfm", "bump", 0, 1.5)
    figure = draw_curves(data_of(store, "pro"))
    ends, marks = [], []
    for axes in figure.axes[:2]:
        ends.append(axes.get_xlim()[1])
        marks.append([text.get_text() for text in axes.texts])
        (line,) = [line for line in axes.lines if line.get_gid()]
        assert line.get_xdata().max() == pytest.approx(ends[-1])
    assert ends == [30, 1]
    assert marks == [["30%", "1%"], ["1%"]]


def curve_of(store, kind, *records):
    (group,) = group_records(records)
    return mean_curve(group, group.methods[0], store, kind)


@pytest.mark.parametrize("clarity", [0.0, 1.5, 8.0])
def test_the_area_below_a_curve_is_the_mean_of_the_metric(store, clarity):
    records = [counted_record(store, "cfm", name, seed, clarity=clarity) for seed, name in enumerate(["bagel", "foam"])]
    pro, _ = curve_of(store, "pro", *records)
    roc, _ = curve_of(store, "roc", *records)
    for metric, limit in LIMITS.items():
        assert area(pro, limit) == pytest.approx(np.mean([record.metrics[metric] for record in records]), abs=0.002)
    assert area(roc, 1.0) == pytest.approx(np.mean([record.metrics["p_auroc"] for record in records]), abs=0.001)


@pytest.mark.parametrize("kind", ["pro", "roc"])
def test_a_curve_rises_from_zero_to_one_with_the_limits_among_its_points(store, kind):
    curve, _ = curve_of(store, kind, counted_record(store))
    assert (curve.rates[0], curve.values[0], curve.rates[-1], curve.values[-1]) == (0, 0, 1, 1)
    assert (np.diff(curve.rates) >= 0).all()
    assert (np.diff(curve.values) >= 0).all()
    assert curve.rates.shape == curve.values.shape
    for limit in LIMITS.values():
        x, y = curve.up_to(limit)
        assert x[-1] == limit in curve.rates
        assert y[-1] == curve.values[curve.rates == limit][0] == curve.at(np.array([limit]))[0]
        assert (x < limit).sum() == x.size - 1


def test_what_is_above_every_good_pixel_is_a_step_at_zero(store):
    curve, _ = curve_of(store, "pro", counted_record(store, clarity=20.0))
    assert curve.rates[:2].tolist() == [0, 0]
    assert curve.values[:2].tolist() == [0, 1]


def test_the_rates_of_curves_are_dense_below_one_percent():
    rates = rate_grid()
    assert (np.diff(rates) > 0).all()
    assert (rates <= 0.01).sum() > 200
    assert {0.0, 0.01, 0.3, 1.0} <= set(rates)


def test_categories_without_counts_or_anomalous_pixels_are_named(store):
    whole, empty = counted_record(store), counted_record(store, "cfm", "carrot", 1, anomalous=False)
    gone = counted_record(store, "cfm", "foam", 2)
    store.counts_path(gone.cell).unlink()
    curve, lacking = curve_of(store, "pro", whole, empty, gone)
    assert (curve.label, lacking) == ("cfm (1 of 10)", ("carrot", "foam"))
    assert curve_of(store, "roc", empty)[0] is None
