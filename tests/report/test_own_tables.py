import pytest
from report_records import full_record, make_record

from harness.report.groups import group_records
from harness.report.own_tables import memory_grid
from harness.report.render.text import entries
from harness.report.timing import WINDOWS, timing_grid

BUSY = {
    "device": "cpu",
    "device_name": "Test CPU",
    "threads": 2,
    "contended": True,
    "contention": "others used 2 cores",
}
OTHER = {"device": "cuda:0", "device_name": "GPU A"}


def group_of(*records):
    (group,) = group_records(records)
    return group


def window(median, **more):
    return {
        "median_ms": median,
        "low_ms": median - 1,
        "high_ms": median + 2,
        "calls": 100,
        "p95_ms": 2 * median,
        **more,
    }


def timed(category="bagel", method="cfm", *, scale=1.0, **changes):
    latency = {
        "decode": {"median_ms": 5.0 * scale, "low_ms": None, "high_ms": None, "calls": 4, "p95_ms": None},
        "device": window(40.0 * scale, p99_ms=100.0),
        "end_to_end": window(50.0 * scale, p99_ms=None),
        "device_events": {"median_ms": None, "reason": "a CPU has no event clock"},
    }
    return make_record(method, category, **{"latency": latency, **changes})


def of(grid):
    """Return the numbers of a table by method, window (or '') and metric."""
    return {(entry["method"], entry.get("window", ""), entry["metric"]): entry for entry in entries(grid)}


def test_each_window_has_its_median_interval_percentiles_and_calls():
    found = of(timing_grid(group_of(timed("bagel"), timed("foam", scale=2.0))))
    row = {metric: found["cfm", "device", metric]["value"] for metric in ("median_ms", "low_ms", "high_ms", "p95_ms")}
    assert row == {"median_ms": 60.0, "low_ms": 59.0, "high_ms": 62.0, "p95_ms": 120.0}
    assert found["cfm", "device", "p99_ms"]["text"] == "100.0"
    assert found["cfm", "device", "calls"]["text"] == "200"


def test_what_has_too_few_calls_is_a_dash_with_the_reason():
    found = of(timing_grid(group_of(timed())))
    assert found["cfm", "decode", "median_ms"]["text"] == "5.0"
    assert "too few calls for an interval" in found["cfm", "decode", "low_ms"]["note"]
    assert "fewer than 59 calls" in found["cfm", "decode", "p95_ms"]["note"]
    assert "fewer than 299 calls" in found["cfm", "end_to_end", "p99_ms"]["note"]


def test_windows_that_no_record_has_are_named_with_the_reason():
    grid = timing_grid(group_of(timed()))
    assert {row.keys["window"] for row in grid.rows} == {"decode", "device", "end_to_end"} < set(WINDOWS)
    assert "device (CUDA events): a CPU has no event clock" in grid.caption
    assert "clean: not measured" in grid.caption


def test_a_window_that_one_method_lacks_is_a_row_of_dashes_for_it():
    events = {"latency": {"device_events": window(10.0)}}
    found = of(timing_grid(group_of(timed(), make_record("btf", **events))))
    assert found["btf", "device_events", "median_ms"]["text"] == "10.0"
    assert found["cfm", "device_events", "median_ms"]["text"] == "-"
    assert "a CPU has no event clock" in found["cfm", "device_events", "median_ms"]["note"]


def test_windows_compete_apart_and_intervals_do_not():
    grid = timing_grid(group_of(timed(), timed(method="btf", scale=0.5)))
    places = {(row.keys["method"], row.keys["window"]): [value.place for value in row.values] for row in grid.rows}
    assert places["btf", "device"] == [1, 0, 0, 1, 0, 0]
    assert places["cfm", "device"] == [2, 0, 0, 2, 0, 0]
    assert places["btf", "decode"] == [0] * 6, "the same work for every method"


@pytest.mark.parametrize(
    ("changes", "reason"), [({"environment": BUSY}, "others used 2 cores"), ({"environment": OTHER}, "several devices")]
)
def test_times_of_a_busy_machine_or_of_several_have_no_mean(changes, reason):
    found = of(timing_grid(group_of(timed("bagel"), timed("foam", **changes))))
    assert found["cfm", "device", "median_ms"]["text"] == "-"
    assert reason in found["cfm", "device", "median_ms"]["note"]


def test_methods_on_different_machines_do_not_compete():
    grid = timing_grid(group_of(timed(), timed(method="btf", scale=0.5, environment=OTHER)))
    assert {value.place for row in grid.rows for value in row.values} == {0}
    assert {label.note for row in grid.rows for label in row.labels if "GPU A" in label.note}


def remembered(category="bagel", method="cfm", *, source="VmHWM", peak=1000.0, weights=400.0, **changes):
    memory = {
        "state": {"weights_mb": weights, "bank_mb": 20.0, "other_mb": 1.5},
        "static": {"mb": 500.0, "source": "VmRSS"},
        "peak_fit": {"mb": 2 * peak, "source": source},
        "peak_inference": {"mb": peak, "source": source},
        "device_delta": {"mb": None, "source": "cuda mem_get_info", "reason": "the device is a CPU"},
    }
    return make_record(method, category, memory=memory, **changes)


def test_memory_part_by_part_with_its_source():
    grid = memory_grid(group_of(remembered("bagel"), remembered("foam", peak=2000.0)))
    found = of(grid)
    texts = {metric: entry["text"] for (_, _, metric), entry in found.items()}
    assert texts == {
        "weights_mb": "400.0",
        "bank_mb": "20.0",
        "other_mb": "1.5",
        "static_mb": "500.0",
        "peak_fit_mb": "3000.0",
        "peak_inference_mb": "1500.0",
        "peak_fit_reserved_mb": "-",
        "peak_inference_reserved_mb": "-",
        "device_delta_mb": "-",
    }
    assert found["cfm", "", "peak_fit_mb"]["how"] == "VmHWM"
    assert "static after fit: VmRSS; peak fit, peak inference: VmHWM" in grid.caption
    assert "the device is a CPU" in found["cfm", "", "device_delta_mb"]["note"]
    assert "its record has none" in found["cfm", "", "peak_fit_reserved_mb"]["note"]


def test_peaks_of_several_counters_are_neither_averaged_nor_compared():
    found = of(memory_grid(group_of(remembered("bagel"), remembered("foam", source="cuda"))))
    assert found["cfm", "", "peak_fit_mb"]["text"] == "-"
    assert "measured in several ways: VmHWM, cuda" in found["cfm", "", "peak_fit_mb"]["note"]
    grid = memory_grid(group_of(remembered(), remembered(method="btf", source="cuda", peak=10.0)))
    assert [row.values[5].place for row in grid.rows] == [0, 0]


def test_state_compares_across_machines_and_peaks_do_not():
    def places(**changes):
        lighter = remembered(method="btf", peak=10.0, weights=40.0, **changes)
        rows = memory_grid(group_of(remembered(), lighter)).rows
        return [(row.values[0].place, row.values[5].place) for row in rows]

    assert places() == [(1, 1), (2, 2)]
    assert places(environment=OTHER) == [(1, 0), (2, 0)]


def test_a_record_of_a_run_fills_every_column_of_the_state():
    grid = memory_grid(group_of(full_record(1)))
    assert [value.text for value in grid.rows[0].values[:3]] == ["437.9", "0.0", "14.8"]
