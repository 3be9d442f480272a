"""The table of conditions: one row of values and one of differences for each method."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from count_records import counted_record
from report_records import make_record

from harness.report.figures.data import FigureData, Series
from harness.report.figures.kinds import draw_kind
from harness.report.figures.stress_data import StressPoint, measured_stress
from harness.report.grid import Grid
from harness.report.groups import group_records
from harness.report.html.page import front_page
from harness.report.html.sections import make_sections
from harness.report.render.data import entries
from harness.report.stress import stress_families, stress_grids
from harness.report.tables import NothingMeasuredError, TableRequest, measured_grids
from harness.report.uncertainty import Uncertainty
from harness.store.environment import Provider
from harness.store.published import read_published
from harness.store.query import RecordQuery
from harness.store.record import Record
from harness.store.store import Store


def under(store: Store, text: str, clarity: float = 1.2, method: str = "cfm", category: str = "bagel") -> Record:
    """A record with counts, as if it was measured under a condition."""
    made = counted_record(store, method, category, clarity=clarity)
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


def table(records: list[Record], store: Store, *, intervals: bool = True) -> Grid:
    uncertainty = Uncertainty(store, 50) if intervals else None
    (grid,) = stress_grids(records, RecordQuery(), ("i_auroc",), uncertainty)
    return grid


def figure(records: list[Record], store: Store, metric: str = "i_auroc") -> FigureData[Series[StressPoint]]:
    for record in records:
        store.write(record)
    return measured_stress(group_records(store.all()), store, metric)


def levels(data: FigureData[Series[StressPoint]]) -> dict[str, list[float]]:
    """The levels of a figure's points by method."""
    return {curve.label: [point.level for point in curve.points] for curve in data.parts}


def by_code(record: Record, source: str) -> Record:
    """A record of other code than today's."""
    environment = replace(record.environment, provider=Provider("harness", "0.1.0", source))
    return replace(record, environment=environment)


def timed_out(category: str, text: str) -> Record:
    made = make_record("cfm", category, status="timeout", reason="more than 60 s")
    return replace(made, cell=replace(made.cell, protocol=replace(made.cell.protocol, condition=text)))


def on_fewer_images(record: Record) -> Record:
    return replace(record, test_images=replace(record.test_images, digest="fewer"))


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
    with pytest.raises(NothingMeasuredError, match="compared with 'none'"):
        draw_kind("stress", store, read_published(), RecordQuery(methods=("cfm",)), metric="i_auroc")


def test_a_stale_number_is_marked_and_has_no_difference_to_one_of_today(tmp_path: Path) -> None:
    store = Store(tmp_path)
    shifted, plain = under(store, "rgb-shift:2"), counted_record(store)
    old = numbers(table([by_code(shifted, "0" * 64), plain], store))
    assert "stale: its code has changed" in old["cfm", "measured", "rgb-shift:2"]["note"]
    assert "stale" not in old["cfm", "measured", "none"]["note"]
    change = old["cfm", "difference", "rgb-shift:2"]
    assert change["value"] is None
    assert change["note"].startswith("stale: its code has changed")
    (alone,) = stress_grids([by_code(shifted, "0" * 64), plain], RecordQuery(), ("i_auroc",), None)
    assert "stale" in alone.rows[0].values[1].note
    new = table([shifted, by_code(plain, "0" * 64)], store)
    assert new.rows[0].labels[0].text == "cfm (1 of 10, stale)"
    assert new.rows[0].values[1].note == "not stale"
    assert "the number under 'none' is stale" in numbers(new)["cfm", "difference", "rgb-shift:2"]["note"]


def test_stale_numbers_of_one_code_have_a_difference_and_those_of_two_have_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    shifted, plain = under(store, "rgb-shift:2"), counted_record(store)
    key = ("cfm", "difference", "rgb-shift:2")
    same = numbers(table([by_code(record, "0" * 64) for record in (shifted, plain)], store))
    assert same[key]["value"] is not None
    two = numbers(table([by_code(shifted, "0" * 64), by_code(plain, "1" * 64)], store))
    assert two[key]["value"] is None
    assert "stale" in two[key]["note"]


@pytest.mark.parametrize("intervals", [True, False])
def test_a_mean_over_other_categories_than_the_plain_one_says_so(tmp_path: Path, *, intervals: bool) -> None:
    store = Store(tmp_path)
    records = [under(store, "rgb-shift:2"), timed_out("foam", "rgb-shift:2")]
    records += [under(store, "blur:1", category=category) for category in ("bagel", "foam", "tire")]
    records += [counted_record(store, category=category) for category in ("bagel", "foam")]
    grid = table(records, store, intervals=intervals)
    _, shifted, blurred = grid.rows[0].values
    assert shifted.note == "without foam (timeout: more than 60 s)"
    assert blurred.note == "also over tire"
    assert "footnotes" in grid.caption
    assert "footnotes" not in table(records[-2:] + records[2:4], store).caption
    if intervals:
        assert [value.note for value in grid.rows[1].values[1:]] == ["not measured in the same categories"] * 2


