import json
from dataclasses import replace

import pytest
from gate_records import toy_record
from test_cli_main import loaded

from harness.store.environment import Provider
from harness.store.store import Store


def write(folder, *records):
    store = Store(folder)
    for record in records:
        store.write(record)


@pytest.fixture
def updated(call, tmp_path):
    """A leaderboard of two cells, made from the results folder ``old``."""
    write(tmp_path / "old", toy_record(), toy_record(category="ridge"))
    assert call("leaderboard", "update", "--results", "old").code == 0


def test_what_was_just_put_on_the_leaderboard_passes(call, updated):
    outcome = call("check", "--results", "old")
    assert (outcome.code, outcome.err) == (0, "")
    assert (
        outcome.out == "toy-quick: 2 cells, 12 metrics, 6 means over categories, 4 speeds, 4 memory figures compared: "
        "nothing is worse.\n"
    )


def test_a_fall_is_exit_4_and_a_table(call, updated, tmp_path):
    write(tmp_path / "results", toy_record(), toy_record(category="ridge", metrics={"p_auroc": 0.9}))
    outcome = call("check")
    assert outcome.code == 4
    assert "Worse than on the leaderboard" in outcome.out
    assert [line for line in outcome.out.splitlines() if "P-AUROC" in line and "-0.0900" in line]
    assert outcome.out.splitlines()[-1].endswith("compared: 2 worse, in 1 cell and 1 mean.")


def test_json_is_the_only_thing_on_standard_output(call, updated, tmp_path):
    write(tmp_path / "results", toy_record(device_ms=90.0, metrics={"i_auroc": 0.99}), toy_record("cfm-t"))
    outcome = call("check", "--json")
    assert outcome.code == 4
    found = json.loads(outcome.out)
    assert found["regressed"] is True
    (one,) = found["leaderboards"]
    assert (one["path"], one["compared"]["cell"]) == ("results/leaderboard/toy-quick.csv", 2)
    assert [(worse["category"], worse["what"]) for worse in one["worse"]] == [
        ("bump", "device_median_ms"),
        ("ridge", "status"),
    ]
    assert [(better["what"], better["old"], better["new"]) for better in one["better"]] == [("i_auroc", 0.95, 0.99)]
    assert [(new["method"], new["status"]) for new in one["new"]] == [("cfm-t", "ok")]


def test_better_numbers_and_new_cells_pass_with_a_hint(call, updated, tmp_path):
    new = [toy_record(shift=0.005), toy_record(category="ridge"), toy_record("cfm-t")]
    write(tmp_path / "results", *new)
    outcome = call("check")
    assert outcome.code == 0
    assert "Better than on the leaderboard" in outcome.out
    assert "harness leaderboard update --dataset toy --preset quick" in outcome.err
    assert "not on the leaderboard yet: cfm-t bump 10-shot first random (ok)" in outcome.err


def test_a_missing_cell_fails_unless_its_method_is_not_asked_for(call, updated, tmp_path):
    write(tmp_path / "old", toy_record("cfm-t"))
    call("leaderboard", "update", "--results", "old")
    write(tmp_path / "results", toy_record(), toy_record(category="ridge"))
    outcome = call("check")
    assert outcome.code == 4
    assert "missing: the results have no record of it" in outcome.out
    assert call("check", "--methods", "cfm").code == 0


def test_a_failed_cell_is_named_with_its_reason(call, updated, tmp_path):
    write(tmp_path / "results", toy_record(), toy_record(category="ridge", status="killed", reason="SIGKILL"))
    outcome = call("check")
    assert outcome.code == 4
    assert "killed: SIGKILL" in outcome.out


