from dataclasses import replace

import pytest
from report_records import make_record

from harness.data.base import DATASETS
from harness.report.measured import group_records, mean_of, why_not_comparable
from harness.store.published import read_published

MVTEC = DATASETS["mvtec3d"].categories


@pytest.fixture(scope="module")
def published():
    return read_published()


def only_group(records):
    (group,) = group_records(records)
    return group


def only_method(records):
    (method,) = only_group(records).methods
    return method


def i_auroc(record):
    return record.metrics["i_auroc"]


def test_records_of_one_protocol_and_split_make_a_group():
    records = [
        make_record(shots=10),
        make_record("cfm-t", shots=10),
        make_record(shots=10, split="0"),
        make_record(shots="full"),
        make_record(preset="quick"),
        make_record(weights="random"),
        make_record(dataset="toy", category="bump"),
    ]
    groups = group_records(records)
    assert [len(group.methods) for group in groups] == [1, 2, 1, 1, 1, 1]
    assert [group.title for group in groups] == [
        "Toy (embedded), all training samples, preset paper, pretrained weights",
        "MVTec 3D-AD, 10 training samples (split first), preset paper, pretrained weights",
        "MVTec 3D-AD, 10 training samples (split 0), preset paper, pretrained weights",
        "MVTec 3D-AD, all training samples, preset paper, pretrained weights",
        "MVTec 3D-AD, all training samples, preset paper, random weights",
        "MVTec 3D-AD, all training samples, preset quick, pretrained weights",
    ]


def test_shots_are_sorted_as_numbers_and_full_is_last():
    groups = group_records([make_record(shots=shots) for shots in ("full", 50, 5, 10)])
    assert [group.shots for group in groups] == [5, 10, 50, "full"]


def test_two_ways_to_name_the_same_parameters_are_one_method():
    one = make_record("cfm", "bagel")
    other = make_record("cfm[aggregate=product]", "foam")
    assert sorted(only_method([one, other]).records) == ["bagel", "foam"]


def test_methods_of_one_label_with_other_parameters_are_told_apart():
    now = make_record("cfm")
    before = make_record("cfm", parameters={**now.cell.parameters, "epochs": 100})
    labels = [method.label for method in only_group([now, before]).methods]
    assert labels == ["cfm[epochs=100]", "cfm[epochs=250]"]


def test_released_weights_are_a_row_of_their_own():
    methods = only_group([make_record(), make_record(checkpoint="abc")]).methods
    assert [method.label for method in methods] == ["cfm", "cfm (released weights)"]


def test_of_two_records_of_a_category_the_newer_counts_and_the_older_is_told():
    older = make_record(data_digest="before", shift=-0.5)
    newer = replace(make_record(), created="2026-02-02T00:00:00+00:00")
    for records in ([older, newer], [newer, older]):
        method = only_method(records)
        assert method.records["bagel"] is newer
        assert method.replaced == ("bagel",)


def test_a_mean_covers_the_categories_asked_for():
    method = only_method([make_record(category=name, shift=0.01 * i) for i, name in enumerate(MVTEC[:3])])
    mean = mean_of(method, MVTEC[:3], i_auroc)
    assert mean.value == pytest.approx(0.96)
    assert mean.categories == MVTEC[:3]
    assert mean_of(method, MVTEC[:1], i_auroc).value == pytest.approx(0.95)


def test_a_failed_category_is_never_averaged_and_is_named():
    method = only_method([make_record(), make_record(category="foam", status="oom", reason="CUDA out of memory")])
    assert mean_of(method, MVTEC, i_auroc).categories == ("bagel",)
    assert method.why_missing("foam") == "foam (oom: CUDA out of memory)"
    assert method.why_missing("tire") == "tire (not run)"


def test_a_long_reason_is_shortened():
    method = only_method([make_record(status="failed", reason="word " * 100)])
    assert len(method.why_missing("bagel")) < 130


def test_an_undefined_number_makes_the_mean_undefined():
    record = make_record(category="foam")
    undefined = replace(record, metrics={**record.metrics, "i_auroc": None}, undefined={"i_auroc": "all are nominal"})
    mean = mean_of(
        only_method([make_record(), undefined]), MVTEC, i_auroc, lambda one: one.undefined.get("i_auroc", "")
    )
    assert (mean.value, mean.reason) == (None, "undefined in foam: all are nominal")


def test_nothing_measured_has_no_mean():
    mean = mean_of(only_method([make_record(status="failed", reason="x")]), MVTEC, i_auroc)
    assert (mean.value, mean.reason) == (None, "no category is measured")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dataset": "toy", "category": "bump"}, "there are none for the dataset 'toy'"),
        ({"dataset": "eyecandies", "category": "CandyCane", "shots": 10}, "'eyecandies' with 10 training samples"),
        ({"weights": "random"}, "random weights"),
        ({"preset": "quick"}, "the preset 'quick' is not the published setting"),
        ({"shots": 10, "split": "3"}, "the first 10 samples"),
    ],
)
def test_what_is_not_comparable_says_why(published, changes, reason):
    assert reason in why_not_comparable(only_group([make_record(**changes)]), published)


@pytest.mark.parametrize("changes", [{}, {"shots": 5}, {"dataset": "eyecandies", "category": "CandyCane"}])
def test_what_was_measured_as_published_is_comparable(published, changes):
    assert why_not_comparable(only_group([make_record(**changes)]), published) == ""


def test_another_evaluation_size_is_not_comparable(published):
    record = make_record()
    other = replace(record, cell=replace(record.cell, protocol=replace(record.cell.protocol, eval_size=192)))
    assert "size, ground truth or cleaning" in why_not_comparable(only_group([other]), published)


def test_another_latency_budget_is_another_group_but_comparable(published):
    record = make_record()
    budget = replace(record.cell.protocol.latency, warmups=3)
    other = replace(record, cell=replace(record.cell, protocol=replace(record.cell.protocol, latency=budget)))
    groups = group_records([record, other])
    assert len(groups) == 2
    assert [why_not_comparable(group, published) for group in groups] == ["", ""]
