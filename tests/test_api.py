"""The verbs as functions: run, results, table, tables, evaluate."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from count_records import counted_record
from report_records import make_record

import harness
from harness.errors import PrerequisiteError, UsageError
from harness.report.tables import NothingMeasuredError
from harness.store.store import Store

SCRIPT = """
import json, harness
records = harness.run("colour-distance", dataset="mvtec3d", data={data!r}, shots=[5], weights="random", devices="cpu",
                      preset="quick", progress=False)
again = harness.run(["colour-distance"], dataset="mvtec3d", data={data!r}, shots=[5], weights="random", devices="cpu",
                    preset="quick")
grid = harness.table("accuracy", dataset="mvtec3d")
print(json.dumps([[record.cell.category, record.status, record.created] for record in records]))
print(json.dumps([[record.cell.category, record.status, record.created] for record in again]))
print(len(grid.rows), grid.rows[0].keys["method"], callable(harness.run))
"""


@pytest.fixture
def folder(tmp_path):
    """Two methods in two categories of the toy dataset, and a failed cell."""
    store = Store(tmp_path / "results")
    for seed, (method, category) in enumerate((m, c) for m in ("cfm", "cfm-t") for c in ("bump", "ridge")):
        store.write(counted_record(store, method, category, seed, dataset="toy", shots=10))
    store.write(make_record("btf", "bump", dataset="toy", shots=10, status="failed", reason="no open3d"))
    return store.folder


def test_methods_run_from_python_and_are_not_run_twice(tiny_mvtec, plugin_site, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(data=str(tiny_mvtec))],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(plugin_site), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second, last = done.stdout.splitlines()
    assert [row[:2] for row in json.loads(first)] == [["bagel", "ok"], ["carrot", "ok"]]
    assert json.loads(second) == json.loads(first)
    assert last == "1 colour-distance True"


def test_published_tables_need_no_records(tmp_path):
    grids = harness.tables("all", tmp_path / "nothing", source="published", dataset="mvtec3d", shots=[10])
    assert {grid.keys["table"] for grid in grids} == {"4"}
    assert {row.keys["source"] for grid in grids for row in grid.rows} == {"published"}
    with pytest.raises(UsageError, match="published"):
        harness.tables("rank", tmp_path / "nothing", source="published")


def test_results_are_selected_by_the_fields_of_a_query(folder):
    everything = harness.results(folder)
    assert len(everything) == 5
    chosen = harness.results(folder, methods="cfm*", categories=["bump"], shots=10)
    assert [record.cell.method for record in chosen] == ["cfm", "cfm-t"]
    assert {record.status for record in harness.results(folder, statuses="failed")} == {"failed"}


@pytest.mark.parametrize(
    ("query", "fact"),
    [
        ({"method": "cfm"}, "method"),
        ({"methods": "nix"}, "nix"),
        ({"dataset": "nix"}, "nix"),
        ({"shots": "few"}, "few"),
    ],
)
def test_unknown_fields_and_names_are_refused(folder, query, fact):
    with pytest.raises(UsageError, match=fact):
        harness.results(folder, **query)


def test_a_table_is_a_grid_for_pandas_and_for_notebooks(folder):
    grid = harness.table("accuracy", folder)
    assert {row.keys["method"] for row in grid.rows} >= {"cfm", "cfm-t"}
    frame = grid.to_pandas()
    measured = frame[(frame["method"] == "cfm") & (frame["metric"] == "i_auroc")]
    records = harness.results(folder, methods="cfm")
    assert measured["value"].item() == pytest.approx(np.mean([record.metrics["i_auroc"] for record in records]))
    page = grid._repr_html_()
    assert page.startswith("<div")
    assert grid.title in page


def test_answers_are_typed_and_show_themselves(folder):
    (answer,) = harness.compare(folders=folder, metric="i_auroc")
    assert {one.method for one in answer.methods} == {"cfm", "cfm-t"}
    assert answer.best.value == max(one.value for one in answer.methods)
    assert str(answer).splitlines() == [answer.title, *answer.paragraphs]
    assert "<table" in answer._repr_html_()
    (alone,) = harness.compare("cfm", folder, categories="bump")
    assert ([one.method for one in alone.methods], alone.categories) == (["cfm"], ("bump",))
    assert harness.results(folder, statuses="failed").compare() == []
    with pytest.raises(UsageError, match="nix"):
        harness.compare(folders=folder, metric="nix")


def test_tables_of_every_setting(folder):
    grids = harness.tables("memory", folder)
    assert [grid.keys["kind"] for grid in grids] == ["memory"]
    with pytest.raises(UsageError, match="nix"):
        harness.tables("nix", folder)


def test_nothing_measured_is_an_error(tmp_path):
    with pytest.raises(NothingMeasuredError):
        harness.table("memory", tmp_path)


def test_records_as_pandas_tables(folder):
    records = harness.results(folder, methods="cfm")
    wide, tidy = records.to_pandas(), records.to_tidy_pandas()
    assert wide["device_median_ms"].tolist() == [40.0, 40.0]
    assert (tidy["source"] == "measured").all()
    numbers = tidy[(tidy["quantity"] == "device_median_ms") & (tidy["category"] == "bump")]
    assert numbers["value"].tolist() == [40.0]
    assert set(tidy[tidy["defect"] != ""]["quantity"]) >= {"i_auroc", "aupro_1"}


def test_without_pandas_the_command_that_installs_it_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(PrerequisiteError, match="pip install pandas"):
        harness.results(folder).to_pandas()


def test_importing_harness_imports_nothing_heavy(tmp_path):
    code = "import harness, sys; print(sorted({'torch', 'numpy', 'pandas', 'rich', 'msgspec'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_evaluate_is_that_of_the_metrics():
    maps = np.zeros((2, 8, 8), np.float32)
    maps[1, :2] = 1
    values = harness.evaluate(maps, maps > 0, [0, 1], [0.0, 1.0])
    assert values["i_auroc"] == values["p_auroc"] == 1.0


def test_names_of_methods_and_datasets():
    assert {"cfm", "btf"} <= set(harness.methods())
    assert "toy" in harness.datasets()
    with pytest.raises(AttributeError):
        harness.nix  # noqa: B018
