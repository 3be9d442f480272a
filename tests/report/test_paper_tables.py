from collections import Counter

import pytest

from harness.data.registry import DATASETS
from harness.report.render.data import entries
from harness.report.tables import TableRequest, published_grids
from harness.store.paper import PAPER_TABLES
from harness.store.published import MEAN
from harness.store.query import RecordQuery

MVTEC = DATASETS["mvtec3d"].categories
LEGACY = ["depth-gan", "depth-ae", "depth-vm", "voxel-gan", "voxel-ae", "voxel-vm"]
FOUR = ["i_auroc", "p_auroc", "aupro_30_official", "aupro_1_official"]


@pytest.fixture(scope="module")
def grids(published):
    return published_grids(published, TableRequest())


def of(grids, number):
    return [grid for grid in grids if grid.keys["table"] == str(number)]


def labels(grid):
    return [row.labels[0].text for row in grid.rows]


def values(grid, method):
    (row,) = [row for row in grid.rows if row.labels[0].text == method]
    return {tuple(column.keys.values()): value for column, value in zip(grid.columns, row.values, strict=True)}


def test_every_published_number_stands_in_exactly_one_cell(published, grids):
    printed = Counter(
        (str(row.table), row.dataset, row.method, str(row.shots), row.category, row.metric, row.text)
        for row in published.rows
    )
    shown = Counter(
        tuple(str(entry[key]) for key in ("table", "dataset", "method", "shots", "category", "metric", "text"))
        for grid in grids
        for entry in entries(grid)
        if entry["value"] is not None
    )
    assert shown == printed


def test_the_only_missing_number_is_a_dash_with_its_reason(grids):
    dashes = [entry for grid in grids for entry in entries(grid) if entry["value"] is None]
    assert [(entry["method"], entry["category"], entry["metric"]) for entry in dashes] == [
        ("depth-gan", MEAN, "aupro_30_official")
    ]
    assert dashes[0]["text"] == "-"
    assert dashes[0]["note"].endswith("no value is recorded; the mean of its 10 categories is 0.474")


def test_tables_stand_in_the_papers_order(grids):
    numbers = [int(grid.keys["table"]) for grid in grids]
    assert numbers == sorted(numbers)
    assert set(numbers) == {table.number for table in PAPER_TABLES} == set(range(1, 8))


@pytest.mark.parametrize(
    ("number", "blocks", "methods"),
    [
        (1, 2, [*LEGACY, "btf", "ast", "m3dm", "cfm", "cfm-m"]),
        (2, 1, ["btf", "ast", "m3dm", "cfm", "cfm-m"]),
        (3, 1, ["ast", "m3dm", "cfm", "cfm-m"]),
        (4, 4, ["btf", "ast", "m3dm", "cfm"]),
        (5, 1, ["btf", "ast", "m3dm", "cfm", "cfm-m", "cfm-s", "cfm-t"]),
        (6, 1, [f"cfm[aggregate={name}]" for name in ("2d", "3d", "sum", "max", "product")]),
    ],
)
def test_rows_are_the_papers(grids, number, blocks, methods):
    found = of(grids, number)
    assert len(found) == blocks
    assert all(labels(grid) == methods for grid in found)


@pytest.mark.parametrize(
    ("number", "key", "expected"),
    [
        (1, "category", [*MVTEC, MEAN]),
        (2, "category", [*MVTEC, MEAN]),
        (3, "metric", FOUR),
        (4, "shots", ["5", "10", "50", "full"]),
        (5, "metric", ["fps", "memory_mb", *FOUR]),
        (6, "metric", FOUR),
        (7, "metric", FOUR),
    ],
)
def test_columns_are_the_papers(grids, number, key, expected):
    for grid in of(grids, number):
        assert [column.keys[key] for column in grid.columns] == expected


def test_best_and_runner_up_of_a_column(grids):
    mean = {method: values(of(grids, 1)[0], method)[MEAN, "i_auroc"].place for method in ("cfm-m", "cfm", "m3dm")}
    assert mean == {"cfm-m": 1, "cfm": 2, "m3dm": 0}


def test_ties_share_the_first_place(grids):
    bagel = {row.labels[0].text: row.values[0] for row in of(grids, 1)[0].rows}
    assert (bagel["m3dm"].text, bagel["m3dm"].place) == (bagel["cfm"].text, bagel["cfm"].place) == ("0.994", 1)
    assert (bagel["cfm-m"].text, bagel["cfm-m"].place) == ("0.988", 2)


def test_the_best_memory_is_the_lowest_and_the_best_speed_the_highest(grids):
    table = of(grids, 5)[0]
    places = {
        name: (values(table, name)[("fps",)].place, values(table, name)[("memory_mb",)].place) for name in labels(table)
    }
    assert places == {
        "btf": (0, 0),
        "ast": (0, 0),
        "m3dm": (0, 0),
        "cfm": (0, 0),
        "cfm-m": (0, 0),
        "cfm-s": (2, 2),
        "cfm-t": (1, 1),
    }


def test_one_table_one_dataset_some_methods(published):
    assert {grid.keys["table"] for grid in published_grids(published, TableRequest(tables=("4",)))} == {"4"}
    assert {grid.keys["table"] for grid in published_grids(published, TableRequest(RecordQuery("eyecandies")))} == {"3"}
    some = published_grids(published, TableRequest(RecordQuery(methods=("cfm",)), ("1",)))
    assert [labels(grid) for grid in some] == [["cfm"], ["cfm"]]
    assert all(value.place == 0 for grid in some for row in grid.rows for value in row.values)
