import numpy as np
import pytest
from count_records import keep_counts
from report_records import make_record

from harness.report.figures.curves import draw_curves
from harness.report.figures.curves_data import measured_curves
from harness.report.figures.request import FigureRequest, chosen_group
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
    asked = FigureRequest(RecordQuery(**query))
    group, _ = chosen_group(store.all(), asked)
    return measured_curves(group, store, kind)


def area(mean, end):
    rates, values = mean.curve.up_to(end)
    return np.trapezoid(values, rates) / end


def test_the_areas_below_mean_curves_are_the_metrics(store):
    values = [write(store, "cfm", name, seed, 1.5) for seed, name in enumerate(("bump", "ridge"))]
    (pro,) = data_of(store, "pro").curves
    (roc,) = data_of(store, "roc").curves
    mean = {metric: np.mean([one[metric] for one in values]) for metric in ("aupro_30", "aupro_1", "p_auroc")}
    assert area(pro, 0.3) == pytest.approx(mean["aupro_30"], abs=2e-3)
    assert area(pro, 0.01) == pytest.approx(mean["aupro_1"], abs=5e-3)
    assert area(roc, 1) == pytest.approx(mean["p_auroc"], abs=2e-3)


def test_a_category_by_itself(store):
    value = [write(store, "cfm", name, seed, 1.5 + seed) for seed, name in enumerate(("bump", "ridge"))][1]
    (curve,) = data_of(store, "pro", categories=("ridge",)).curves
    assert area(curve, 0.3) == pytest.approx(value["aupro_30"], abs=2e-3)
    assert curve.label == "cfm"


def test_records_without_counts_are_left_out_and_named(store):
    write(store, "cfm", "bump", 0, 1.5)
    for method, category in (("cfm", "ridge"), ("btf", "bump")):
        store.write(make_record(method, category, dataset="toy", shots=10))
    data = data_of(store, "pro")
    assert [curve.label for curve in data.curves] == ["cfm (1 of 2)"]
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
