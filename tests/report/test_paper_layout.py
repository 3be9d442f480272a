from dataclasses import replace

import pytest
from report_records import complete, make_record

from harness.data.registry import DATASETS
from harness.report.grid import Value
from harness.report.groups import group_records
from harness.report.render.data import entries
from harness.report.tables import TableRequest, measured_grids
from harness.store.paper import PAPER_TABLES
from harness.store.published import MEAN
from harness.store.query import RecordQuery

MVTEC = DATASETS["mvtec3d"].categories
OTHER_MACHINE = {"device": "cuda:0", "device_name": "GPU A"}


def tables(records, published, number, **request):
    return measured_grids(records, published, TableRequest(tables=(str(number),), **request))


def rows(grid):
    return [(row.keys["method"], row.keys["source"]) for row in grid.rows]


def cells(grid):
    return {
        (entry["method"], entry["source"], entry["metric"], entry.get("category"), entry["shots"]): entry
        for entry in entries(grid)
    }


def texts(grid, method, source, metric):
    """Return the printed numbers of a row in a metric, by category or number of samples."""
    return {
        entry["category"] if entry["category"] != MEAN else entry["shots"]: entry["text"]
        for (name, of, what, _, _), entry in cells(grid).items()
        if (name, of, what) == (method, source, metric)
    }


def test_table_1_measured_published_and_difference_by_category(published):
    auroc, aupro = tables(complete(shift=0.01), published, 1)
    assert auroc.title == "Table 1. MVTec 3D-AD: I-AUROC by category"
    assert aupro.title == "Table 1. MVTec 3D-AD: AUPRO@30% official by category"
    assert (auroc.warning, aupro.warning) == ("", "")
    assert [column.keys["category"] for column in auroc.columns] == [*MVTEC, MEAN]
    found = [texts(auroc, "cfm", source, "i_auroc") for source in ("measured", "published", "difference")]
    assert [row["bagel"] for row in found] == ["0.960", "0.994", "-0.034"]
    assert [row["full"] for row in found] == ["0.960", "0.954", "+0.006"]


def test_rows_are_in_the_papers_order_and_what_it_lacks_follows(published):
    records = [*complete("cfm-s"), *complete("btf"), *complete("cfm")]
    (grid,) = tables(records, published, 2)
    assert rows(grid) == [
        *(("btf", source) for source in ("measured", "published", "difference")),
        ("ast", "published"),
        ("m3dm", "published"),
        *(("cfm", source) for source in ("measured", "published", "difference")),
        ("cfm-m", "published"),
        ("cfm-s", "measured"),
    ]


def test_exact_numbers_have_no_place_in_the_papers_tables(published):
    shown = {metric for table in PAPER_TABLES for metric in table.metrics}
    assert not shown & {"aupro_30", "aupro_1"}


def test_best_and_runner_up_compete_among_measured_and_among_published_rows(published):
    records = [*complete("cfm"), *complete("btf", shift=-0.1), *complete("ast", shift=-0.2)]
    grid, _ = tables(records, published, 1)
    places = {(row.keys["method"], row.keys["source"]): row.values[-1].place for row in grid.rows}
    assert [places[method, "measured"] for method in ("cfm", "btf", "ast")] == [1, 2, 0]
    assert [places[method, "published"] for method in ("cfm-m", "cfm", "m3dm")] == [1, 2, 0]
    assert {place for (_, source), place in places.items() if source == "difference"} == {0}


def test_a_missing_cell_is_a_dash_and_a_mean_says_what_it_lacks(published):
    records = [r for r in complete() if r.cell.category not in ("foam", "rope")]
    records += [make_record(category="foam", status="oom", reason="out of memory"), *complete("btf", shift=-0.1)]
    grid, _ = tables(records, published, 1)
    (row,) = [row for row in grid.rows if (row.keys["method"], row.keys["source"]) == ("cfm", "measured")]
    assert row.labels[0] == Value("cfm (8 of 10)", note="without foam (oom: out of memory), rope (not run)")
    by_category = dict(zip([column.keys["category"] for column in grid.columns], row.values, strict=True))
    assert [(by_category[name].text, by_category[name].note) for name in ("foam", "rope")] == [
        ("-", "oom: out of memory"),
        ("-", "not run"),
    ]
    assert (by_category[MEAN].text, by_category[MEAN].note) == ("0.950", "")
    differences = texts(grid, "cfm", "difference", "i_auroc")
    assert set(differences) == {*MVTEC} - {"foam", "rope"}, "no difference of means over other categories"
    assert [row.values[-1].place for row in grid.rows if row.keys["source"] == "measured"] == [0, 0]


