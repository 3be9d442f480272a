from dataclasses import replace

import pytest
from report_records import cells, complete, full_record, group_of, make_record, notes

from harness.data.registry import DATASETS
from harness.report.own_tables import cost_grid, defect_grid, memory_grid, summary_grid, timing_grid
from harness.report.render.data import entries
from harness.store.environment import Environment
from harness.store.quantities import WINDOWS, quantity

MVTEC = DATASETS["mvtec3d"].categories


BUSY = {
    "device": "cpu",
    "device_name": "Test CPU",
    "threads": 2,
    "contended": True,
    "contention": "others used 2.0 cores",
}


OTHER = {"device": "cuda:0", "device_name": "GPU A"}


def test_by_defect_each_column_covers_the_categories_that_have_the_defect():
    records = [
        make_record(category="bagel", defects=("crack", "hole")),
        make_record(category="foam", defects=("hole",), shift=0.02),
    ]
    grid = defect_grid(group_of(*records), quantity("aupro_30"))
    texts = dict(zip((column.keys["defect"] for column in grid.columns), grid.rows[0].values, strict=True))
    assert {defect: value.text for defect, value in texts.items()} == {
        "crack": "0.875",
        "hole": "0.885",
        "all": "0.985",
    }
    assert [column.heading for column in grid.columns] == ["crack\nn=2", "hole\nn=4", "all"]
    assert grid.title.startswith("AUPRO@30% exact by defect: MVTec 3D-AD")


def test_numbers_of_a_defect_compete_where_they_are_of_the_same_images():
    """Records of earlier versions count an image with several defects under the name of its folder alone."""
    kinds = ("good", "good", "hole", "hole", "combined")
    images = [
        {"id": str(i), "defect": kind, "label": int(kind != "good"), "score": 0.5} for i, kind in enumerate(kinds)
    ]
    now = [image | {"also": ("hole",)} if image["defect"] == "combined" else image for image in images]
    defects = ("combined", "hole")
    records = [
        make_record(defects=defects, images=images, shift=-0.02),
        make_record("cfm-t", defects=defects, images=now),
        make_record("cfm-s", defects=defects, images=now, shift=-0.01),
    ]
    grid = defect_grid(group_of(*records), quantity("i_auroc"))
    assert [column.heading for column in grid.columns] == ["combined\nn=1", "hole\nn=2 to 3", "all"]
    combined, hole = ([row.values[place].over for row in grid.rows] for place in (0, 1))
    assert len(set(combined)) == 1
    assert len(set(hole)) == 2
    assert sorted(map(hole.count, hole)) == [1, 2, 2]


def test_by_defect_of_nothing_is_no_table():
    assert defect_grid(group_of(make_record(defects=())), quantity("i_auroc")) is None


def test_a_defect_that_one_record_lacks_is_a_dash_for_it():
    records = [make_record(defects=("crack",)), make_record("cfm-t", defects=("crack", "hole"))]
    grid = defect_grid(group_of(*records), quantity("i_auroc"))
    hole = [row.values[1] for row in grid.rows]
    assert [value.text for value in hole] == ["-", "0.850"]
    assert hole[0].note == "undefined in bagel"


def test_speed_and_memory_beside_published_ones(published):
    grid = cost_grid(group_of(*complete()), published)
    found = cells(grid)
    assert [found["cfm", "measured", m] for m in ("device_median_ms", "end_to_end_median_ms", "fps", "memory_mb")] == [
        "40.0",
        "50.0",
        "25.0",
        "452.7",
    ]
    assert found["cfm", "published", "fps"] == "21.755"
    assert found["cfm", "published", "memory_mb"] == "437.91"
    assert found["cfm", "difference", "memory_mb"] == "+14.8"
    assert ("cfm", "difference", "fps") not in found, "another machine"
    assert "authors' machine" in notes(grid)["cfm", "published", "fps"]
    assert "measured on Test CPU, 2 threads" in notes(grid)["cfm", "measured", "fps"]


