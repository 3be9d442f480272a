import csv
import io
import json

import numpy as np
import pytest
from count_records import keep_counts
from report_records import make_record

from harness.data.registry import DATASETS
from harness.files.bundled import published_dir
from harness.store.store import Store


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
    outcome = call("tables", "--dataset", "toy", "--table", "all")
    assert "Not comparable with published numbers" in outcome.out
    assert "random weights" in outcome.out
    lines = csv.DictReader(io.StringIO(call("tables", "--dataset", "toy", "--format", "csv").out))
    assert {line["source"] for line in lines} == {"measured"}


def test_json_is_the_only_thing_on_standard_output(call, measured):
    for arguments in (["--json"], ["--format", "json"], ["--source", "published", "--json"]):
        tables = json.loads(call("tables", *arguments).out)
        assert all(table["title"] and table["values"] for table in tables)
    kinds = {table["kind"] for table in json.loads(call("tables", "--json").out)}
    assert kinds == {"paper", "accuracy", "defects", "timing", "memory"}


def test_markdown(call, measured):
    out = call("tables", "--format", "markdown", "--metric", "aupro_1").out
    assert "### Accuracy: MVTec 3D-AD, all training samples, preset paper, pretrained weights" in out
    assert "### AUPRO@1% exact by defect: Toy (embedded)" in out
    assert out.rstrip().endswith("They are never comparable with each other.")


def test_latex(call, measured):
    out = call("tables", "--format", "latex", "--table", "5").out
    assert out.count(r"\begin{table") == out.count(r"\end{table") == 2
    assert r"\caption{MVTec 3D-AD: speed, memory and accuracy (their Table 5)." in out


def test_html(call, measured):
    out = call("tables", "--format", "html", "--table", "1,memory").out
    assert out.startswith("<!DOCTYPE html>")
    assert out.count("<table>") == 6


def test_no_word_of_published_tables_where_none_is_shown(call):
    assert "These are the published tables" not in call("tables", "--metric", "aupro_1").err


def test_a_table_of_the_paper_that_nothing_measured_stands_in_is_published(call, measured):
    out = call("tables", "--table", "3", "--methods", "m3dm,ast,cfm").out
    assert "Table 3. Eyecandies: means over its categories" in out
    assert "Table 1." not in out
    assert "the paper has these numbers for Eyecandies only" in out


def test_a_table_of_ours_by_name(call, measured):
    tables = json.loads(call("tables", "--table", "timing", "--table", "exact", "--json").out)
    assert [table["kind"] for table in tables] == ["accuracy", "timing"] * 2


def test_the_reason_of_several_tables_is_told_once(call, measured):
    out = call("tables", "--dataset", "toy", "--table", "1,2").out
    text = " ".join(out.split())
    assert text.count("have random weights") == 1
    assert text.count("for the reason above") == 2


def test_without_options_one_screen_names_the_best_and_the_other_settings(call, measured):
    outcome = call("tables")
    assert outcome.code == 0
    assert "Best methods: MVTec 3D-AD, all training samples, preset paper, pretrained weights" in outcome.out
    assert "Table 1." not in outcome.out
    assert "harness tables --dataset toy --shots 10 --split first --preset quick --weights random" in outcome.out
    assert "Table 1. MVTec 3D-AD" in call("tables", "--table", "all").out


def test_the_tables_are_listed_with_what_they_show(call):
    listed = json.loads(call("tables", "--list", "--json").out)
    assert [table["name"] for table in listed[:8]] == [*"1234567", "accuracy"]
    assert all(table["help"] for table in listed)
    out = call("tables", "--list").out
    assert all(table["name"] in out for table in listed)


def test_only_measured(call, measured):
    out = call("tables", "--source", "measured", "--format", "csv").out
    assert {line["source"] for line in csv.DictReader(io.StringIO(out))} == {"measured"}


def test_methods_are_chosen_by_name_glob_and_label(call):
    arguments = ("--source", "published", "--format", "csv", "--methods", "btf,cfm-*", "-m", "cfm[aggregate=2d]")
    lines = csv.DictReader(io.StringIO(call("tables", *arguments).out))
    assert {line["method"] for line in lines} == {"btf", "cfm-m", "cfm-s", "cfm-t", "cfm[aggregate=2d]"}


