import pytest
from report_records import make_record

from harness.data.registry import DATASETS
from harness.errors import ExitCode, UsageError
from harness.report.tables import TABLES, NothingMeasuredError, TableRequest, measured_grids, published_grids
from harness.store.query import RecordQuery

MVTEC = DATASETS["mvtec3d"].categories

RECORDS = [
    make_record("cfm"),
    make_record("cfm-t"),
    make_record("cfm[aggregate=2d]"),
    make_record(dataset="toy", category="bump"),
]


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (TableRequest(RecordQuery("mvtec")), "did you mean 'mvtec3d'"),
        (
            TableRequest(RecordQuery(methods=("cfn",))),
            "Method 'cfn' is neither measured nor published: did you mean 'cfm'",
        ),
        (TableRequest(RecordQuery(methods=("cfm[aggregate=4d]",))), "neither measured nor published"),
        (TableRequest(metrics=("aupro",)), "There is no accuracy metric 'aupro'"),
        (TableRequest(metrics=("fps",)), "There is no accuracy metric 'fps'"),
        (TableRequest(tables=("8",)), "There is no table '8': choose from 1, 2, 3, 4, 5, 6, 7, accuracy"),
        (TableRequest(tables=("speed",)), "There is no table 'speed'"),
        (
            TableRequest(metrics=("aupro_1",), tables=("1",)),
            "Table 1 has no aupro_1: choose from i_auroc, aupro_30_official with --metric.",
        ),
        (
            TableRequest(metrics=("p_auroc", "aupro_30"), tables=("accuracy", "2")),
            "Table 2 has no p_auroc and no aupro_30",
        ),
        (
            TableRequest(metrics=("aupro_30",), tables=("5",)),
            "choose from i_auroc, p_auroc, aupro_30_official, aupro_1_of",
        ),
    ],
)
def test_a_wrong_name_is_an_error_with_the_nearest_names(published, request_, complaint):
    with pytest.raises(UsageError) as caught:
        request_.check(RECORDS, published)
    assert complaint in str(caught.value)


def test_published_methods_may_be_asked_for_though_they_are_not_measured(published):
    TableRequest(RecordQuery("mvtec3d", ("btf", "m3dm", "depth-*"))).check([], published)


def kinds(grids):
    return [(grid.keys["dataset"], grid.keys["kind"], grid.keys.get("table", "")) for grid in grids]


def test_the_papers_tables_come_first_then_ours_for_each_group(published):
    grids = measured_grids(RECORDS, published, TableRequest())
    ours = ("accuracy", "defects", "defects", "timing", "memory")
    assert kinds(grids) == [
        ("mvtec3d", "paper", "1"),
        ("mvtec3d", "paper", "1"),
        ("toy", "paper", "1"),
        ("toy", "paper", "1"),
        ("mvtec3d", "paper", "2"),
        ("toy", "paper", "2"),
        ("mvtec3d", "paper", "5"),
        ("toy", "paper", "5"),
        ("mvtec3d", "paper", "6"),
        *(("toy", kind, "") for kind in ours),
        *(("mvtec3d", kind, "") for kind in ours),
    ]


def test_the_metrics_of_a_request_are_all_that_is_shown(published):
    grids = measured_grids(RECORDS, published, TableRequest(RecordQuery("mvtec3d"), metrics=("aupro_1", "i_auroc")))
    assert {grid.keys.get("table") or grid.keys["kind"] for grid in grids} == {
        *("1", "5", "6"),
        *("accuracy", "defects", "timing", "memory"),
    }
    accuracy = [grid for grid in grids if grid.keys["kind"] in ("accuracy", "defects", "paper")]
    shown = {column.keys["metric"] for grid in accuracy for column in grid.columns}
    assert shown == {"i_auroc", "aupro_1", "fps", "memory_mb"}


@pytest.mark.parametrize("table", ["accuracy", "exact", "categories", "defects", "costs", "timing", "memory"])
def test_our_own_tables_by_name(published, table):
    grids = measured_grids(RECORDS, published, TableRequest(RecordQuery("toy"), tables=(table,)))
    assert {grid.keys["kind"] for grid in grids} == {"accuracy" if table == "exact" else table}


def test_all_means_the_tables_that_are_shown_by_default_and_more_may_be_named(published):
    everything = {name for name, table in TABLES.items() if table.in_all}
    assert set(TABLES) - everything == {"categories", "costs", "differences", "literature"}
    assert {name for name in TABLES if TableRequest().wants(name)} == everything
    assert {name for name in TABLES if TableRequest(tables=("all", "costs")).wants(name)} == everything | {"costs"}
    assert measured_grids(RECORDS, published, TableRequest(tables=("all",))) == measured_grids(
        RECORDS, published, TableRequest()
    )


def test_every_table_of_a_number_that_is_asked_for(published):
    grids = measured_grids(RECORDS, published, TableRequest(tables=("3", "7")))
    assert kinds(grids) == [
        ("eyecandies", "published", "3"),
        ("toy", "paper", "3"),
        ("mvtec3d", "paper", "3"),
        ("mvtec3d", "published", "7"),
    ]


def test_several_lists_of_samples_are_one_table_and_a_mean_over_them(published):
    records = [make_record(category=name, shots=10, split=split) for name in MVTEC for split in ("0", "1", "first")]
    grids = measured_grids(records, published, TableRequest())
    assert {grid.keys["split"] for grid in grids if grid.keys["kind"] != "seeds"} == {"first"}
    assert [grid.keys["split"] for grid in grids if grid.keys["kind"] == "seeds"] == ["0+1"]


def test_a_group_without_any_number_is_no_table(published):
    failed = [make_record(shots=5, status="oom", reason="out of memory")]
    assert measured_grids(failed, published, TableRequest()) == []


def test_the_papers_tables_by_dataset_method_and_number(published):
    def tables(request):
        return {grid.keys["table"] for grid in published_grids(published, request)}

    assert tables(TableRequest(RecordQuery("eyecandies"))) == {"3"}
    assert tables(TableRequest(RecordQuery(methods=("cfm-s",)))) == {"5"}
    assert tables(TableRequest(tables=("6", "2"))) == {"2", "6"}
    assert tables(TableRequest(metrics=("p_auroc",))) == {"3", "4", "5", "6", "7"}


def test_a_request_that_no_table_answers_is_an_error(published):
    with pytest.raises(UsageError, match=r"no published number for eyecandies in table 1: leave out"):
        published_grids(published, TableRequest(RecordQuery("eyecandies"), tables=("1",)))
    with pytest.raises(UsageError, match=r"no published number for aupro_1 in any table"):
        published_grids(published, TableRequest(metrics=("aupro_1",)))
    with pytest.raises(UsageError, match=r"papers print aupro_1_official instead; ask for that, or leave out"):
        published_grids(published, TableRequest(metrics=("aupro_1",)))


def test_nothing_measured_has_its_exit_code():
    assert NothingMeasuredError.exit_code == ExitCode.NOTHING_MEASURED == 6
