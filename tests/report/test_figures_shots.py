import numpy as np
import pytest
from report_records import make_record
from scipy import stats

from harness.data.registry import DATASETS
from harness.errors import UsageError
from harness.report.figures.kinds import largest_family
from harness.report.figures.shots import draw_shots
from harness.report.figures.shots_data import measured_shots, published_shots
from harness.report.groups import group_records
from harness.store.published import read_published
from harness.store.query import RecordQuery

MVTEC = DATASETS["mvtec3d"].categories
PUBLISHED = read_published()
METRIC = "aupro_30_official"
SHOTS = (5, 10, 50, "full")


def records(method="cfm", *, shots=SHOTS, split="first", shift=0.0, categories=MVTEC, **changes):
    return [
        make_record(method, name, shots=count, split="first" if count == "full" else split, shift=shift, **changes)
        for count in shots
        for name in categories
    ]


def data_of(records, published=PUBLISHED, **query):
    family, _ = largest_family(group_records(records, RecordQuery(**query)), all_shots=True)
    return measured_shots(family, published, METRIC)


def drawn(figure):
    return {line.get_gid(): line for line in figure.axes[0].lines if line.get_gid()}


@pytest.mark.parametrize("metric", ["i_auroc", "p_auroc", "aupro_30_official", "aupro_1_official"])
def test_the_published_curves_are_table_4(metric):
    rows = [row for row in PUBLISHED.rows if (row.table, row.metric) == ("4", metric)]
    table = {method: [row.value for row in rows if row.method == method] for method in {row.method for row in rows}}
    lines = drawn(draw_shots(published_shots(PUBLISHED, RecordQuery(), metric)))
    assert {gid.removeprefix("published/"): list(line.get_ydata()) for gid, line in lines.items()} == table
    assert len(table) == 4


def test_measured_curves_stand_beside_hollow_dashed_published_ones():
    data = data_of([*records(), *records("btf", shift=-0.01)])
    lines = drawn(draw_shots(data))
    assert set(lines) == {"measured/cfm", "measured/btf", *(f"published/{m}" for m in ("ast", "btf", "cfm", "m3dm"))}
    assert list(lines["measured/cfm"].get_ydata()) == pytest.approx([0.97] * 4)
    assert lines["published/cfm"].get_markerfacecolor() == "white"
    assert lines["published/cfm"].get_linestyle() == "--"
    assert lines["measured/cfm"].get_color() == lines["published/cfm"].get_color()


def test_several_seeds_are_one_point_with_a_t_interval():
    shifts = {"0": -0.01, "1": 0.0, "3": 0.013}
    measured = [record for split, shift in shifts.items() for record in records(split=split, shift=shift, shots=(5,))]
    (curve,) = data_of(measured, None).parts
    (point,) = curve.points
    values = [0.97 + shift for shift in shifts.values()]
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (point.value, point.low, point.high) == pytest.approx((np.mean(values), low, high))
    assert point.splits == 3


def test_every_measured_number_of_samples_is_a_tick_in_order():
    data = data_of(records(shots=("full", 10, 1, 200, 3)), None)
    assert [point.shots for point in data.parts[0].points] == [1, 3, 10, 200, "full"]
    figure = draw_shots(data)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["1", "3", "10", "200", "all"]
    line = drawn(figure)["measured/cfm"]
    assert list(line.get_xdata()) == list(figure.axes[0].get_xticks())


def test_numbers_of_samples_that_nobody_published_leave_the_published_curves():
    data = data_of(records(shots=(1, 5, 10)))
    curves = {(curve.label, curve.published): [point.shots for point in curve.points] for curve in data.parts}
    assert curves["cfm", False] == [1, 5, 10]
    assert curves["cfm", True] == [5, 10, 50, "full"]
    assert not data.notes


def test_splits_are_never_mixed_and_those_left_out_are_named():
    measured = [*records(shots=(5, 10, 50)), *records(shots=(5,), split="2", shift=-0.1), *records(shots=("full",))]
    data = data_of(measured, None)
    (curve,) = data.parts
    assert [(point.shots, point.value) for point in curve.points] == [(count, pytest.approx(0.97)) for count in SHOTS]
    assert any("the splits 2" in note for note in data.notes)
    (chosen,) = data_of(measured, None, splits=("2",)).parts
    assert [point.shots for point in chosen.points] == [5, "full"]


def test_random_splits_do_not_stand_beside_published_curves():
    data = data_of([*records(split="0"), *records(split="1", shift=0.01)])
    assert {curve.published for curve in data.parts} == {False}
    assert any("Not comparable" in note for note in data.notes)


def test_a_point_that_lacks_a_category_is_left_out_with_a_note():
    data = data_of([*records(shots=(5, "full")), *records(shots=(10,), categories=MVTEC[:-1])], None)
    assert [point.shots for point in data.parts[0].points] == [5, "full"]
    assert any("cfm with 10 training samples" in note and MVTEC[-1] in note for note in data.notes)


def test_one_protocol_only():
    groups = group_records([*records(), *records(preset="quick", shots=(5,))])
    family, (note,) = largest_family(groups, all_shots=True)
    assert {group.protocol.preset for group in family} == {"paper"}
    assert "--dataset mvtec3d --preset quick --weights pretrained" in note


def test_one_category_has_no_published_curve():
    data = data_of(records(), categories=("bagel",))
    assert {curve.published for curve in data.parts} == {False}
    with pytest.raises(UsageError, match="is published for"):
        published_shots(PUBLISHED, RecordQuery(categories=("bagel",)), METRIC)


def test_one_number_of_training_samples_has_a_note_how_to_get_others():
    data = data_of(records(shots=(10,)), None)
    assert any("--shots 5,10,50,full" in note for note in data.notes)
    assert not data_of(records(), None).notes
