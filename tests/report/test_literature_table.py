"""The table of other publications."""

from __future__ import annotations

import pytest
from markupsafe import escape
from report_records import cells, complete, make_record, notes

from harness.errors import UsageError
from harness.report.groups import group_records
from harness.report.html.page import front_page
from harness.report.html.sections import make_sections
from harness.report.literature import literature_grids
from harness.report.tables import TableRequest, measured_grids, published_grids
from harness.store.literature import SOURCES, read_literature
from harness.store.published import read_published
from harness.store.query import RecordQuery


def test_a_table_for_each_setting_with_a_footnote_for_each_source() -> None:
    grids = literature_grids(read_literature(), RecordQuery())
    settings = [(grid.keys["dataset"], grid.keys["shots"]) for grid in grids]
    assert settings[:4] == [("mvtec3d", size) for size in ("full", "50", "10", "5")]
    assert len(settings) == len(set(settings))
    for row in (row for grid in grids for row in grid.rows):
        assert row.labels[1].note == SOURCES[row.keys["source"]].note
        assert not any(value.place for value in row.values)


def test_what_is_measured_of_a_printed_method_stands_below_it_and_competes_with_nothing() -> None:
    measured = [
        make_record(method, category, shift=shift)
        for method, shift in (("btf", 0.0), ("m3dm[banks=rgb]", -0.1), ("cfm", 0.0))
        for category in ("bagel", "rope")
    ]
    measured += [make_record("btf", "CandyCane", dataset="eyecandies")]
    grids = literature_grids(read_literature(), RecordQuery(), groups=group_records(measured))
    whole = next(grid for grid in grids if (grid.keys["dataset"], grid.keys["shots"]) == ("mvtec3d", "full"))
    own = [row for row in whole.rows if row.keys["source"] == "measured"]
    assert [row.keys["method"] for row in own] == ["btf"], "cfm and m3dm are in no such table of MVTec 3D-AD"
    assert whole.rows[-1] is own[0]
    assert (own[0].keys["preset"], own[0].keys["weights"]) == ("paper", "pretrained")
    assert own[0].labels[0].text == "btf (2 of 10)"
    shown = dict(zip((column.keys["metric"] for column in whole.columns), own[0].values, strict=True))
    assert {name: value.text for name, value in shown.items()} == {
        "i_auroc": "0.950",
        "p_auroc": "0.990",
        "aupro_30_official": "0.970",
        "aupro_1_official": "0.450",
        "aupro_30_reported": "-",
        "pro_reported": "-",
    }
    assert not any(value.place or value.ranked for row in whole.rows for value in row.values)
    assert not any(row.keys["source"] == "measured" for grid in grids if grid is not whole for row in grid.rows)


def test_measured_categories_stand_below_printed_ones() -> None:
    query = RecordQuery(dataset="mvtec3d", categories=("bagel", "rope"), methods=("btf",))
    groups = group_records([make_record("btf", "bagel")], query)
    (grid,) = literature_grids(read_literature(), query, ["i_auroc"], groups)
    own = [row for row in grid.rows if row.keys["source"] == "measured"]
    assert [(row.keys["category"], row.values[0].text) for row in own] == [("bagel", "0.950"), ("rope", "-")]


def test_the_report_has_every_table_with_its_footnotes() -> None:
    page = front_page(make_sections([], read_published()), {})
    grids = literature_grids(read_literature(), RecordQuery())
    for grid in grids:
        assert f"<summary>{grid.title}</summary>" in page
    for source in SOURCES.values():
        assert escape(source.note) in page


def test_categories_take_the_place_of_means_and_metrics_that_of_all() -> None:
    query = RecordQuery(dataset="mvtec3d", categories=("bagel",), methods=("trd[norm_split=validation,third=depth]",))
    (grid,) = literature_grids(read_literature(), query, ["p_auroc"])
    assert grid.label_headings == ("method", "source", "category")
    (row,) = grid.rows
    assert [value.text for value in row.values] == ["0.993"]
    assert (row.keys["category"], row.labels[0].text) == ("bagel", "trd[norm_split=validation,third=depth]")


def test_it_is_shown_where_it_is_asked_for() -> None:
    published, request = read_published(), TableRequest(tables=("literature",))
    request.check([], published)
    kinds = {grid.keys["kind"] for grid in published_grids(published, request)}
    assert kinds == {"literature"}
    assert {grid.keys["kind"] for grid in measured_grids([], published, request)} == kinds
    assert measured_grids([], None, request) == [], "measured numbers alone"
    assert "literature" not in {grid.keys["kind"] for grid in published_grids(published, TableRequest())}


def test_numbers_of_a_source_that_evaluates_as_the_paper_stand_beside_measured_ones() -> None:
    records = [*complete("mafr"), *complete("mafr[dropout=0.2]")]
    (grid,) = measured_grids(records, read_published(), TableRequest(tables=("accuracy",)))
    found, told = cells(grid), notes(grid)
    assert [found["mafr", source, "i_auroc"] for source in ("measured", "published", "difference")] == [
        "0.950",
        "0.972",
        "-0.022",
    ]
    assert found["mafr", "published", "p_auroc"] == "-"
    assert SOURCES["ali2025"].citation in told["mafr", "published", "i_auroc"]
    assert ("mafr[dropout=0.2]", "published", "i_auroc") not in found
    random = [*complete("mafr", weights="random")]
    (alone,) = measured_grids(random, read_published(), TableRequest(tables=("accuracy",)))
    assert ("mafr", "published", "i_auroc") not in cells(alone)


def test_its_methods_are_known_where_it_is_asked_for() -> None:
    query = RecordQuery(methods=("mafr",))
    TableRequest(query, ("literature",)).check([], read_published())
    with pytest.raises(UsageError, match="mafr"):
        TableRequest(query).check([], read_published())