@pytest.mark.parametrize("changes", [{"weights": "random"}, {"preset": "quick"}, {"dataset": "toy", "shots": 10}])
@pytest.mark.parametrize("number", [1, 2, 5])
def test_what_is_not_comparable_has_the_layout_and_the_reason(published, changes, number):
    categories = DATASETS[changes.get("dataset", "mvtec3d")].categories
    records = [make_record(method, name, **changes) for name in categories for method in ("cfm-t", "cfm", "btf")]
    grids = measured_grids(records, published, TableRequest())
    found = [grid for grid in grids if grid.keys.get("table") == str(number)]
    assert len(found) == (2 if number == 1 else 1)
    for grid in found:
        assert grid.warning.startswith("Not comparable with published numbers: ")
        assert f"as in Table {number}: " in grid.title
        assert rows(grid) == [("btf", "measured"), ("cfm", "measured"), ("cfm-t", "measured")]


def test_without_published_numbers_the_rows_are_measured_ones_in_the_papers_order():
    grid, _ = tables([*complete("cfm"), *complete("ast"), *complete("btf")], None, 1)
    assert rows(grid) == [("btf", "measured"), ("ast", "measured"), ("cfm", "measured")]
    assert (grid.warning, grid.label_headings) == ("", ("method",))


def test_table_4_joins_training_set_sizes(published):
    records = [*complete(shots=5, shift=-0.1), *complete(shots=50, shift=-0.05), *complete(), *complete("cfm-t")]
    grids = tables(records, published, 4)
    assert [grid.title.partition(": ")[2] for grid in grids] == [
        f"{name} by training samples" for name in ("I-AUROC", "P-AUROC", "AUPRO@30% official", "AUPRO@1% official")
    ]
    grid = grids[0]
    assert texts(grid, "cfm", "measured", "i_auroc") == {"5": "0.850", "10": "-", "50": "0.900", "full": "0.950"}
    assert texts(grid, "cfm", "difference", "i_auroc") == {"5": "+0.039", "50": "-0.006", "full": "-0.004"}
    assert rows(grid)[-1] == ("cfm-t", "measured")
    assert "not run with 10 training samples" in grid.notes
    assert [grid.keys.get("table") for grid in measured_grids(complete(), published, TableRequest())].count("4") == 0


def test_table_4_keeps_the_papers_numbers_of_samples(published):
    grid = tables([*complete(shots=3), *complete(shots=5)], published, 4)[0]
    assert [column.keys["shots"] for column in grid.columns] == ["5", "10", "50", "full"]
    assert set(texts(grid, "cfm", "difference", "i_auroc")) == {"5"}


def test_table_5_has_energy_beside_the_frame_rate_where_a_record_tells_it(published):
    told = complete(energy={"strict": {"joules": 2.5, "source": "NVML, the GPU's board"}})
    (grid,) = tables(told, published, 5)
    assert [column.keys["metric"] for column in grid.columns][:3] == ["fps", "energy_j", "memory_mb"]
    assert texts(grid, "cfm", "measured", "energy_j") == {"full": "2.500"}
    assert texts(grid, "cfm", "published", "energy_j") == {"full": "-"}
    assert "no paper prints it" in grid.notes
    (without,) = tables(complete(), published, 5)
    assert [column.keys["metric"] for column in without.columns][:2] == ["fps", "memory_mb"]


def test_other_numbers_of_samples_make_a_table_of_their_own(published):
    records = [*complete(shots=20), *complete(shots=1), *complete()]
    (grid, *_) = tables(records, None, 4)
    assert [column.keys["shots"] for column in grid.columns] == ["1", "20", "full"]
    assert set(texts(grid, "cfm", "measured", "i_auroc")) == {"1", "20", "full"}
    warned = tables(records[:-10], published, 4)[-4]
    assert "none for 'mvtec3d' with" in warned.warning


