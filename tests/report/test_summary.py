from report_records import make_record

from harness.report.names import ACCURACY
from harness.report.summary import summary_grids


def table(grid):
    return [(row.labels[0].text, row.labels[1].text, row.values[0].text) for row in grid.rows]


def test_a_row_for_each_cell_and_a_mean_for_each_method():
    records = [
        make_record("cfm", "foam", shift=-0.1),
        make_record("cfm", "bagel"),
        make_record("cfm-t", "bagel", shift=0.02),
        make_record("cfm-t", "foam", shift=0.02),
    ]
    (grid,) = summary_grids(records)
    assert table(grid) == [
        ("cfm", "bagel", "0.950"),
        ("", "foam", "0.850"),
        ("", "mean of 2", "0.900"),
        ("cfm-t", "bagel", "0.970"),
        ("", "foam", "0.970"),
        ("", "mean of 2", "0.970"),
    ]
    assert [column.keys["metric"] for column in grid.columns[:6]] == [metric.id for metric in ACCURACY]
    assert [row.values[0].place for row in grid.rows] == [0, 0, 2, 0, 0, 1]


def test_one_category_has_no_mean():
    (grid,) = summary_grids([make_record()])
    assert table(grid) == [("cfm", "bagel", "0.950")]


def test_a_failed_cell_is_a_row_of_dashes_and_its_method_has_no_mean():
    (grid,) = summary_grids([make_record(), make_record(category="foam", status="oom", reason="out of memory")])
    assert table(grid) == [("cfm", "bagel", "0.950"), ("", "foam", "-"), ("", "mean of 2", "-")]
    assert grid.notes == ("oom: out of memory", "no mean without foam")


def test_another_training_set_is_another_table():
    grids = summary_grids([make_record(shots=10), make_record(shots=5)])
    assert [grid.keys["shots"] for grid in grids] == ["5", "10"]
    assert summary_grids([]) == []