def test_a_number_of_other_code_passes_no_gate_and_enters_no_leaderboard(call, updated, tmp_path):
    stale = toy_record(category="ridge", shift=0.01)
    environment = replace(stale.environment, provider=Provider("harness", "0.1.0", "0" * 64))
    write(tmp_path / "results", toy_record(), replace(stale, environment=environment))
    outcome = call("check")
    assert outcome.code == 4
    assert "stale: its code has changed" in " ".join(outcome.out.split())
    before = (tmp_path / "results" / "leaderboard" / "toy-quick.csv").read_bytes()
    call("leaderboard", "update")
    assert (tmp_path / "results" / "leaderboard" / "toy-quick.csv").read_bytes() == before


def test_all_cells_failed_is_a_regression_too(call, updated, tmp_path):
    failed = [toy_record(category=name, status="oom", reason="full") for name in ("bump", "ridge")]
    write(tmp_path / "results", *failed)
    assert call("check").code == 4


def test_other_hardware_is_told_and_passes(call, updated, tmp_path):
    other = {"environment": {"cpu": "Other CPU"}, "device_ms": 900.0, "peak_mb": 9000.0}
    write(tmp_path / "results", toy_record(**other), toy_record(category="ridge", **other))
    outcome = call("check")
    assert outcome.code == 0
    assert "skipped: 4 speeds (other hardware), 2 memory figures (other hardware): nothing is worse." in outcome.out


def test_changed_settings_and_older_records_are_told(call, updated, tmp_path):
    newer = toy_record(data_digest="other", created="2026-05-05T00:00:00+00:00")
    write(tmp_path / "results", toy_record(), newer, toy_record(category="ridge"))
    outcome = call("check")
    assert outcome.code == 0
    assert "settings have changed: cfm bump 10-shot first random (other parameters" in outcome.err
    assert "of several records of one cell the newest counts: cfm bump" in outcome.err


def test_tolerances_beside_the_leaderboard_hold(call, updated, tmp_path):
    write(tmp_path / "results", toy_record(shift=-0.01), toy_record(category="ridge"))
    assert call("check").code == 4
    names = ("i_auroc", "p_auroc", "aupro_30", "aupro_1", "aupro_30_official", "aupro_1_official")
    lines = ["metric,tolerance,spread,how", *(f"{name},0.02,0.015,three machines" for name in names)]
    (tmp_path / "results" / "leaderboard" / "tolerances.csv").write_text("\n".join(lines) + "\n")
    assert call("check").code == 0


def test_leaderboards_are_compared_where_there_are_records_of_them(call, updated, tmp_path):
    bagel = {"dataset": "mvtec3d", "category": "bagel", "preset": "paper"}
    write(tmp_path / "old", toy_record(**bagel))
    call("leaderboard", "update", "--results", "old")
    write(tmp_path / "results", toy_record(), toy_record(category="ridge"))
    outcome = call("check")
    assert outcome.code == 0
    assert "mvtec3d-paper is not compared: nothing of it is measured in results/cells" in " ".join(outcome.err.split())
    write(tmp_path / "results", toy_record(**bagel, shift=-0.1))
    assert call("check").code == 4
    assert call("check", "--dataset", "toy").code == 0
    assert call("check", "--preset", "paper").code == 4


def test_a_dataset_without_a_leaderboard_is_told_where_others_have_one(call, updated, tmp_path):
    bagel = toy_record(dataset="mvtec3d", category="bagel", preset="paper")
    write(tmp_path / "results", toy_record(), toy_record(category="ridge"), bagel)
    outcome = call("check")
    assert outcome.code == 0
    command = "harness leaderboard update --dataset mvtec3d --preset paper"
    assert command in " ".join(outcome.err.split())
    strict = call("check", "--dataset", "mvtec3d")
    assert (strict.code, strict.out) == (5, "")
    assert f"make one with '{command}', and commit it" in strict.err


