from dataclasses import replace

import pytest
from report_records import group_of, make_record

from harness.report.compare import difference, published_labels, why_not_comparable
from harness.report.grid import Value
from harness.report.groups import group_records
from harness.store.published import Published
from harness.store.quantities import quantity
from harness.store.record import SampleCounts


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dataset": "toy", "category": "bump"}, "there are none for the dataset 'toy'"),
        ({"dataset": "eyecandies", "category": "CandyCane", "shots": 10}, "'eyecandies' with 10 training samples"),
        ({"weights": "random"}, "random weights"),
        ({"preset": "quick"}, "the preset 'quick' is not the published setting"),
        ({"shots": 10, "split": "3"}, "the first 10 samples"),
        ({"samples": SampleCounts(14, 110)}, "14 of 244 training samples"),
        ({"samples": SampleCounts(10, 18), "shots": 10}, "18 of 110 test samples"),
    ],
)
def test_what_is_not_comparable_says_why(published, changes, reason):
    assert reason in why_not_comparable(group_of(make_record(**changes)), published)


@pytest.mark.parametrize("changes", [{}, {"shots": 5}, {"dataset": "eyecandies", "category": "CandyCane"}])
def test_what_was_measured_as_published_is_comparable(published, changes):
    assert why_not_comparable(group_of(make_record(**changes)), published) == ""


def test_another_evaluation_size_is_not_comparable(published):
    record = make_record()
    other = replace(record, cell=replace(record.cell, protocol=replace(record.cell.protocol, eval_size=192)))
    assert "size, ground truth or cleaning" in why_not_comparable(group_of(other), published)


def test_another_latency_budget_is_another_group_but_comparable(published):
    record = make_record()
    budget = replace(record.cell.protocol.latency, warmups=3)
    other = replace(record, cell=replace(record.cell, protocol=replace(record.cell.protocol, latency=budget)))
    groups = group_records([record, other])
    assert len(groups) == 2
    assert [why_not_comparable(group, published) for group in groups] == ["", ""]


@pytest.mark.parametrize(
    ("method", "labels"),
    [
        ("cfm", ("cfm", "cfm[aggregate=product]")),
        ("cfm[aggregate=product]", ("cfm", "cfm[aggregate=product]")),
        ("cfm[epochs=50,aggregate=3d]", ("cfm[epochs=50,aggregate=3d]",)),
        ("cfm[aggregate=2d,mapping=intra,epochs=50]", ("cfm[mapping=intra,epochs=50,aggregate=2d]",)),
        ("cfm-t", ("cfm-t",)),
        ("cfm[lr=0.01]", ()),
    ],
)
def test_a_method_is_recognised_by_its_resolved_parameters(published, method, labels):
    assert published_labels(group_of(make_record(method)).methods[0], published) == labels


def test_a_method_that_is_not_installed_is_recognised_by_its_label(published):
    record = make_record()
    rows = tuple(replace(row, method="elsewhere") for row in published.rows if row.method == "depth-gan")
    cell = replace(record.cell, method="elsewhere", parameters={"depth": 4}, given={})
    assert published_labels(group_of(replace(record, cell=cell)).methods[0], Published(rows)) == ("elsewhere",)
    named = replace(cell, given={"depth": 4})
    assert published_labels(group_of(replace(record, cell=named)).methods[0], Published(rows)) == ()


@pytest.mark.parametrize(
    ("id", "text"), [("i_auroc", "-0.049"), ("memory_mb", "0.0"), ("fps", ""), ("peak_inference_mb", "")]
)
def test_a_difference_has_the_decimals_of_its_quantity_and_none_is_of_another_machine(id, text):
    gap = difference(Value("0.950", 0.9501), Value("0.999", 0.999), quantity(id))
    assert gap.text == text
    assert gap.number == (pytest.approx(-0.0489) if text else None)


@pytest.mark.parametrize("numbers", [(None, 0.5), (0.5, None)])
def test_there_is_no_difference_to_a_missing_number(numbers):
    measured, printed = (Value("-", number) for number in numbers)
    assert difference(measured, printed, quantity("i_auroc")) == Value("")
