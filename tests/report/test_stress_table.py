"""The table of conditions: one row of values and one of differences for each method."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from count_records import counted_record

from harness.report.figures.kinds import draw_kind
from harness.report.grid import Grid
from harness.report.html.page import front_page
from harness.report.html.sections import make_sections
from harness.report.render.data import entries
from harness.report.stress import stress_families, stress_grids
from harness.report.tables import NothingMeasuredError, TableRequest, measured_grids
from harness.report.uncertainty import Uncertainty
from harness.store.published import read_published
from harness.store.query import RecordQuery
from harness.store.record import Record
from harness.store.store import Store


def under(store: Store, text: str, clarity: float, method: str = "cfm") -> Record:
    """A record with counts, as if it was measured under a condition."""
    made = counted_record(store, method, clarity=clarity)
    protocol = replace(made.cell.protocol, condition=text)
    record = replace(made, cell=replace(made.cell, protocol=protocol))
    store.counts_path(made.cell).rename(store.counts_path(record.cell))
    return record


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    store = Store(tmp_path)
    kept = [
        under(store, text, clarity) for text, clarity in (("rgb-shift:1", 1.2), ("rgb-shift:4", 0.2), ("blur:1", 1.4))
    ]
    return [*kept, under(store, "rgb-shift:4", 1.4, "btf"), counted_record(store, "btf"), counted_record(store)]


def numbers(grid: Grid) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The entries of a table by method, source and condition."""
    return {(entry["method"], entry["source"], entry["condition"]): dict(entry) for entry in entries(grid)}


def test_columns_are_conditions_by_kind_and_level_and_drops_are_paired(records: list[Record], tmp_path: Path) -> None:
    (grid,) = stress_grids(records, RecordQuery(), ("i_auroc",), Uncertainty(Store(tmp_path), 200))
    assert [column.heading for column in grid.columns] == ["none", "rgb-shift:1", "rgb-shift:4", "blur:1"]
    found = numbers(grid)
    for text in ("rgb-shift:1", "rgb-shift:4", "blur:1"):
        before, after = (found["cfm", "measured", condition]["value"] for condition in ("none", text))
        assert found["cfm", "difference", text]["value"] == pytest.approx(after - before)
    drop = found["cfm", "difference", "rgb-shift:4"]
    assert drop["low"] <= drop["value"] <= drop["high"]
    assert found["btf", "measured", "blur:1"]["value"] is None
    assert "condition" not in grid.keys


def test_a_query_narrows_conditions_and_the_plain_ones_stay(records: list[Record]) -> None:
    (family,) = stress_families(records, RecordQuery(conditions=("blur:*",)))
    assert list(family.changed) == ["blur:1"]
    assert stress_families(records[:-2], RecordQuery()) == ()
    assert stress_families(records[-2:], RecordQuery()) == ()


def test_other_tables_show_samples_as_they_are_alone(records: list[Record], tmp_path: Path) -> None:
    grids = measured_grids(records, None, TableRequest(), Uncertainty(Store(tmp_path), 50))
    assert {"stress", "accuracy"} <= {grid.keys["kind"] for grid in grids}
    assert all("condition" not in grid.title or grid.keys["kind"] == "stress" for grid in grids)
    asked = measured_grids(records, None, TableRequest(RecordQuery(conditions=("blur:1",)), ("accuracy",)))
    assert ["condition blur:1" in grid.title for grid in asked] == [True]


def test_the_figure_has_a_curve_for_each_method_over_the_levels_of_one_kind(
    records: list[Record], tmp_path: Path
) -> None:
    store = Store(tmp_path)
    for record in records:
        store.write(record)
    drawn = draw_kind("stress", store, read_published(), RecordQuery(), metric="i_auroc")
    lines = {line.get_gid(): list(line.get_xdata()) for line in drawn.figure.axes[0].lines if line.get_gid()}
    assert {gid: len(levels) for gid, levels in lines.items()} == {"measured/btf": 2, "measured/cfm": 3}
    assert lines["measured/cfm"] == pytest.approx([0, 1, 4], abs=0.1)
    assert "blur" in " ".join(drawn.notes)
    blurred = draw_kind("stress", store, read_published(), RecordQuery(conditions=("blur:*",)), metric="i_auroc")
    assert blurred.notes == ()
    for record in records[:3]:
        store.path(record.cell).unlink()
    with pytest.raises(NothingMeasuredError, match="beside 'none'"):
        draw_kind("stress", store, read_published(), RecordQuery(methods=("cfm",)), metric="i_auroc")


def test_the_report_has_a_section_of_conditions_where_there_are_some(records: list[Record], tmp_path: Path) -> None:
    store = Store(tmp_path)
    for record in records:
        store.write(record)
    plain = make_sections(store.all(), read_published())
    pages = {record.cell.id: "" for record in records}
    shown = front_page(plain, pages, store=store, intervals=Uncertainty(store, 50))
    assert "Under conditions" in shown
    assert "rgb-shift:4" in shown
    assert "Under conditions" not in front_page(plain, pages)
