from dataclasses import replace

import pytest
from report_records import make_record

from harness.report.groups import group_records
from harness.report.own_tables import summary_grid
from harness.store.quantities import ACCURACY


def summary_grids(records):
    return [summary_grid(group) for group in group_records(records)]


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


@pytest.mark.parametrize(("condition", "with_costs"), [("rgb-shift:2", False), ("contaminate:0.1", True)])
def test_costs_are_those_of_samples_as_they_are(condition: str, with_costs: bool):
    made = make_record()
    protocol = replace(made.cell.protocol, condition=condition)
    (grid,) = summary_grids([replace(made, cell=replace(made.cell, protocol=protocol))])
    metrics = [column.keys["metric"] for column in grid.columns]
    assert metrics[: len(ACCURACY)] == [metric.id for metric in ACCURACY]
    assert ("device_median_ms" in metrics) == ("memory_mb" in metrics) == with_costs


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


def costs(row):
    return [value.text for value in row.values[len(ACCURACY) :]]


def test_a_contended_cell_keeps_its_accuracy_and_memory_and_its_method_has_no_mean_time():
    busy = {"device": "cpu", "device_name": "Test CPU", "threads": 2, "contended": True, "contention": "Others ran."}
    (grid,) = summary_grids([make_record(), make_record(category="foam", environment=busy)])
    assert table(grid) == [("cfm", "bagel", "0.950"), ("", "foam", "0.950"), ("", "mean of 2", "0.950")]
    assert [costs(row) for row in grid.rows] == [["40.0", "50.0", "452.7"], ["-", "-", "452.7"], ["-", "-", "452.7"]]
    assert [note.partition(";")[0] for note in grid.notes] == ["Others ran.", "no mean without foam: Others ran."]
    assert all("--contended" in note for note in grid.notes)


def test_cells_of_two_machines_have_their_times_but_no_mean():
    other = {"device": "cuda:0", "device_name": "GPU A"}
    (grid,) = summary_grids([make_record(), make_record(category="foam", environment=other)])
    assert [costs(row)[0] for row in grid.rows] == ["40.0", "40.0", "-"]
    assert grid.notes == ("measured on several devices: Test CPU, 2 threads, GPU A",)
