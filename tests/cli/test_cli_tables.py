import csv
import io
import json

import pytest
from report_records import make_record

from harness.bundled import published_dir
from harness.data.base import DATASETS
from harness.store import Store


@pytest.fixture
def measured(tmp_path):
    """Records in the default results folder: a toy run with random weights, and a complete one on MVTec 3D-AD."""
    store = Store(tmp_path / "results")
    for category in DATASETS["toy"].categories:
        store.write(make_record(category=category, dataset="toy", shots=10, preset="quick", weights="random"))
    for category in DATASETS["mvtec3d"].categories:
        store.write(make_record(category=category))
    return store


def test_with_nothing_measured_the_papers_tables_are_shown(call):
    outcome = call("tables")
    assert outcome.code == 0
    assert [f"Table {n}." in outcome.out for n in range(1, 8)] == [True] * 7
    assert "Nothing is measured in results/cells: start with 'harness run" in outcome.err
    assert "Costanzino et al., CVPR 2024" in outcome.out


def test_the_published_tables_as_csv_are_the_published_file(call):
    outcome = call("tables", "--source", "published", "--format", "csv")
    lines = list(csv.DictReader(io.StringIO(outcome.out)))
    names = ("table", "dataset", "method", "shots", "category", "metric", "value")
    shown = sorted(tuple(line[name] for name in names) for line in lines if line["value"])
    with (published_dir() / "costanzino2024.csv").open(encoding="utf-8", newline="") as stream:
        printed = sorted(tuple(line[name] for name in names) for line in csv.DictReader(stream))
    assert shown == printed


def test_measured_stands_beside_published(call, measured):
    outcome = call("tables", "--dataset", "mvtec3d", "--format", "csv")
    lines = list(csv.DictReader(io.StringIO(outcome.out)))
    found = {
        line["source"]: line["value"] for line in lines if (line["kind"], line["metric"]) == ("accuracy", "i_auroc")
    }
    assert found == {"measured": "0.95", "published": "0.954", "difference": "-0.004"}
    assert outcome.err == ""


def test_toy_results_never_stand_beside_published_ones(call, measured):
    outcome = call("tables", "--dataset", "toy")
    assert "Not comparable with published numbers" in outcome.out
    assert "random weights" in outcome.out
    lines = csv.DictReader(io.StringIO(call("tables", "--dataset", "toy", "--format", "csv").out))
    assert {line["source"] for line in lines} == {"measured"}


def test_json_is_the_only_thing_on_standard_output(call, measured):
    for arguments in (["--json"], ["--format", "json"], ["--source", "published", "--json"]):
        tables = json.loads(call("tables", *arguments).out)
        assert all(table["title"] and table["values"] for table in tables)
    kinds = [table["kind"] for table in json.loads(call("tables", "--json").out)]
    assert kinds == ["accuracy", "defects", "defects", "costs"] * 2


def test_markdown(call, measured):
    out = call("tables", "--format", "markdown", "--metric", "aupro_1").out
    assert "### Accuracy: MVTec 3D-AD, all training samples, preset paper, pretrained weights" in out
    assert "### AUPRO@1% exact by defect: Toy (embedded)" in out
    assert out.rstrip().endswith("They are never comparable with each other.")


def test_one_table_of_the_paper_whatever_is_measured(call, measured):
    out = call("tables", "--table", "3").out
    assert "Table 3. Eyecandies: means over its categories" in out
    assert "Table 1." not in out
    assert "measured" not in out.partition("Exact AUPRO")[0]


def test_only_measured(call, measured):
    out = call("tables", "--source", "measured", "--format", "csv").out
    assert {line["source"] for line in csv.DictReader(io.StringIO(out))} == {"measured"}


def test_methods_are_chosen_by_name_glob_and_label(call):
    arguments = ("--source", "published", "--format", "csv", "--methods", "btf,cfm-*", "-m", "cfm[aggregate=2d]")
    lines = csv.DictReader(io.StringIO(call("tables", *arguments).out))
    assert {line["method"] for line in lines} == {"btf", "cfm-m", "cfm-s", "cfm-t", "cfm[aggregate=2d]"}


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--source", "measured"], 6, "Nothing is measured in results/cells: start with"),
        (["--dataset", "toy"], 6, "Nothing is measured on toy in results/cells"),
        (["--source", "measured", "--methods", "cfm"], 6, "Nothing is measured by these methods"),
        (["--dataset", "mvtec"], 2, "did you mean 'mvtec3d'"),
        (["--methods", "cfn"], 2, "did you mean 'cfm'"),
        (["--metric", "aupro"], 2, "There is no accuracy metric 'aupro'"),
        (["--table", "1", "--source", "measured"], 2, "leave out --table or --source measured"),
        (["--table", "8"], 2, "8 is not in the range"),
        (["--source", "published", "--dataset", "toy"], 2, "There is no published number for toy in any table"),
    ],
)
def test_errors(call, arguments, code, sentence):
    outcome = call("tables", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert sentence in outcome.err


def test_cells_that_all_failed_measure_nothing(call, tmp_path):
    Store(tmp_path / "results").write(make_record(status="oom", reason="out of memory"))
    outcome = call("tables", "--source", "measured")
    assert outcome.code == 6
    assert "None of the 1 cells in results/cells is ok (oom)" in outcome.err


def test_a_record_that_cannot_be_read_is_named(call, measured):
    path = next(measured.cells.glob("*.json"))
    path.write_text("{", encoding="utf-8")
    outcome = call("tables")
    assert outcome.code == 5
    assert path.name in outcome.err
