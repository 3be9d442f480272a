from dataclasses import replace

import pytest
from report_records import METRICS, make_record

from harness.data.base import DATASETS
from harness.report.own_tables import accuracy_grid, defect_grid
from harness.report.compare import published_labels
from harness.report.own_tables import cost_grid
from harness.report.groups import group_records
from harness.store.quantities import quantity
from harness.report.render.text import entries
from harness.store.published import read_published
from harness.store.record import Environment

MVTEC = DATASETS["mvtec3d"].categories


@pytest.fixture(scope="module")
def published():
    return read_published()


def group_of(*records):
    (group,) = group_records(records)
    return group


def complete(method="cfm", **changes):
    return [make_record(method, category, **changes) for category in MVTEC]


def cells(grid):
    """Return method, source and metric of every number with its printed text."""
    return {(entry["method"], entry["source"], entry["metric"]): entry["text"] for entry in entries(grid)}


def notes(grid):
    return {(e["method"], e["source"], e.get("metric", "")): e["note"] for e in entries(grid)}


def test_measured_published_and_difference(published):
    grid = accuracy_grid(group_of(*complete(shift=0.01)), published)
    found = cells(grid)
    assert [found["cfm", source, "i_auroc"] for source in ("measured", "published", "difference")] == [
        "0.960",
        "0.954",
        "+0.006",
    ]
    assert found["cfm", "difference", "aupro_1_official"] == "+0.005"
    assert grid.caption == "means over all 10 categories"
    assert grid.warning == ""


def test_exact_and_official_aupro_never_meet(published):
    grid = accuracy_grid(group_of(*complete()), published)
    assert [column.keys["metric"] for column in grid.columns] == list(METRICS)
    found = cells(grid)
    for metric in ("aupro_30", "aupro_1"):
        assert found["cfm", "published", metric] == "-"
        assert ("cfm", "difference", metric) not in found
        assert notes(grid)["cfm", "published", metric] == "papers print the official AUPRO only"
    assert found["cfm", "published", "aupro_1_official"] == "0.455"


def test_a_difference_of_nothing_has_no_sign(published):
    exact = [replace(r, metrics={**r.metrics, "i_auroc": 0.95399}) for r in complete()]
    assert cells(accuracy_grid(group_of(*exact), published))["cfm", "difference", "i_auroc"] == "0.000"


def test_an_incomplete_method_says_what_it_lacks_and_stands_beside_the_same_categories(published):
    records = [
        make_record(category="bagel"),
        make_record(category="carrot"),
        make_record(category="foam", status="oom"),
    ]
    grid = accuracy_grid(group_of(*records), published)
    assert grid.rows[0].labels[0].text == "cfm (2 of 10)"
    assert (
        grid.rows[0]
        .labels[0]
        .note.startswith("without cable_gland (not run), cookie (not run), dowel (not run), foam (oom)")
    )
    assert "as many as the brackets say" in grid.caption
    found = cells(grid)
    assert found["cfm", "published", "i_auroc"] == "0.989", "the mean of 0.994 and 0.984"
    assert found["cfm", "difference", "i_auroc"] == "-0.039"
    assert found["cfm", "published", "p_auroc"] == "-"
    told = notes(grid)
    assert "mean of the published values of bagel, carrot" in told["cfm", "published", "i_auroc"]
    assert "published as a mean over all categories only" in told["cfm", "published", "p_auroc"]
    assert {entry["category"] for entry in entries(grid)} == {"bagel+carrot"}


@pytest.mark.parametrize(
    "changes",
    [{"weights": "random"}, {"preset": "quick"}, {"dataset": "toy"}, {"shots": 10, "split": "2"}],
)
def test_what_is_not_comparable_stands_alone_under_a_warning(published, changes):
    categories = DATASETS[changes.get("dataset", "mvtec3d")].categories
    group = group_of(*(make_record(category=category, **changes) for category in categories))
    for grid in (accuracy_grid(group, published), cost_grid(group, published)):
        assert grid.warning.startswith("Not comparable with published numbers: ")
        assert {row.keys["source"] for row in grid.rows} == {"measured"}


def test_without_published_numbers_there_is_no_warning_and_no_column_of_sources():
    grid = accuracy_grid(group_of(*complete(weights="random")), None)
    assert (grid.warning, grid.label_headings) == ("", ("method",))


def test_parameters_that_nobody_published_stand_alone_in_a_comparable_group(published):
    grid = accuracy_grid(group_of(*complete(), *complete("cfm[bn_stats=running]")), published)
    alone = [row for row in grid.rows if row.keys["method"] == "cfm[bn_stats=running]"]
    assert [row.keys["source"] for row in alone] == ["measured"]
    assert alone[0].labels[0].note == "nothing is published for these parameters"


