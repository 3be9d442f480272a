import json

import pytest
from gate_records import toy_record

from harness.store.store import Store


@pytest.fixture
def results(tmp_path):
    """Records of two methods in the default results folder."""
    store = Store(tmp_path / "results")
    for method in ("cfm", "cfm-t"):
        for category in ("bump", "ridge"):
            store.write(toy_record(method, category))
    return store


def board(tmp_path, name="toy-quick"):
    return tmp_path / "results" / "leaderboard" / f"{name}.csv"


def test_update_writes_a_file_that_the_plain_verb_shows(call, results, tmp_path):
    outcome = call("leaderboard", "update")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "results/leaderboard/toy-quick.csv: 4 added, 0 changed, 0 kept, 0 dropped\n"
    assert len(board(tmp_path).read_text().splitlines()) == 5
    shown = call("leaderboard")
    assert shown.code == 0
    assert "Leaderboard: Toy (embedded), 10 training samples (split first), preset quick, random weights" in shown.out
    assert shown.out.count("ridge") >= 2
    assert "on Test CPU, 4 cores, 2 threads" in shown.out


def test_a_second_update_gives_the_same_bytes(call, results, tmp_path):
    call("leaderboard", "update")
    first = board(tmp_path).read_bytes()
    assert call("leaderboard", "update").out.endswith("0 added, 0 changed, 4 kept, 0 dropped\n")
    assert board(tmp_path).read_bytes() == first


def test_each_dataset_and_preset_has_a_file_of_its_own(call, results, tmp_path):
    results.write(toy_record(dataset="mvtec3d", category="bagel", preset="paper"))
    names = {path["dataset"]: path for path in json.loads(call("leaderboard", "update", "--json").out)}
    assert {name: len(one["added"]) for name, one in names.items()} == {"toy": 4, "mvtec3d": 1}
    assert names["mvtec3d"]["path"] == "results/leaderboard/mvtec3d-paper.csv"
    assert names["mvtec3d"]["added"] == ["cfm bagel 10-shot first random"]
    only = json.loads(call("leaderboard", "--dataset", "mvtec3d", "--json").out)
    assert [(one["preset"], [row["category"] for row in one["rows"]]) for one in only] == [("paper", ["bagel"])]


def test_json_has_every_column(call, results):
    call("leaderboard", "update")
    (found,) = json.loads(call("leaderboard", "--methods", "cfm-t", "--json").out)
    row = found["rows"][0]
    assert (row["method"], row["i_auroc"], row["device_low_ms"], row["contended"]) == ("cfm-t", 0.95, 39.0, False)
    assert [row["method"] for row in found["rows"]] == ["cfm-t", "cfm-t"]


def test_update_of_some_methods_leaves_the_others_alone(call, results, tmp_path):
    call("leaderboard", "update", "--methods", "cfm")
    assert "cfm-t" not in board(tmp_path).read_text()
    outcome = call("leaderboard", "update", "--methods", "cfm-t", "--prune")
    assert outcome.out.endswith("2 added, 0 changed, 2 kept, 0 dropped\n")


def test_lines_without_a_record_stay_until_they_are_pruned(call, results, tmp_path):
    call("leaderboard", "update")
    for path in results.cells.glob("cfm-t--*"):
        path.unlink()
    assert call("leaderboard", "update").out.endswith("4 kept, 0 dropped\n")
    assert call("leaderboard", "update", "--prune").out.endswith("2 kept, 2 dropped\n")
    assert "cfm-t" not in board(tmp_path).read_text()


def test_a_failed_cell_is_left_out_and_named(call, results, tmp_path):
    results.write(toy_record("cfm-s", status="oom", reason="out of memory"))
    outcome = call("leaderboard", "update")
    assert outcome.code == 0
    assert "cells that are not ok are left out: cfm-s bump 10-shot first random (oom)" in " ".join(outcome.err.split())
    assert "cfm-s" not in board(tmp_path).read_text()


def test_of_two_records_of_one_cell_the_newest_is_taken_and_that_is_said(call, results, tmp_path):
    results.write(toy_record(data_digest="other", shift=-0.4, created="2026-05-05T00:00:00+00:00"))
    outcome = call("leaderboard", "update")
    assert "the newest counts: cfm bump 10-shot first random" in " ".join(outcome.err.split())
    assert "cfm,bump,10,first,random,0.550000" in board(tmp_path).read_text()


def test_a_contended_measurement_is_told(call, results):
    results.write(toy_record(environment={"contended": True}, created="2026-05-05T00:00:00+00:00"))
    assert "so their speed is not compared: cfm bump" in " ".join(call("leaderboard", "update").err.split())


def test_the_folder_comes_from_an_option_a_variable_or_before_the_verb(call, results, tmp_path, monkeypatch):
    call("leaderboard", "--leaderboard", "a", "update")
    call("leaderboard", "update", "--leaderboard", "b")
    monkeypatch.setenv("HARNESS_LEADERBOARD", "c")
    call("leaderboard", "update")
    assert [(tmp_path / name / "toy-quick.csv").is_file() for name in "abc"] == [True] * 3
    assert not (tmp_path / "results" / "leaderboard").exists()


def test_a_projects_results_folder_holds_for_update(call, results, tmp_path):
    (tmp_path / "harness.toml").write_text('results = "elsewhere"\n', encoding="utf-8")
    assert "elsewhere/cells" in call("leaderboard", "update").err
    (tmp_path / "results").rename(tmp_path / "elsewhere")
    assert call("leaderboard", "update").code == 0


@pytest.mark.parametrize(
    ("query", "lines"),
    [("--device cpu", 4), ("--device cuda", 0), ("--status ok,failed", 4), ("--status oom", 0), ("--shots 50", 0)],
)
def test_lines_are_chosen_by_device_and_status(call, results, query, lines):
    call("leaderboard", "update")
    outcome = call("leaderboard", "--json", *query.split())
    assert outcome.code == (0 if lines else 5)
    assert not lines or sum(len(board["rows"]) for board in json.loads(outcome.out)) == lines


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 5, "There is no leaderboard in results/leaderboard: make one with 'harness leaderboard update'"),
        (["--dataset", "toy"], 5, "There is no leaderboard on toy in results/leaderboard"),
        (["--dataset", "tov"], 2, "There is no dataset 'tov': did you mean 'toy'"),
        (["--preset", "quik"], 2, "There is no preset 'quik': did you mean 'quick'"),
        (["--methods", "cfm"], 2, "Method 'cfm' is neither measured nor published"),
        (["update"], 6, "Nothing is measured in results/cells: start with 'harness run"),
        (["update", "--dataset", "toy"], 6, "Nothing is measured on toy in results/cells"),
        (["update", "--dataset", "tov"], 2, "did you mean 'toy'"),
    ],
)
def test_errors(call, arguments, code, sentence):
    outcome = call("leaderboard", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert sentence in outcome.err


def test_an_unknown_method_gets_the_nearest_measured_one(call, results):
    outcome = call("leaderboard", "update", "--methods", "cfn")
    assert outcome.code == 2
    assert "did you mean 'cfm'" in outcome.err


def test_only_failed_cells_make_no_leaderboard(call, tmp_path):
    Store(tmp_path / "results").write(toy_record(status="timeout", reason="too slow"))
    outcome = call("leaderboard", "update")
    assert outcome.code == 6
    assert "None of the 1 cells in results/cells is ok (timeout)" in outcome.err
    assert not board(tmp_path).exists()