def test_energy_has_a_column_where_a_machine_tells_it(published):
    energy = {"strict": {"joules": 2.5, "source": "RAPL, 1 CPU package"}}
    told, silent = complete("cfm", energy=energy), complete("btf", energy={"strict": {"reason": "no counter here"}})
    grid = cost_grid(group_of(*told, *silent), published)
    headings = [column.heading for column in grid.columns]
    assert headings.index("J/image\n(strict)") == headings.index("fps\n(strict)") + 1
    assert cells(grid)["cfm", "measured", "energy_j"] == "2.500"
    assert cells(grid)["btf", "measured", "energy_j"] == "-"
    assert "no counter here" in notes(grid)["btf", "measured", "energy_j"]
    assert "RAPL, 1 CPU package" in grid.caption
    without = cost_grid(group_of(*silent), published)
    assert not any("J/image" in column.heading for column in without.columns)
    assert "J/image" not in without.caption


def test_frames_a_second_are_those_of_the_mean_latency():
    records = [
        make_record(category="bagel", latency={"device": {"median_ms": 10.0}}),
        make_record(category="foam", latency={"device": {"median_ms": 30.0}}),
    ]
    found = cells(cost_grid(group_of(*records), None))
    assert (found["cfm", "measured", "device_median_ms"], found["cfm", "measured", "fps"]) == ("20.0", "50.0")
    assert found["cfm", "measured", "end_to_end_median_ms"] == "-"


def test_times_of_several_machines_are_not_averaged():
    records = [
        make_record(category="bagel", environment={"device": "cuda:0", "device_name": "GPU A"}),
        make_record(category="foam", environment={"device": "cuda:0", "device_name": "GPU B"}),
    ]
    grid = cost_grid(group_of(*records), None)
    found = cells(grid)
    assert found["cfm", "measured", "device_median_ms"] == "-"
    assert found["cfm", "measured", "memory_mb"] == "452.7"
    assert "several devices: GPU A, GPU B" in notes(grid)["cfm", "measured", "device_median_ms"]


def test_what_computed_parts_stands_beside_speeds_and_two_ways_are_not_averaged():
    device = {"device": "cuda:0", "device_name": "GPU A"}
    graph, loop = ({**device, "implementations": {"farthest points": way}} for way in ("a graph", "a loop"))
    grid = cost_grid(group_of(make_record(environment=graph), make_record("cfm-t", environment=loop)), None)
    shown = " ".join(grid.notes)
    assert "GPU A; farthest points by a graph" in shown
    assert "GPU A; farthest points by a loop" in shown
    mixed = [make_record(category=name, environment=way) for name, way in (("bagel", graph), ("foam", loop))]
    grid = cost_grid(group_of(*mixed), None)
    assert cells(grid)["cfm", "measured", "device_median_ms"] == "-"
    assert cells(grid)["cfm", "measured", "memory_mb"] != "-"
    assert "several ways: farthest points by a graph / farthest points by a loop" in " ".join(grid.notes)


def test_speeds_in_default_math_have_columns_where_a_record_has_them():
    default = {"device_default": window(10.0), "end_to_end_default": window(15.0)}
    gpu = {"device": "cuda:0", "device_name": "GPU A"}
    fast = make_record(latency={"device": window(40.0), "end_to_end": window(50.0), **default}, environment=gpu)
    plain = make_record("cfm-t", environment=gpu)
    for made in (lambda group: cost_grid(group, None), summary_grid):
        grid = made(group_of(fast, plain))
        found = {(entry["method"], entry["metric"]): entry["text"] for entry in entries(grid)}
        assert (found["cfm", "device_median_ms"], found["cfm", "device_default_median_ms"]) == ("40.0", "10.0")
        assert found["cfm", "end_to_end_default_median_ms"] == "15.0"
        assert found["cfm-t", "device_default_median_ms"] == "-"
        headings = [column.heading for column in grid.columns]
        assert headings.index("infer ms\n(strict)") < headings.index("infer ms\n(default)")
        without = [column.heading for column in made(group_of(plain)).columns]
        assert [heading for heading in headings if "default" not in heading] == without
    assert cells(cost_grid(group_of(fast), None))["cfm", "measured", "fps_default"] == "100.0"


