from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_records import full_record

from harness.data.base import DATASETS
from harness.report.figures.latency import draw_latency
from harness.report.figures.latency_data import measured_latencies, order_statistic
from harness.report.figures.request import FigureRequest, chosen_group

MVTEC = DATASETS["mvtec3d"].categories


def record(method="cfm", category="bagel", *, calls=6, factor=1.0, **environment):
    made = full_record(len(category), method, category)
    latency = {
        window: {**made.latency[window], "raw_ms": [factor * ms for ms in made.latency[window]["raw_ms"][:calls]]}
        for window in ("device", "end_to_end")
    }
    return replace(made, latency=latency, environment={**made.environment, **environment})


def data_of(found, **request):
    asked = FigureRequest(**request)
    group, _ = chosen_group(found, asked)
    return measured_latencies(group, asked)


def drawn(figure, prefix):
    prefix = prefix.replace(" ", "_")
    artists = [artist for axes in figure.axes for artist in axes.get_children() if artist.get_gid()]
    return {one.get_gid().removeprefix(prefix): one for one in artists if one.get_gid().startswith(prefix)}


@given(st.lists(st.floats(0.1, 1e4), min_size=1, max_size=50), st.floats(0, 1))
def test_quantiles_are_numpys(values, part):
    assert order_statistic(tuple(sorted(values)), part) == pytest.approx(np.quantile(values, part))


def test_every_call_of_a_short_run_is_drawn_in_its_window():
    found = [record(), record("btf", factor=3)]
    figure = draw_latency(data_of(found, categories=("bagel",)))
    assert len(figure.axes) == 3
    for window in ("device", "end_to_end"):
        calls = drawn(figure, f"calls/{window}/Test CPU, 2 cores, 2 threads/")
        medians = drawn(figure, f"median/{window}/Test CPU, 2 cores, 2 threads/")
        for made in found:
            raw = made.latency[window]["raw_ms"]
            name = made.cell.method
            assert sorted(calls[name].get_offsets()[:, 0]) == pytest.approx(sorted(raw))
            assert list(medians[name].get_xdata()) == pytest.approx([np.median(raw)] * 2)


def test_of_many_calls_those_outside_the_whiskers_are_drawn():
    found = [record(category=name, calls=100) for name in MVTEC]
    (row,) = data_of(found).rows
    assert len(row.times["device"]) == 1000
    calls = drawn(draw_latency(data_of(found), "page"), "calls/device/")
    (dots,) = calls.values()
    low, high = np.quantile(row.times["device"], [0.05, 0.95])
    shown = dots.get_offsets()[:, 0]
    assert 0 < len(shown) <= 102
    assert all(time < low or time > high for time in shown)


def test_devices_have_rows_and_headings_of_their_own():
    found = [record(), record(category="foam", cpu="Other CPU"), record("btf")]
    data = data_of(found, categories=("bagel", "foam"))
    devices = ["Other CPU, 2 cores, 2 threads", "Test CPU, 2 cores, 2 threads"]
    assert [row.device for row in data.rows] == [devices[0], devices[1], devices[1]]
    assert {row.label for row in data.rows} == {"cfm (1 of 2)", "btf (1 of 2)"}
    texts = [text.get_text() for text in draw_latency(data).texts]
    assert [f"measured on {device}" in texts for device in devices] == [True, True]


def test_times_of_a_busy_machine_and_records_without_raw_times_are_left_out_with_a_note():
    busy = record("btf", contended=True, contention="3 other processes")
    bare = replace(record("ast"), latency={"device": {"median_ms": 3.0}})
    data = data_of([record(), busy, bare])
    assert [row.label for row in data.rows] == ["cfm (1 of 10)"]
    assert len(data.notes) == 2
    assert any("btf on bagel is left out: 3 other processes" in note for note in data.notes)
    assert any("ast on bagel is left out: its record has no raw times" in note for note in data.notes)