def test_what_failed_under_a_condition_says_why(tmp_path: Path) -> None:
    store = Store(tmp_path)
    records = [timed_out("bagel", "rgb-shift:2"), under(store, "blur:1"), under(store, "rgb-shift:2", method="btf")]
    found = numbers(table([*records, counted_record(store), counted_record(store, "btf")], store))
    assert "more than 60 s" in found["cfm", "measured", "rgb-shift:2"]["note"]
    assert "more than 60 s" in found["cfm", "difference", "rgb-shift:2"]["note"]


def test_a_method_without_a_plain_number_has_a_row(records: list[Record], tmp_path: Path) -> None:
    without = [record for record in records if record.cell.method == "cfm" or record.cell.condition.text != "none"]
    found = numbers(table(without, Store(tmp_path)))
    assert found["btf", "measured", "rgb-shift:4"]["value"] is not None
    assert found["btf", "measured", "none"]["value"] is None
    assert "not measured under 'none'" in found["btf", "measured", "none"]["note"]
    assert ("btf", "difference", "rgb-shift:4") not in found
    assert levels(figure(without, Store(tmp_path))) == {"cfm": [0, 1, 4]}


def test_without_the_images_in_training_nothing_is_compared(tmp_path: Path) -> None:
    store, text = Store(tmp_path), "contaminate:0.1:no-overlap"
    records = [on_fewer_images(under(store, text)), under(store, "contaminate:0.1"), counted_record(store)]
    found = numbers(table(records, store))
    assert found["cfm", "difference", "contaminate:0.1"]["value"] is not None
    assert "those in training are left out" in found["cfm", "difference", text]["note"]
    data = figure(records, store)
    assert data.title.startswith("contaminate: ")
    assert levels(data) == {"cfm": [0, 0.1]}
    assert [note for note in data.notes if "contaminate:no-overlap" in note and "--condition" not in note]
    store.path(records[1].cell).unlink()
    with pytest.raises(NothingMeasuredError, match="those in training are left out"):
        draw_kind("stress", store, read_published(), RecordQuery(), metric="i_auroc")


def test_a_curve_has_points_of_the_same_categories_and_of_one_code_alone(tmp_path: Path) -> None:
    store, two = Store(tmp_path), ("bagel", "foam")
    records = [under(store, f"rgb-shift:{level}", category=category) for level in (1, 2, 4, 8) for category in two]
    records[2:4] = [by_code(record, "0" * 64) for record in records[2:4]]  # level 2
    records[5] = timed_out("foam", "rgb-shift:4")
    data = figure([*records, *(counted_record(store, category=category) for category in two)], store)
    assert levels(data) == {"cfm": [0, 1, 8]}
    (note,) = data.notes
    assert "cfm under rgb-shift:2 (stale: its code has changed" in note
    assert "cfm under rgb-shift:4 (not measured in the same categories)" in note


def test_bars_are_the_intervals_of_differences_to_the_first_point(records: list[Record], tmp_path: Path) -> None:
    store = Store(tmp_path)
    data = figure(records, store, "aupro_30")
    (grid,) = stress_grids(records, RecordQuery(), ("aupro_30",), Uncertainty(store))
    change = numbers(grid)["cfm", "difference", "rgb-shift:4"]
    first, *_, last = next(curve for curve in data.parts if curve.label == "cfm").points
    assert (first.low, first.high) == (None, None)
    assert (last.low, last.high) == pytest.approx((first.value + change["low"], first.value + change["high"]))
    assert "bar: 95% interval of the difference to 'none'" in data.title


def test_the_height_of_samples_as_they_are_is_dotted_also_within_the_levels(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for record in [under(store, "light:0.5", 0.2), under(store, "light:1.5", 0.6), counted_record(store)]:
        store.write(record)
    drawn = draw_kind("stress", store, read_published(), RecordQuery(), metric="aupro_30")
    curve, dotted, *bars = drawn.figure.axes[0].lines
    assert list(curve.get_xdata()) == pytest.approx([0.5, 1, 1.5])
    assert set(dotted.get_ydata()) == {curve.get_ydata()[1]}
    assert [bar.get_xdata()[0] for bar in bars] == pytest.approx([0.5, 1.5])


def test_advice_names_the_conditions_that_were_measured(tmp_path: Path) -> None:
    store = Store(tmp_path)
    texts = ("light:0.5", "light:0.7", "missing:rgb:0.5", "missing:rgb", "contaminate:0.1")
    data = figure([*(under(store, text) for text in texts), counted_record(store)], store)
    assert data.title.startswith("light: ")
    assert data.notes == (
        "Not drawn: missing:rgb; choose with --condition missing:rgb:0.5,missing:rgb.",
        "Not drawn: contaminate; choose with --condition contaminate:0.1.",
    )
    asked = RecordQuery(conditions=("missing:rgb:0.5", "missing:rgb"))
    drawn = draw_kind("stress", store, read_published(), asked, metric="i_auroc")
    (line,) = [line for line in drawn.figure.axes[0].lines if line.get_gid() == "measured/cfm"]
    assert list(line.get_xdata()) == pytest.approx([0, 0.5, 1])


def test_test_sets_of_conditions_are_drawn_together_with_progress(records: list[Record], tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    counting = Uncertainty(Store(tmp_path), 50, progress=lambda done, total: told.append((done, total)))
    stress_grids(records, RecordQuery(), (), counting)
    assert told == [(done, len(records)) for done in range(1, len(records) + 1)]


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
