from dataclasses import replace

import numpy as np
import pytest
from count_records import keep_details
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text
from report_records import full_record

from harness.data.registry import DATASETS
from harness.report.figures.latency import draw_latency
from harness.report.figures.latency_data import measured_latencies, order_statistic
from harness.report.groups import group_records
from harness.store.details import read_details
from harness.store.query import RecordQuery
from harness.store.store import Store

MVTEC = DATASETS["mvtec3d"].categories


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def record(store, method="cfm", category="bagel", *, calls=6, factor=1.0, **environment):
    made = full_record(len(category), method, category)
    draw = np.random.default_rng(len(category))
    raw = {window: factor * draw.uniform(30, 50, calls) for window in ("device", "end_to_end")}
    return keep_details(store, replace(made, environment=replace(made.environment, **environment)), raw_ms=raw)


def data_of(store, records, **query):
    (group,) = group_records(records, RecordQuery(**query))
    return measured_latencies(group, store)


def drawn(figure, prefix):
    prefix = prefix.replace(" ", "_")
    artists = [artist for axes in figure.axes for artist in axes.get_children() if artist.get_gid()]
    return {name.removeprefix(prefix): artist for artist in artists if (name := artist.get_gid()).startswith(prefix)}


@given(st.lists(st.floats(0.1, 1e4), min_size=1, max_size=50), st.floats(0, 1))
def test_quantiles_are_numpys(values, part):
    assert order_statistic(tuple(sorted(values)), part) == pytest.approx(np.quantile(values, part))


def test_every_call_of_a_short_run_is_drawn_in_its_window(store):
    records = [record(store), record(store, "btf", factor=3)]
    figure = draw_latency(data_of(store, records, categories=("bagel",)))
    assert len(figure.axes) == 3
    for window in ("device", "end_to_end"):
        calls = drawn(figure, f"calls/{window}/Test CPU, 2 cores, 2 threads/")
        medians = drawn(figure, f"median/{window}/Test CPU, 2 cores, 2 threads/")
        for made in records:
            raw = read_details(store, made).raw_ms[window]
            name = made.cell.method
            assert sorted(calls[name].get_offsets()[:, 0]) == pytest.approx(sorted(raw))
            assert list(medians[name].get_xdata()) == pytest.approx([np.median(raw)] * 2)


def test_of_many_calls_those_outside_the_whiskers_are_drawn(store):
    records = [record(store, category=name, calls=100) for name in MVTEC]
    (row,) = data_of(store, records).parts
    assert len(row.times["device"]) == 1000
    calls = drawn(draw_latency(data_of(store, records), "page"), "calls/device/")
    (dots,) = calls.values()
    low, high = np.quantile(row.times["device"], [0.05, 0.95])
    shown = dots.get_offsets()[:, 0]
    assert 0 < len(shown) <= 102
    assert all(time < low or time > high for time in shown)


def test_devices_have_rows_and_headings_of_their_own(store):
    records = [record(store), record(store, category="foam", cpu="Other CPU"), record(store, "btf")]
    data = data_of(store, records, categories=("bagel", "foam"))
    devices = ["Other CPU, 2 cores, 2 threads", "Test CPU, 2 cores, 2 threads"]
    assert [row.device for row in data.parts] == [devices[0], devices[1], devices[1]]
    assert {row.label for row in data.parts} == {"cfm (1 of 2)", "btf (1 of 2)"}
    texts = [text.get_text() for text in draw_latency(data).findobj(Text)]
    assert [f"measured on {device}" in texts for device in devices] == [True, True]


def test_times_of_a_busy_machine_and_records_without_raw_times_are_left_out_with_a_note(store):
    busy = record(store, "btf", contended=True, contention="3 other processes")
    bare = replace(record(store, "ast"), details="")
    data = data_of(store, [record(store), busy, bare])
    assert [row.label for row in data.parts] == ["cfm (1 of 10)"]
    assert len(data.notes) == 2
    assert any("btf on bagel is left out: 3 other processes" in note for note in data.notes)
    assert any("ast on bagel is left out: its record has no raw times" in note for note in data.notes)