@pytest.mark.parametrize(
    ("method", "labels"),
    [
        ("cfm", ("cfm", "cfm[aggregate=product]")),
        ("cfm[aggregate=product]", ("cfm", "cfm[aggregate=product]")),
        ("cfm[epochs=50,aggregate=3d]", ("cfm[epochs=50,aggregate=3d]",)),
        ("cfm[aggregate=2d,mapping=intra,epochs=50]", ("cfm[mapping=intra,epochs=50,aggregate=2d]",)),
        ("cfm-t", ("cfm-t",)),
        ("cfm[lr=0.01]", ()),
    ],
)
def test_a_method_is_recognised_by_its_resolved_parameters(published, method, labels):
    assert published_labels(group_of(make_record(method)).methods[0], published) == labels


def test_a_method_that_is_not_installed_is_recognised_by_its_label(published):
    record = make_record()
    cell = replace(record.cell, method="depth-gan", parameters={"depth": 4}, given={})
    assert published_labels(group_of(replace(record, cell=cell)).methods[0], published) == ("depth-gan",)
    named = replace(cell, given={"depth": 4})
    assert published_labels(group_of(replace(record, cell=named)).methods[0], published) == ()


def test_few_shot_numbers_stand_beside_those_of_as_many_shots(published):
    grid = accuracy_grid(group_of(*complete(shots=10)), published)
    assert cells(grid)["cfm", "published", "i_auroc"] == "0.845"


def test_best_and_runner_up_among_methods_with_the_same_categories(published):
    records = [*complete(), *complete("cfm-t", shift=-0.1), make_record("cfm-s", shift=0.04)]
    grid = accuracy_grid(group_of(*records), published)
    places = {(row.keys["method"], row.keys["source"]): row.values[0].place for row in grid.rows}
    assert places["cfm", "measured"] == 1
    assert places["cfm-t", "measured"] == 2
    assert places["cfm-s", "measured"] == 0, "one category is no match for ten"
    assert {place for (_, source), place in places.items() if source != "measured"} == {0}


def test_weights_that_are_not_the_published_ones_are_told(published):
    records = complete(notes=("pretrain.pth is not the published file",))
    assert accuracy_grid(group_of(*records), published).notes[0] == "pretrain.pth is not the published file"


def test_a_method_whose_cells_all_failed_is_a_row_of_dashes(published):
    records = [*complete(), *complete("cfm-t", status="failed", reason="NaN loss")]
    grid = accuracy_grid(group_of(*records), published)
    failed = [row for row in grid.rows if row.keys["method"] == "cfm-t"]
    assert len(failed) == 1
    assert {value.text for value in failed[0].values} == {"-"}
    assert "bagel (failed: NaN loss)" in failed[0].labels[0].note


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
    assert [found["cfm", "measured", m] for m in ("infer_ms", "end_to_end_ms", "fps", "memory_mb")] == [
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


def test_frames_a_second_are_those_of_the_mean_latency():
    records = [
        make_record(category="bagel", latency={"device": {"median_ms": 10.0}}),
        make_record(category="foam", latency={"device": {"median_ms": 30.0}}),
    ]
    found = cells(cost_grid(group_of(*records), None))
    assert (found["cfm", "measured", "infer_ms"], found["cfm", "measured", "fps"]) == ("20.0", "50.0")
    assert found["cfm", "measured", "end_to_end_ms"] == "-"


def test_times_of_several_machines_are_not_averaged():
    records = [
        make_record(category="bagel", environment={"device": "cuda:0", "device_name": "GPU A"}),
        make_record(category="foam", environment={"device": "cuda:0", "device_name": "GPU B"}),
    ]
    grid = cost_grid(group_of(*records), None)
    found = cells(grid)
    assert found["cfm", "measured", "infer_ms"] == "-"
    assert found["cfm", "measured", "memory_mb"] == "452.7"
    assert "several devices: GPU A, GPU B" in notes(grid)["cfm", "measured", "infer_ms"]


def test_memory_that_could_not_be_measured_is_a_dash_and_never_zero():
    grid = cost_grid(group_of(make_record(memory={"paper_mb": None})), None)
    assert cells(grid)["cfm", "measured", "memory_mb"] == "-"


BUSY = {
    "device": "cpu",
    "device_name": "Test CPU",
    "threads": 2,
    "contended": True,
    "contention": "others used 2.0 cores",
}


def test_times_of_a_busy_machine_are_left_out_and_memory_stays():
    quiet, busy = make_record(category="bagel"), make_record(category="foam", environment=BUSY)
    for records in ([quiet, busy], [busy, quiet]):
        grid = cost_grid(group_of(*records), None)
        found, told = cells(grid), notes(grid)
        for metric in ("infer_ms", "end_to_end_ms", "fps"):
            assert found["cfm", "measured", metric] == "-"
            assert told["cfm", "measured", metric].endswith("no mean without foam: others used 2.0 cores")
        assert found["cfm", "measured", "memory_mb"] == "452.7"


def test_a_busy_machine_that_says_no_more_still_has_no_times():
    busy = [make_record(category=name, environment={**BUSY, "contention": ""}) for name in ("bagel", "foam")]
    told = notes(cost_grid(group_of(*busy), None))["cfm", "measured", "fps"]
    assert told.endswith("no mean without bagel, foam: something else kept the device busy")


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
    assert told.endswith(" ...")
    assert len(told) < 400
