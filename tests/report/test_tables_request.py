import pytest
from report_records import make_record

from harness.errors import ExitCode, UsageError
from harness.report.published import read_published
from harness.report.tables import (
    NothingMeasuredError,
    Request,
    measured_grids,
    published_grids,
    select,
)

RECORDS = [
    make_record("cfm"),
    make_record("cfm-t"),
    make_record("cfm[aggregate=2d]"),
    make_record(dataset="toy", category="bump"),
]


@pytest.fixture(scope="module")
def published():
    return read_published()


def labels(request):
    return [record.cell.label for record in select(RECORDS, request)]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request(), ["cfm", "cfm-t", "cfm[aggregate=2d]", "cfm"]),
        (Request("toy"), ["cfm"]),
        (Request("mvtec3d", ("cfm-*",)), ["cfm-t"]),
        (Request("mvtec3d", ("cfm",)), ["cfm", "cfm[aggregate=2d]"]),
        (Request("mvtec3d", ("cfm[aggregate=2d]", "cfm-t")), ["cfm-t", "cfm[aggregate=2d]"]),
        (Request("mvtec3d", ("all",)), ["cfm", "cfm-t", "cfm[aggregate=2d]"]),
        (Request("eyecandies"), []),
    ],
)
def test_records_are_chosen_by_dataset_and_method(request_, expected):
    assert labels(request_) == expected


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (Request("mvtec"), "did you mean 'mvtec3d'"),
        (Request(methods=("cfn",)), "Method 'cfn' is neither measured nor published: did you mean 'cfm'"),
        (Request(methods=("cfm[aggregate=4d]",)), "neither measured nor published"),
        (Request(metrics=("aupro",)), "There is no accuracy metric 'aupro'"),
        (Request(metrics=("fps",)), "There is no accuracy metric 'fps'"),
    ],
)
def test_a_wrong_name_is_an_error_with_the_nearest_names(published, request_, complaint):
    with pytest.raises(UsageError) as caught:
        request_.check(RECORDS, published)
    assert complaint in str(caught.value)


def test_published_methods_may_be_asked_for_though_they_are_not_measured(published):
    Request("mvtec3d", ("btf", "m3dm", "depth-*")).check([], published)


def test_the_tables_of_each_group_are_accuracy_defects_and_costs(published):
    grids = measured_grids(RECORDS, published, Request(metrics=("i_auroc", "aupro_1")))
    assert [(grid.keys["dataset"], grid.keys["kind"]) for grid in grids] == [
        ("toy", "accuracy"),
        ("toy", "defects"),
        ("toy", "defects"),
        ("toy", "costs"),
        ("mvtec3d", "accuracy"),
        ("mvtec3d", "defects"),
        ("mvtec3d", "defects"),
        ("mvtec3d", "costs"),
    ]


def test_the_papers_tables_by_dataset_method_and_number(published):
    assert {grid.keys["table"] for grid in published_grids(published, Request("eyecandies"))} == {"3"}
    assert {grid.keys["table"] for grid in published_grids(published, Request(methods=("cfm-s",)))} == {"5"}
    assert {grid.keys["table"] for grid in published_grids(published, Request(), 6)} == {"6"}


def test_a_request_that_no_table_answers_is_an_error(published):
    with pytest.raises(UsageError, match=r"no published number for eyecandies in table 1: leave out"):
        published_grids(published, Request("eyecandies"), 1)


def test_nothing_measured_has_its_exit_code():
    assert NothingMeasuredError.exit_code == ExitCode.NOTHING_MEASURED == 6