def test_memory_that_could_not_be_measured_is_a_dash_and_never_zero():
    grid = cost_grid(group_of(make_record(memory={"paper_mb": None})), None)
    assert cells(grid)["cfm", "measured", "memory_mb"] == "-"


def test_times_of_a_busy_machine_are_left_out_and_memory_stays():
    quiet, busy = make_record(category="bagel"), make_record(category="foam", environment=BUSY)
    for records in ([quiet, busy], [busy, quiet]):
        grid = cost_grid(group_of(*records), None)
        found, told = cells(grid), notes(grid)
        for metric in ("device_median_ms", "end_to_end_median_ms", "fps"):
            assert found["cfm", "measured", metric] == "-"
            assert "no mean without foam: others used 2.0 cores; close" in told["cfm", "measured", metric]
        assert found["cfm", "measured", "memory_mb"] == "452.7"


def test_a_busy_machine_that_says_no_more_still_has_no_times():
    busy = [make_record(category=name, environment={**BUSY, "contention": ""}) for name in ("bagel", "foam")]
    told = notes(cost_grid(group_of(*busy), None))["cfm", "measured", "fps"]
    assert "no mean without bagel, foam: something else kept the device busy; close" in told


def test_best_times_are_those_of_quiet_machines():
    records = [*complete(), *complete("cfm-t", environment=BUSY), *complete("cfm-s", latency={})]
    grid = cost_grid(group_of(*records), None)
    assert {row.keys["method"]: row.values[0].text for row in grid.rows} == {"cfm": "40.0", "cfm-s": "-", "cfm-t": "-"}
    assert {row.values[0].place for row in grid.rows} == {0}


def test_times_of_different_machines_do_not_compete():
    fast = complete("cfm-t", latency={"device": {"median_ms": 10.0}}, memory={"paper_mb": 48.6})
    other = Environment(device="cuda:0", device_name="GPU A")
    moved = [replace(record, environment=other) for record in fast]
    places = [
        [[value.place for value in row.values] for row in cost_grid(group_of(*complete(), *records), None).rows]
        for records in (fast, moved)
    ]
    assert places == [[[2, 0, 2, 2, 0], [1, 0, 1, 1, 0]], [[0, 0, 0, 2, 0], [0, 0, 0, 1, 0]]]


def with_peak(category="bagel", method="cfm", **peak):
    return make_record(method, category, memory={"paper_mb": 437.9, "peak_inference": peak})


def test_the_measured_peak_has_a_column_beside_the_papers_and_says_its_source(published):
    records = [with_peak("bagel", mb=1000.0, source="VmHWM"), with_peak("foam", mb=2000.0, source="VmHWM")]
    grid = cost_grid(group_of(*records), published)
    found = cells(grid)
    assert found["cfm", "measured", "peak_inference_mb"] == "1500.0"
    assert found["cfm", "measured", "memory_mb"] == "437.9"
    assert found["cfm", "published", "peak_inference_mb"] == "-"
    assert ("cfm", "difference", "peak_inference_mb") not in found
    assert grid.caption.endswith("peak: the most that was held in inference (VmHWM)")


def test_peaks_that_were_measured_in_several_ways_are_not_averaged():
    records = [with_peak("bagel", mb=1000.0, source="VmHWM"), with_peak("foam", mb=2000.0, source="another")]
    grid = cost_grid(group_of(*records), None)
    assert cells(grid)["cfm", "measured", "peak_inference_mb"] == "-"
    assert "measured in several ways: VmHWM, another" in notes(grid)["cfm", "measured", "peak_inference_mb"]