def test_in_table_4_a_mean_says_what_it_lacks_and_competes_with_means_over_the_same_categories(published):
    some = [r for r in complete(shots=5) if r.cell.category not in ("foam", "rope")]
    fewer = [r for r in complete("btf", shots=5, shift=-0.1) if r.cell.category not in ("foam", "rope")]
    records = [*some, *complete(shots=10), *fewer, *complete("ast", shots=5, shift=0.02)]
    grid = tables(records, published, 4)[0]
    rows = {row.keys["method"]: row for row in grid.rows if row.keys["source"] == "measured"}
    lacking = "mean of 8 of 10 categories: without foam, rope"
    assert [value.note for value in rows["cfm"].values[:2]] == [lacking, ""]
    assert rows["cfm"].labels[0].text == "cfm"
    assert [rows[name].values[0].place for name in ("cfm", "btf", "ast")] == [1, 2, 0]
    assert set(texts(grid, "cfm", "difference", "i_auroc")) == {"10"}, "no difference of means over other categories"


def test_random_few_shot_samples_do_not_stand_beside_the_first_ones(published):
    records = [*complete(shots=5, split="1"), *complete(shots=10, split="1")]
    found = [grid for grid in measured_grids(records, published, TableRequest()) if grid.keys.get("table") == "4"]
    assert len(found) == 4
    assert "(split 'first')" in found[0].warning
    assert rows(found[0]) == [("cfm", "measured")]


def test_table_5_has_speed_without_a_difference(published):
    (grid,) = tables(complete(), published, 5)
    found = {(entry["source"], entry["metric"]): entry for entry in entries(grid) if entry["method"] == "cfm"}
    assert [found[source, "memory_mb"]["text"] for source in ("measured", "published", "difference")] == [
        "452.7",
        "437.91",
        "+14.8",
    ]
    assert found["measured", "fps"]["text"] == "25.0"
    assert "measured on Test CPU, 2 threads" in found["measured", "fps"]["note"]
    assert "authors' machine" in found["published", "fps"]["note"]
    assert ("difference", "fps") not in found


def test_speeds_of_different_machines_stand_in_different_tables(published):
    slow = complete("cfm-t", latency={"device": {"median_ms": 80.0}})
    alike, apart = ([*complete(), *slow], [*complete(environment=OTHER_MACHINE), *slow])
    places = [
        [[row.values[0].place for row in grid.rows] for grid in tables(records, None, 5)] for records in (alike, apart)
    ]
    assert places == [[[1, 2]], [[0], [0]]]


def test_tables_6_and_7_hold_variants_only(published):
    records = [
        *complete("btf"),
        *complete("cfm"),
        *complete("cfm[aggregate=sum]"),
        *complete("cfm[mapping=intra,epochs=50,aggregate=2d]"),
    ]
    (six,) = tables(records, published, 6)
    measured = [method for method, source in rows(six) if source == "measured"]
    assert measured == ["cfm[aggregate=sum]", "cfm[aggregate=product]"]
    assert ("btf", "measured") not in rows(six)
    (seven,) = tables(records, published, 7)
    assert [method for method, source in rows(seven) if source == "measured"] == [
        "cfm[mapping=intra,epochs=50,aggregate=2d]"
    ]


def test_variants_on_other_data_make_tables_6_and_7(published):
    def shown(*methods):
        records = [
            make_record(method, name, dataset="toy", preset="quick", weights="random")
            for method in methods
            for name in DATASETS["toy"].categories
        ]
        grids = measured_grids(records, published, TableRequest())
        return {grid.keys["table"]: rows(grid) for grid in grids if grid.keys.get("table") in ("6", "7")}

    assert shown("cfm", "btf") == {}
    assert shown("cfm", "cfm[aggregate=2d]") == {"6": [("cfm[aggregate=2d]", "measured"), ("cfm", "measured")]}
    both = shown("cfm[mapping=intra]", "cfm")
    assert both == {"7": [("cfm[mapping=intra]", "measured"), ("cfm", "measured")]}


