from dataclasses import replace

import pytest
from report_records import METRICS, cells, complete, group_of, make_record, notes

from harness.data.registry import DATASETS
from harness.report.own_tables import accuracy_grid, cost_grid
from harness.report.render.data import entries


def test_measured_published_and_difference(published):
    grid = accuracy_grid(group_of(*complete(shift=0.01)), published)
    found = cells(grid)
    assert [found["cfm", source, "i_auroc"] for source in ("measured", "published", "difference")] == [
        "0.960",
        "0.954",
        "+0.006",
    ]
    assert found["cfm", "difference", "aupro_1_official"] == "+0.005"
    assert grid.caption == "means over all 10 categories"
    assert grid.warning == ""


def test_exact_and_official_aupro_never_meet(published):
    grid = accuracy_grid(group_of(*complete()), published)
    assert [column.keys["metric"] for column in grid.columns] == list(METRICS)
    found = cells(grid)
    for metric in ("aupro_30", "aupro_1"):
        assert found["cfm", "published", metric] == "-"
        assert ("cfm", "difference", metric) not in found
        assert notes(grid)["cfm", "published", metric] == "papers print the official AUPRO only"
    assert found["cfm", "published", "aupro_1_official"] == "0.455"


def test_a_difference_of_nothing_has_no_sign(published):
    exact = [replace(r, metrics={**r.metrics, "i_auroc": 0.95399}) for r in complete()]
    assert cells(accuracy_grid(group_of(*exact), published))["cfm", "difference", "i_auroc"] == "0.000"


def test_an_incomplete_method_says_what_it_lacks_and_stands_beside_the_same_categories(published):
    records = [
        make_record(category="bagel"),
        make_record(category="carrot"),
        make_record(category="foam", status="oom"),
    ]
    grid = accuracy_grid(group_of(*records), published)
    assert grid.rows[0].labels[0].text == "cfm (2 of 10)"
    assert (
        grid.rows[0]
        .labels[0]
        .note.startswith("without cable_gland (not run), cookie (not run), dowel (not run), foam (oom)")
    )
    assert "as many as the brackets say" in grid.caption
    found = cells(grid)
    assert found["cfm", "published", "i_auroc"] == "0.989", "the mean of 0.994 and 0.984"
    assert found["cfm", "difference", "i_auroc"] == "-0.039"
    assert found["cfm", "published", "p_auroc"] == "-"
    told = notes(grid)
    assert "mean of the published values of bagel, carrot" in told["cfm", "published", "i_auroc"]
    assert "published as a mean over all categories only" in told["cfm", "published", "p_auroc"]
    assert {entry["category"] for entry in entries(grid)} == {"bagel+carrot"}


@pytest.mark.parametrize(
    "changes",
    [{"weights": "random"}, {"preset": "quick"}, {"dataset": "toy"}, {"shots": 10, "split": "2"}],
)
def test_what_is_not_comparable_stands_alone_under_a_warning(published, changes):
    categories = DATASETS[changes.get("dataset", "mvtec3d")].categories
    group = group_of(*(make_record(category=category, **changes) for category in categories))
    for grid in (accuracy_grid(group, published), cost_grid(group, published)):
        assert grid.warning.startswith("Not comparable with published numbers: ")
        assert {row.keys["source"] for row in grid.rows} == {"measured"}


def test_without_published_numbers_there_is_no_warning_and_no_column_of_sources():
    grid = accuracy_grid(group_of(*complete(weights="random")), None)
    assert (grid.warning, grid.label_headings) == ("", ("method",))


def test_parameters_that_nobody_published_stand_alone_in_a_comparable_group(published):
    grid = accuracy_grid(group_of(*complete(), *complete("cfm[bn_stats=running]")), published)
    alone = [row for row in grid.rows if row.keys["method"] == "cfm[bn_stats=running]"]
    assert [row.keys["source"] for row in alone] == ["measured"]
    assert alone[0].labels[0].note == "nothing is published for these parameters"


def test_few_shot_numbers_stand_beside_those_of_as_many_shots(published):
    grid = accuracy_grid(group_of(*complete(shots=10)), published)
    assert cells(grid)["cfm", "published", "i_auroc"] == "0.845"


def test_best_and_runner_up_among_methods_with_the_same_categories(published):
    records = [*complete(), *complete("cfm-t", shift=-0.1), make_record("cfm-s", shift=0.04)]
    grid = accuracy_grid(group_of(*records), published)
    places = {(row.keys["method"], row.keys["source"]): row.values[0].place for row in grid.rows}
    assert places["cfm", "measured"] == 1
    assert places["cfm-t", "measured"] == 2
    assert places["cfm-s", "measured"] == 0, "one category is no match for ten"
    assert {place for (_, source), place in places.items() if source != "measured"} == {0}


def test_weights_that_are_not_the_published_ones_are_told(published):
    records = complete(notes=("pretrain.pth is not the published file",))
    assert accuracy_grid(group_of(*records), published).notes[0] == "pretrain.pth is not the published file"


def test_a_method_whose_cells_all_failed_is_a_row_of_dashes(published):
    records = [*complete(), *complete("cfm-t", status="failed", reason="NaN loss")]
    grid = accuracy_grid(group_of(*records), published)
    failed = [row for row in grid.rows if row.keys["method"] == "cfm-t"]
    assert len(failed) == 1
    assert {value.text for value in failed[0].values} == {"-"}
    assert "bagel (failed: NaN loss)" in failed[0].labels[0].note