def test_a_peak_that_could_not_be_measured_says_why():
    unknown = with_peak("foam", mb=None, source="VmHWM", reason="no /proc")
    records = [with_peak("bagel", mb=1.0, source="VmHWM"), unknown]
    grid = cost_grid(group_of(*records), None)
    assert notes(grid)["cfm", "measured", "peak_inference_mb"].endswith("undefined in foam: no /proc")
    older = cost_grid(group_of(make_record()), None)
    assert notes(older)["cfm", "measured", "peak_inference_mb"].endswith("undefined in bagel: its record has none")
    assert "peak:" not in older.caption


def test_what_kept_many_machines_busy_is_shortened():
    many = [
        make_record(category=name, environment={**BUSY, "contention": f"other processes used {i} of 64 cores"})
        for i, name in enumerate(MVTEC)
    ]
    told = notes(cost_grid(group_of(*many), None))["cfm", "measured", "fps"]
    assert "; other processes used 1 of 64 cores; " in told
    assert " ...; close" in told
    assert len(told) < 500


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
    row = {name: found["cfm", "device", f"device_{name}_ms"]["value"] for name in ("median", "low", "high", "p95")}
    assert row == {"median": 60.0, "low": 59.0, "high": 62.0, "p95": 120.0}
    assert found["cfm", "device", "device_p99_ms"]["text"] == "100.0"
    assert found["cfm", "device", "device_calls"]["text"] == "200"


def test_what_has_too_few_calls_is_a_dash_with_the_reason():
    found = of(timing_grid(group_of(timed())))
    assert found["cfm", "decode", "decode_median_ms"]["text"] == "5.0"
    assert "too few calls for an interval" in found["cfm", "decode", "decode_low_ms"]["note"]
    assert "fewer than 59 calls" in found["cfm", "decode", "decode_p95_ms"]["note"]
    assert "fewer than 299 calls" in found["cfm", "end_to_end", "end_to_end_p99_ms"]["note"]


def test_windows_that_no_record_has_are_named_with_the_reason():
    grid = timing_grid(group_of(timed()))
    assert {row.keys["window"] for row in grid.rows} == {"decode", "device", "end_to_end"} < set(WINDOWS)
    assert "device (strict, CUDA events): a CPU has no event clock" in grid.caption
    assert "clean: not measured" in grid.caption


def test_a_window_that_one_method_lacks_is_a_row_of_dashes_for_it():
    events = {"latency": {"device_events": window(10.0)}}
    found = of(timing_grid(group_of(timed(), make_record("btf", **events))))
    assert found["btf", "device_events", "device_events_median_ms"]["text"] == "10.0"
    assert found["cfm", "device_events", "device_events_median_ms"]["text"] == "-"
    assert "a CPU has no event clock" in found["cfm", "device_events", "device_events_median_ms"]["note"]


def test_windows_compete_apart_and_intervals_do_not():
    grid = timing_grid(group_of(timed(), timed(method="btf", scale=0.5)))
    places = {(row.keys["method"], row.keys["window"]): [value.place for value in row.values] for row in grid.rows}
    assert places["btf", "device"] == [1, 0, 0, 1, 0, 0]
    assert places["cfm", "device"] == [2, 0, 0, 2, 0, 0]
    assert places["btf", "decode"] == [0] * 6, "the same work for every method"


@pytest.mark.parametrize(
    ("environment", "reason"), [(BUSY, "others used 2.0 cores"), (OTHER, "several devices: Test CPU, 2 threads, GPU A")]
)
def test_times_of_a_busy_machine_or_of_several_have_no_mean(environment, reason):
    found = of(timing_grid(group_of(timed("bagel"), timed("foam", environment=environment))))
    assert found["cfm", "device", "device_median_ms"]["text"] == "-"
    assert reason in found["cfm", "device", "device_median_ms"]["note"]


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