def test_no_leaderboard_at_all_names_the_command_with_its_folders(call, tmp_path):
    write(tmp_path / "my results", toy_record())
    outcome = call("check", "--results", "my results", "--leaderboard", "boards")
    assert (outcome.code, outcome.out) == (5, "")
    assert "--preset quick --results 'my results' --leaderboard boards'" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 6, "Nothing is measured in results/cells: start with 'harness run"),
        (["--dataset", "toy", "--preset", "paper"], 6, "Nothing is measured on toy at preset paper in results/cells"),
        (["--methods", "cfm"], 6, "Nothing is measured by cfm in results/cells"),
        (["--methods", "cfn"], 2, "Method 'cfn' is neither measured nor published: did you mean 'cfm'"),
        (["--dataset", "tov"], 2, "did you mean 'toy'"),
    ],
)
def test_errors(call, updated, arguments, code, sentence):
    outcome = call("check", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert sentence in outcome.err


def test_failed_cells_of_a_method_without_lines_measure_nothing(call, updated, tmp_path):
    write(tmp_path / "results", toy_record("cfm-t", status="failed", reason="broken"))
    outcome = call("check", "--methods", "cfm-t")
    assert outcome.code == 6
    assert "None of the 1 cells by cfm-t in results/cells is ok (failed)" in outcome.err


def test_a_spoiled_line_of_a_leaderboard_is_named_and_the_others_are_compared(call, updated, tmp_path):
    path = tmp_path / "results" / "leaderboard" / "toy-quick.csv"
    path.write_text(path.read_text().replace("0.950000", "<<<<<<<", 1))
    outcome = call("check", "--results", "old")
    assert outcome.code == 5
    assert outcome.out.startswith("toy-quick: 1 cell, 6 metrics, 2 speeds, 2 memory figures compared")
    assert "results/leaderboard/toy-quick.csv (line 2, has '<<<<<<<'" in outcome.err
    shown = call("leaderboard")
    assert (shown.code, "ridge" in shown.out, "bump" in shown.out) == (0, True, False)
    assert "1 line is left out" in shown.err
    before = path.read_bytes()
    assert call("leaderboard", "update", "--results", "old").code == 5
    assert path.read_bytes() == before
    write(tmp_path / "results", toy_record(), toy_record(category="ridge", shift=-0.1))
    assert call("check").code == 4


NOTHING = {
    "other shots": (lambda path: None, ["--shots", "5"]),
    "an empty board": (lambda path: path.write_text(path.read_text().splitlines()[0] + "\n"), []),
    "a method that is not on it": (lambda path: None, ["--methods", "btf"]),
    "a category that is not on it": (lambda path: None, ["--categories", "added"]),
    "a board that is no file": (lambda path: (path.unlink(), path.mkdir()), []),
}


@pytest.mark.parametrize("case", NOTHING)
@pytest.mark.parametrize("form", ["rich", "markdown", "json"])
def test_nothing_compared_is_never_a_pass(call, updated, tmp_path, case, form):
    others = [toy_record(shots=5), toy_record("btf"), toy_record(category="added")]
    write(tmp_path / "results", toy_record(), toy_record(category="ridge"), *others)
    spoil, arguments = NOTHING[case]
    spoil(tmp_path / "results" / "leaderboard" / "toy-quick.csv")
    outcome = call("check", *arguments, "--format", form)
    assert outcome.code == (5 if case == "a board that is no file" else 6)
    assert "nothing is worse" not in outcome.out
    assert "toy-quick.csv" in outcome.err


def test_a_board_that_compares_nothing_spoils_a_check_of_several(call, updated, tmp_path):
    write(tmp_path / "old", toy_record(dataset="mvtec3d", category="bagel", preset="paper"))
    call("leaderboard", "update", "--results", "old")
    assert call("check", "--results", "old").code == 0
    path = tmp_path / "results" / "leaderboard" / "mvtec3d-paper.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    outcome = call("check", "--results", "old")
    assert outcome.code == 6
    assert "toy-quick: 2 cells" in outcome.out
    assert "mvtec3d-paper.csv" in outcome.err


def test_lines_without_a_record_of_the_device_are_told(call, updated, tmp_path):
    write(tmp_path / "results", toy_record())
    outcome = call("check", "--device", "cpu")
    assert outcome.code == 0
    assert "no record that is chosen is about these lines: cfm ridge 10-shot first random" in outcome.err


def test_metrics_that_are_no_metrics_are_neither_compared_nor_written(call, updated, tmp_path):
    store = Store(tmp_path / "results")
    for category, value in (("bump", "NaN"), ("ridge", "7.0")):
        path = store.write(toy_record(category=category))
        path.write_text(path.read_text().replace('"i_auroc": 0.95', f'"i_auroc": {value}', 1))
    before = (tmp_path / "results" / "leaderboard" / "toy-quick.csv").read_bytes()
    for arguments in (["check"], ["leaderboard", "update"]):
        outcome = call(*arguments)
        assert outcome.code == 6
        assert "2 files are left out" in outcome.err
    assert (tmp_path / "results" / "leaderboard" / "toy-quick.csv").read_bytes() == before


def test_a_record_never_writes_outside_the_leaderboards(call, tmp_path):
    path = Store(tmp_path / "results").write(toy_record())
    for name in ("../../escaped", str(tmp_path / "escaped")):
        path.write_text(path.read_text().replace('"dataset": "toy"', f'"dataset": "{name}"'))
        assert call("leaderboard", "update").code == 6
    assert [one.name for one in tmp_path.rglob("*.csv")] == []


def test_markdown_for_a_pull_request(call, updated, tmp_path):
    write(
        tmp_path / "results", toy_record(), toy_record(category="ridge", metrics={"p_auroc": 0.9}), toy_record("cfm-t")
    )
    outcome = call("check", "--format", "markdown")
    assert outcome.code == 4
    lines = outcome.out.splitlines()
    assert lines[0].startswith("**toy-quick: 2 cells")
    assert lines[0].endswith("2 worse, in 1 cell and 1 mean.**")
    (row,) = [line for line in lines if line.startswith("| cfm")]
    assert [part.strip() for part in row.strip("|").split("|")[:4]] == ["cfm", "ridge", "P-AUROC¹", "0.9900"]
    assert any(line.startswith("- toy-quick: not on the leaderboard yet: cfm-t") for line in lines)
    assert call("check", "--results", "old", "--format", "markdown").out.startswith("**toy-quick: 2 cells")


@pytest.mark.parametrize("verb", ["check", "leaderboard"])
def test_the_verbs_do_not_load_torch(updated, verb):
    assert loaded(verb, "--json", watched=("torch", "timm")) == "[]"


def test_real_processes_from_a_run_to_a_regression(harness, tiny_mvtec, tmp_path):
    where = ("--dataset", "mvtec3d", "--data", tiny_mvtec, "--categories", "bagel")
    run = harness("run", "--methods", "colour-distance", *where, "--shots", "5", "--preset", "quick")
    assert run.returncode == 0, run.stderr
    assert harness("check").returncode == 5
    assert harness("leaderboard", "update").returncode == 0
    assert "mvtec3d-quick: 1 cell, 6 metrics" in harness("check").stdout
    assert "colour-distance" in harness("leaderboard").stdout
    store = Store(tmp_path / "results")
    (record,) = store.all()
    store.write(replace(record, metrics={**record.metrics, "i_auroc": 0.9}))
    worse = harness("check", "--methods", "colour*")
    assert (worse.returncode, worse.stderr) == (4, "")
    assert "-0.1000" in worse.stdout


def test_a_scope_of_shots_and_categories_leaves_the_rest_out(harness, tmp_path):
    store = Store(tmp_path / "results")
    for shots in (5, 10):
        store.write(toy_record(shots=shots))
    assert harness("leaderboard", "update").returncode == 0
    store.path(toy_record(shots=5).cell).unlink()
    assert harness("check").returncode == 4
    assert harness("check", "--shots", "10").returncode == 0
    assert harness("check", "--shots", "7").returncode == 6
    assert harness("check", "--shots", "0").returncode == 2
    assert harness("check", "--categories", "ridge").returncode == 6
