"""Any two methods of the report compared: the numbers are those of the paired bootstrap."""

import pytest
from count_records import counted_record
from hypothesis import given
from hypothesis import strategies as st
from report_records import make_record

from harness.metrics import auroc
from harness.report.grid import NumberId
from harness.report.html.comparison import MOST_COMPARED, comparisons
from harness.report.html.sections import make_sections
from harness.report.separation import separation
from harness.report.uncertainty import Uncertainty
from harness.store.published import read_published
from harness.store.quantities import ACCURACY
from harness.store.query import RecordQuery
from harness.store.record import ImageScore
from harness.store.store import Store

TOY = {"dataset": "toy", "preset": "quick", "weights": "random", "shots": 10}
SCORES = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=20)


def sections_of(records):
    return make_sections(records, read_published(), RecordQuery("toy"))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("results"))
    records = [
        counted_record(store, method, category, seed, clarity=clarity, **TOY)
        for seed, (method, clarity) in enumerate({"btf": 0.8, "cfm": 1.5, "cfm-t": 1.2}.items())
        for category in ("bump", "ridge")
    ]
    (section,) = sections_of(records)
    intervals = Uncertainty(store, replicates=100)
    (comparison,) = comparisons([section], intervals)
    return section, intervals, comparison


def test_differences_are_those_of_the_paired_bootstrap(measured):
    section, intervals, comparison = measured
    methods = {line.label: line.method for line in section.lines}
    assert comparison["methods"] == list(methods)
    first, second = (methods[name] for name in comparison["methods"][:2])
    for place, cut in enumerate(comparison["cuts"]):
        defect = cut[1] if cut[0] == "defect" else ""
        names = (cut[1],) if cut[0] == "category" else ("bump", "ridge")
        for number, metric in enumerate(ACCURACY):
            ours, theirs = (NumberId(method, names, metric.id, defect) for method in (first, second))
            (expected,) = intervals.against_best(ours, [theirs])
            found = comparison["differences"][0][number][place]
            if expected is None:
                assert len(found) == 1
            else:
                assert found == pytest.approx([expected.value, expected.low, expected.high], abs=1e-4)
            assert all(-1 <= end <= 1 for end in found)
    assert ["defect", "hole", 16] in comparison["cuts"]


def test_images_are_those_that_the_methods_disagree_most_on(measured):
    _, _, comparison = measured
    for samples in comparison["samples"]:
        gaps = [ours - theirs for *_, ours, theirs in samples]
        assert gaps == sorted(gaps, reverse=True)
        assert all(gaps)
        assert len(samples) <= 10
    assert any(comparison["samples"])


def test_records_without_counts_have_differences_without_intervals(tmp_path):
    records = [make_record(method, "bump", shift=shift, **TOY) for method, shift in (("cfm", 0.0), ("btf", -0.1))]
    (comparison,) = comparisons(sections_of(records), Uncertainty(Store(tmp_path)))
    turn = 1 if comparison["methods"][0] == "btf" else -1
    assert comparison["differences"][0][0][0] == [0.1 * turn]
    assert comparison["samples"] == [[]]


def test_one_method_is_not_compared_and_of_many_the_best_are(tmp_path):
    records = [
        make_record("cfm", "bump", given={"epochs": number}, parameters={"epochs": number}, shift=-0.01 * number, **TOY)
        for number in range(1, MOST_COMPARED + 4)
    ]
    intervals = Uncertainty(Store(tmp_path))
    assert comparisons(sections_of(records[:1]), intervals) == [None]
    (comparison,) = comparisons(sections_of(records), intervals)
    assert comparison["leftOut"] == 3
    assert "cfm[epochs=1]" in comparison["methods"]
    assert f"cfm[epochs={MOST_COMPARED + 1}]" not in comparison["methods"]


@given(SCORES.filter(lambda images: len({kind for kind, _ in images}) == 2))
def test_the_mean_separation_of_either_kind_is_the_area_under_the_curve(drawn):
    images = [
        ImageScore(str(place), "hole" if kind else "good", int(kind), score)
        for place, (kind, score) in enumerate(drawn)
    ]
    shares = separation(images)
    expected = auroc([image.label for image in images], [image.score for image in images])
    for label in (0, 1):
        own = [shares[image.id] for image in images if image.label == label]
        assert sum(own) / len(own) == pytest.approx(expected)