@pytest.mark.parametrize("arguments", [["--source", "published"], []], ids=["asked for", "nothing measured"])
def test_published_numbers_are_those_of_the_query(call, arguments):
    def keys(*query):
        lines = list(csv.DictReader(io.StringIO(call("tables", *arguments, "--format", "csv", *query).out)))
        return {(line["table"], line["shots"], line["category"]) for line in lines if line["value"]}

    assert keys("--shots", "10") == {("4", "10", "mean")}
    assert keys("--categories", "bagel,ro*") == {(table, "full", name) for table in "12" for name in ("bagel", "rope")}
    assert keys("--shots", "10", "--categories", "all") == keys("--shots", "10")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--source", "measured"], 6, "Nothing is measured in results/cells: start with"),
        (["--dataset", "toy"], 6, "Nothing is measured on toy in results/cells"),
        (["--source", "measured", "--methods", "cfm"], 6, "Nothing is measured by cfm in results/cells"),
        (["--shots", "7"], 6, "Nothing is measured with 7 shots in results/cells"),
        (["--source", "published", "--shots", "7"], 2, "There is no published number for 7 shots in any table"),
        (["--dataset", "mvtec"], 2, "did you mean 'mvtec3d'"),
        (["--methods", "cfn"], 2, "did you mean 'cfm'"),
        (["--metric", "aupro"], 2, "There is no accuracy metric 'aupro'"),
        (["--table", "1", "--source", "measured"], 6, "Nothing is measured in results/cells: start with"),
        (["--table", "rank"], 6, "Nothing is measured in results/cells: start with"),
        (["--table", "8"], 2, "There is no table '8': choose from 1, 2, 3, 4, 5, 6, 7, accuracy"),
        (["--table", "differences"], 6, "Nothing is measured in results/cells: start with"),
        (["--table", "1", "--metric", "aupro_1"], 2, "Table 1 has no aupro_1: choose from i_auroc, aupro_30_official"),
        (["--metric", "aupro_1"], 2, "papers print aupro_1_official instead; ask for that"),
        (["--source", "published", "--table", "rank"], 2, "There is no published number in table rank"),
        (["--source", "published", "--dataset", "toy"], 2, "There is no published number for toy in any table"),
    ],
)
def test_errors(call, arguments, code, sentence):
    outcome = call("tables", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert sentence in outcome.err


def test_a_table_that_the_measured_cells_do_not_fill(call, measured):
    outcome = call("tables", "--table", "rank", "--dataset", "toy")
    assert outcome.code == 6
    assert "No measured cell has what table rank shows: measure more" in outcome.err


def test_cells_that_all_failed_measure_nothing(call, tmp_path):
    Store(tmp_path / "results").write(make_record(status="oom", reason="out of memory"))
    outcome = call("tables", "--source", "measured")
    assert outcome.code == 6
    assert "None of the 1 cells in results/cells is ok (oom)" in outcome.err


def test_a_record_that_cannot_be_read_is_left_out_and_named_once(call, measured):
    path = next(measured.cells.glob("*.json"))
    path.write_text("{", encoding="utf-8")
    outcome = call("tables")
    assert outcome.code == 0
    assert outcome.err.count(path.name) == 1
    assert "1 file is left out" in outcome.err


def write_with_counts(store, method, category, strength):
    """Write a record and its counts as a run does: noise with a square that is brighter by ``strength``."""
    draw = np.random.default_rng(sum(map(ord, category)))
    labels = np.arange(24) % 2 == 1
    masks = np.zeros((24, 32, 32), dtype=bool)
    masks[labels, 8:20, 8:20] = True
    noise = draw.random((24, 32, 32)) + 0.2 * draw.random((24, 1, 1))
    maps = noise + strength * masks + 0.02 * np.random.default_rng(len(method)).random((24, 32, 32))
    scores = np.sort(maps.reshape(24, -1))[:, -50:].mean(axis=1)
    store.write(keep_counts(store, maps, masks, scores, method, category, dataset="toy", shots=10, by_defect={}))


def test_methods_that_test_images_cannot_tell_apart_are_marked(call, tmp_path):
    store = Store(tmp_path / "results")
    for category in DATASETS["toy"].categories:
        for method, strength in (("cfm", 0.6), ("cfm-t", 0.6), ("btf", 0.1)):
            write_with_counts(store, method, category, strength)
    arguments = ("tables", "--table", "exact", "--metric", "p_auroc,aupro_30")
    lines = list(csv.DictReader(io.StringIO(call(*arguments, "--format", "csv").out)))
    tied = {(line["method"], line["metric"]): line["tied"] for line in lines}
    assert {tied[method, "p_auroc"] for method in ("cfm", "cfm-t")} == {"yes"}
    assert {tied["btf", metric] for metric in ("p_auroc", "aupro_30")} == {""}
    out = call(*arguments).out
    assert "≈ can't be separated from the best of its column" in " ".join(out.split())
    (cfm,) = [line for line in lines if (line["method"], line["metric"]) == ("cfm", "p_auroc")]
    assert float(cfm["low"]) < float(cfm["value"]) < float(cfm["high"])
    out = call("tables", "--table", "differences", "--metric", "p_auroc").out
    assert "Differences to the best: Toy" in out
    assert "btf" in out
    assert " best" in out
    for path in (tmp_path / "results" / "counts").iterdir():
        path.unlink()
    out = call(*arguments).out
    assert "≈" not in out, "without counts places are those of the printed numbers"
    assert "Bold is untested where cells left no counts" in " ".join(out.split())
    assert "no counts of the test images" in " ".join(call("tables", "--table", "differences").out.split())


@pytest.mark.usefixtures("measured")
def test_accuracies_in_percent(call):
    shown = call("tables", "--percent").out
    assert "95.0" in shown
    assert "0.950" not in shown
    published = ("tables", "--table", "1", "--source", "published", "--dataset", "mvtec3d", "--format", "latex")
    assert "99.4" in call(*published, "--percent").out
    assert "99.4" not in call(*published).out
    for form in ("csv", "json"):
        refused = call("tables", "--percent", "--format", form)
        assert refused.code == 2
        assert f"leave it out with --format {form}" in refused.err


@pytest.mark.usefixtures("measured")
def test_differences_are_left_out_where_asked(call):
    def sources(*more):
        tables = json.loads(call("tables", "--table", "1", "--dataset", "mvtec3d", "--json", *more).out)
        return {row["source"] for table in tables for row in table["values"]}

    assert sources() == {"measured", "published", "difference"}
    assert sources("--no-differences") == {"measured", "published"}