def test_released_weights_stand_below_the_method_they_are_of(published):
    records = [*complete(shift=0.01), *complete(checkpoint="0123456789abcdef")]
    (grid,) = tables(records, published, 2)
    names = rows(grid)
    start = names.index(("cfm", "measured"))
    assert names[start : start + 5] == [
        ("cfm", "measured"),
        ("cfm", "published"),
        ("cfm", "difference"),
        ("cfm (released weights)", "measured"),
        ("cfm (released weights)", "difference"),
    ]


def test_remarks_of_records_are_footnotes_of_the_row(published):
    (grid,) = tables(complete(notes=("pretrain.pth is not the published file",)), published, 2)
    assert "pretrain.pth is not the published file" in grid.notes


def test_eyecandies_has_table_3(published):
    records = [make_record(category=name, dataset="eyecandies") for name in DATASETS["eyecandies"].categories]
    grids = measured_grids(records, published, TableRequest())
    (three,) = [grid for grid in grids if grid.keys.get("table") == "3"]
    assert three.title == "Table 3. Eyecandies: means over its categories"
    assert ("cfm", "difference") in rows(three)
    one = next(grid for grid in grids if grid.keys.get("table") == "1")
    assert one.warning == "Not comparable: the paper has these numbers for MVTec 3D-AD only."


def test_few_shot_groups_keep_the_other_layouts_with_the_reason(published):
    grids = measured_grids(complete(shots=5), published, TableRequest())
    found = {grid.keys.get("table"): grid.warning for grid in grids if grid.keys["kind"] == "paper"}
    assert found["4"] == ""
    assert found["1"].startswith("Not comparable: the paper has these numbers for all training samples only")


def test_a_method_that_is_no_longer_installed_follows(published):
    records = [replace(r, cell=replace(r.cell, method="gone", parameters={})) for r in complete()]
    (group,) = group_records(records)
    assert [method.label for method in group.methods] == ["gone"]
    (grid,) = tables(records, published, 2)
    assert rows(grid)[-1] == ("gone", "measured")


def test_eyecandies_gives_no_difference_to_rows_of_deeper_mappings(published):
    names = DATASETS["eyecandies"].categories
    records = [make_record(method, name, dataset="eyecandies") for method in ("cfm", "ast") for name in names]
    three, exact = measured_grids(records, published, TableRequest(RecordQuery("eyecandies"), tables=("3", "exact")))
    for grid in (three, exact):
        found = {(entry["method"], entry["source"], entry["metric"]): entry for entry in entries(grid)}
        for source in ("measured", "published"):
            assert found["cfm", source, "i_auroc"]["value"] is not None
        assert found["cfm", "difference", "i_auroc"]["value"] is None
        assert found["cfm", "difference", "i_auroc"]["text"] == "-"
        assert "deeper mappings, 50 epochs and batches of 2" in found["cfm", "difference", "i_auroc"]["note"]
        assert "deeper mappings" in found["cfm", "measured", "i_auroc"]["note"]
        assert found["ast", "difference", "i_auroc"]["value"] is not None
        assert "deeper" not in found["ast", "measured", "i_auroc"]["note"]


def test_memory_that_nobody_can_explain_has_a_footnote(published):
    (grid,) = tables(complete("cfm-s"), published, 5)
    found = {(entry["method"], entry["source"]): entry for entry in entries(grid) if entry["metric"] == "memory_mb"}
    noted = {method for (method, source), entry in found.items() if "unexplained" in entry["note"]}
    assert noted == {"cfm-s", "m3dm"}
    assert "unexplained" not in found["cfm-s", "measured"]["note"]


def test_a_re_implemented_baseline_stands_beside_its_published_row_with_its_note_and_without_a_difference(published):
    for number, sources in ((1, ["measured", "published", "difference"]), (2, ["measured"])):
        for grid in tables([*complete("voxel-vm"), *complete("cfm")], published, number):
            assert [source for method, source in rows(grid) if method == "voxel-vm"] == sources
            gaps = [entry for key, entry in cells(grid).items() if key[:2] == ("voxel-vm", "difference")]
            assert all(entry["value"] is None and "another implementation" in entry["note"] for entry in gaps)
            firsts = {row.keys["method"]: row for row in reversed(grid.rows) if row.keys["source"] == "measured"}
            note = "re-implemented, details of the original unpublished"
            assert [note in firsts[method].labels[0].note for method in ("voxel-vm", "cfm")] == [True, False]
