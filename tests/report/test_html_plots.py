"""What the plots of the report show: curves, raw times, means over random splits, colours."""

from __future__ import annotations

import numpy as np
import pytest
from count_records import counted_record, keep_details
from hypothesis import given
from hypothesis import strategies as st
from report_records import full_record, make_record

from harness.report.figures.colours import colour_of, on_dark
from harness.report.figures.latency_data import QUANTILES
from harness.report.html.boarddata import board_data, curve_rates
from harness.report.html.sections import make_sections
from harness.report.intervals import seed_interval
from harness.store.published import read_published
from harness.store.query import RecordQuery
from harness.store.store import Store

TOY = {"dataset": "toy", "preset": "quick", "weights": "random"}
CATEGORIES = ("bump", "ridge")


def data_of(records, store=None):
    sections = make_sections(records, read_published(), RecordQuery(records[0].cell.dataset))
    pages = {record.cell.id: f"cells/{record.cell.stem}.html" for record in records}
    return board_data(sections, pages, store)


def two_counted(store):
    return [counted_record(store, "cfm", category, seed, **TOY, shots=10) for seed, category in enumerate(CATEGORIES)]


def test_the_area_below_an_embedded_curve_is_the_printed_number(tmp_path):
    store = Store(tmp_path)
    data = data_of(two_counted(store), store)
    (line,) = data["sections"][0]["lines"]
    rates = np.array(data["rates"])
    for metric, limit in (("aupro_30", 0.3), ("aupro_1", 0.01)):
        inside = rates <= limit
        values = np.array(line["curves"]["pro"][: inside.sum()])
        area = np.trapezoid(values, rates[inside]) / limit
        assert area == pytest.approx(float(line["values"][metric]), abs=0.005)
    roc = line["curves"]["roc"]
    assert np.trapezoid(roc, rates) == pytest.approx(float(line["values"]["p_auroc"]), abs=0.003)
    assert roc == sorted(roc)


def test_a_row_with_a_category_without_counts_has_no_curve_but_a_reason(tmp_path):
    store = Store(tmp_path)
    records = two_counted(store)
    store.counts_path(records[1].cell).unlink()
    (line,) = data_of(records, store)["sections"][0]["lines"]
    assert "curves" not in line
    assert "counts" in line["whyNoCurves"]
    assert "curves" not in data_of(records)["sections"][0]["lines"][0]


def test_the_rates_of_curves_rise_and_hold_the_limits():
    rates = curve_rates()
    assert (np.diff(rates) > 0).all()
    assert {0.0, 0.01, 0.3, 1.0} <= {round(float(rate), 6) for rate in rates}


def test_quantiles_are_those_of_all_raw_times_on_one_device(tmp_path):
    store = Store(tmp_path)
    draw = np.random.default_rng(0)
    drawn = {name: {window: draw.uniform(30, 50, 100) for window in ("device", "end_to_end")} for name in CATEGORIES}
    records = [
        keep_details(store, full_record(seed, "cfm", name, **TOY, shots=10), raw_ms=drawn[name])
        for seed, name in enumerate(CATEGORIES)
    ]
    (line,) = data_of(records, store)["sections"][0]["lines"]
    (times,) = line["times"]
    assert times["machine"] == line["device"]
    for window in ("device", "end_to_end"):
        raw = [time for times_of in drawn.values() for time in times_of[window]]
        assert times["calls"][window] == len(raw) == 200
        assert times[window] == pytest.approx(np.quantile(raw, QUANTILES), abs=0.001)


def test_times_of_a_busy_machine_are_left_out_with_the_reason(tmp_path):
    busy = {"device": "cpu", "cpu": "Test CPU", "contended": True, "contention": "another process kept it busy"}
    record = make_record("cfm", "bump", **TOY, shots=10, environment=busy)
    (line,) = data_of([record], Store(tmp_path))["sections"][0]["lines"]
    assert "times" not in line
    assert "another process kept it busy" in line["timesLeftOut"]


@given(st.lists(st.floats(-0.02, 0.02), min_size=2, max_size=5))
def test_random_splits_are_joined_with_their_interval(shifts):
    records = [
        make_record("cfm", category, **TOY, shots=10, split=str(split), shift=shift)
        for split, shift in enumerate(shifts)
        for category in ("bump", "ridge")
    ]
    alone = make_record("cfm", "bump", **TOY, shots=10, split="first")
    (joined,) = data_of([*records, alone])["randomSplits"]
    assert len(joined["lines"]) == len(shifts)
    expected = seed_interval([0.6 + shift for shift in shifts])
    assert joined["values"]["aupro_1"] == pytest.approx([expected.value, expected.low, expected.high], abs=1e-3)


def test_splits_over_other_categories_or_alone_are_not_joined():
    records = [
        make_record("cfm", "bump", **TOY, shots=10, split="0"),
        make_record("cfm", "ridge", **TOY, shots=10, split="1"),
        make_record("cfm-t", "bump", **TOY, shots=10, split="0"),
    ]
    assert data_of(records)["randomSplits"] == []


@given(st.text("0123456789abcdef", min_size=6, max_size=6))
def test_colours_can_be_read_on_the_dark_page(digits):
    def light(colour):
        parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05

    assert light(on_dark(f"#{digits}")) / light("#1c1f25") >= 4.4


def test_a_method_has_the_colour_of_the_figures_whatever_its_parameters():
    data = data_of([make_record("cfm", "bump", given={"epochs": 3}, parameters={"epochs": 3}, **TOY, shots=10)])
    assert data["colours"]["cfm[epochs=3]"][0] == colour_of("cfm")


def test_rows_open_in_the_order_of_the_paper():
    names = ("cfm-t", "cfm", "m3dm", "cfm-s", "ast", "cfm-m", "btf")
    (section,) = make_sections([make_record(name) for name in names], read_published(), RecordQuery("mvtec3d"))[:1]
    order = ["btf", "ast", "m3dm", "cfm", "cfm-m", "cfm-s", "cfm-t"]
    assert [line.label for line in section.lines if not line.published] == order
    published = [line.label for line in section.lines if line.published]
    assert [label for label in published if label in order] == order


def test_variants_of_later_tables_follow_the_methods():
    records = [make_record("cfm[aggregate=sum]"), make_record("cfm-t")]
    section = make_sections(records, read_published(), RecordQuery("mvtec3d"))[0]
    assert [line.label for line in section.lines if not line.published] == ["cfm-t", "cfm[aggregate=sum]"]
