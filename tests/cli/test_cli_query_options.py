"""The options that choose records: the same for every verb that reads them."""

from __future__ import annotations

import json
import os
import shlex
from importlib import import_module

import click
import pytest
from gate_records import toy_record
from report_records import make_record

from harness.data.registry import DATASETS
from harness.store.store import Store

VERBS = ("compare", "tables", "plot", "show", "report", "status", "leaderboard", "check")
SPELLED = {
    ("--dataset", "-d"),
    ("--methods", "-m"),
    ("--categories", "-c"),
    ("--shots", "-n"),
    ("--split",),
    ("--preset",),
    ("--weights",),
    ("--device",),
    ("--status",),
    ("--results",),
}


def command_of(verb: str) -> click.Command:
    return import_module(f"harness.cli.{verb}").command


def described(option: click.Option) -> tuple[object, ...]:
    return (option.name, tuple(option.opts), type(option.type), option.multiple, option.help, option.envvar)


def shared_options(command: click.Command) -> dict[tuple[str, ...], tuple[object, ...]]:
    options = [option for option in command.params if isinstance(option, click.Option)]
    return {tuple(option.opts): described(option) for option in options if tuple(option.opts) in SPELLED}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_that_reads_records_has_the_same_options(verb):
    options = shared_options(command_of(verb))
    assert set(options) == SPELLED
    assert options == shared_options(command_of("tables"))


def test_the_update_of_a_leaderboard_has_them_too():
    assert shared_options(command_of("leaderboard").commands["update"]) == shared_options(command_of("tables"))


WRONG = (
    ("--dataset", "tov", "'toy'"),
    ("--methods", "cfn", "'cfm'"),
    ("--categories", "bmup", "'bump'"),
    ("--shots", "ten", "give 1 or more, or full"),
    ("--split", "9", "9"),
    ("--preset", "quik", "'quick'"),
    ("--weights", "auto", "pretrained, random"),
    ("--status", "okay", "'ok'"),
)
CASES = [(verb, *case) for verb in VERBS for case in WRONG]
CASES.remove(("show", "--categories", "bmup", "'bump'"))  # maps are looked for first, of which there are none


@pytest.mark.parametrize(("verb", "option", "wrong", "near"), CASES)
def test_a_wrong_name_is_one_sentence_in_every_verb(call, tmp_path, verb, option, wrong, near):
    Store(tmp_path / "results").write(toy_record())
    call("leaderboard", "update")
    outcome = call(verb, option, wrong)
    assert (outcome.code, outcome.out) == (2, "")
    assert wrong in outcome.err
    assert near in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.fixture
def several(tmp_path):
    """Three results folders with records of one cell, and one with another cell."""
    records = {
        "old": toy_record(created="2026-01-01T00:00:00+00:00", metrics={"i_auroc": 0.91}),
        "new": toy_record(created="2026-02-02T00:00:00+00:00", metrics={"i_auroc": 0.92}),
        "failed": toy_record(created="2026-03-03T00:00:00+00:00", status="oom", reason="out of memory"),
        "ridge": toy_record(category="ridge", metrics={"i_auroc": 0.8}),
    }
    for name, record in records.items():
        Store(tmp_path / name).write(record)


def by_category(call, *arguments):
    (table,) = json.loads(call("tables", "--table", "categories", "--metric", "i_auroc", "--json", *arguments).out)
    return {number["category"]: number["value"] for number in table["values"] if number["category"] != "mean"}


def results(*folders):
    return [word for folder in folders for word in ("--results", folder)]


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize("folders", [("old", "new", "failed", "ridge"), ("ridge", "failed", "new", "old")])
def test_several_folders_are_read_as_one_and_of_a_cell_the_newest_ok_record_counts(call, folders):
    assert by_category(call, *results(*folders)) == {"bump": 0.92, "ridge": 0.8}
    states = json.loads(call("status", "--json", *results(*folders)).out)["cells"]
    assert {state["category"]: state["state"] for state in states} == {"bump": "ok", "ridge": "ok"}
    assert call("leaderboard", "update", *results(*folders)).code == 0
    assert call("check", *results(*folders)).code == 0


@pytest.mark.usefixtures("several")
def test_what_failed_everywhere_stays_failed(call):
    states = json.loads(call("status", "--json", *results("failed", "ridge")).out)["cells"]
    assert {state["category"]: state["state"] for state in states} == {"bump": "oom", "ridge": "ok"}


@pytest.mark.usefixtures("several")
def test_folders_come_from_settings_from_a_variable_and_from_options_that_win(call, tmp_path, monkeypatch):
    (tmp_path / "harness.toml").write_text('results = "old"\n', encoding="utf-8")
    assert by_category(call)["bump"] == 0.91
    monkeypatch.setenv("HARNESS_RESULTS", os.pathsep.join(("new", "ridge")))
    assert by_category(call) == {"bump": 0.92, "ridge": 0.8}
    assert by_category(call, *results("old"))["bump"] == 0.91
    refused = call("run", "--dry-run")
    assert (refused.code, os.pathsep.join(("new", "ridge")) in refused.err) == (2, True), "one folder is written to"


def test_settings_that_say_how_to_run_choose_no_records(call, tmp_path):
    store = Store(tmp_path / "results")
    store.write(toy_record())
    lines = ['device = "auto"', 'weights = "auto"', 'preset = "paper"']
    (tmp_path / "harness.toml").write_text("\n".join(lines), encoding="utf-8")
    assert "cfm" in call("tables").out
    assert len(json.loads(call("status", "--json").out)["cells"]) == 1
    assert call("leaderboard", "update").code == call("check").code == 0


def test_a_device_is_a_kind_or_a_part_of_a_machines_name(call, tmp_path):
    store = Store(tmp_path / "results")
    store.write(toy_record())
    store.write(toy_record(category="ridge", environment={"device": "cuda:0", "device_name": "NVIDIA H200"}))
    for device, category in (("cpu", "bump"), ("cuda", "ridge"), ("h200", "ridge"), ("4 cores", "bump")):
        (cell,) = json.loads(call("status", "--json", "--device", device, "-c", category).out)["cells"]
        assert cell["category"] == category


def test_on_one_device_the_cells_of_others_are_neither_missing_nor_dropped(call, tmp_path):
    store = Store(tmp_path / "results")
    gpu = {"device": "cuda:0", "device_name": "NVIDIA H200"}
    for record in (toy_record(), toy_record(category="ridge", environment=gpu)):
        store.write(record)
    call("leaderboard", "update")
    assert call("check", "--device", "h200").code == 0
    assert call("leaderboard", "update", "--device", "h200", "--prune").code == 2
    assert call("leaderboard", "update", "--device", "h200").out.endswith("2 kept, 0 dropped\n")


@pytest.mark.parametrize("folder", ["results", "my results"])
def test_the_first_screen_names_other_settings_by_commands_that_show_them(call, tmp_path, folder):
    store = Store(tmp_path / folder)
    for category in DATASETS["mvtec3d"].categories:
        store.write(make_record(category=category))
    store.write(make_record(shots=5))
    store.write(toy_record("cfm-t"))
    titles = {
        ("mvtec3d", "5"): "MVTec 3D-AD, 5 training samples (split first), preset paper, pretrained weights",
        ("toy", "10"): "Toy (embedded), 10 training samples (split first), preset quick, random weights",
    }
    first = call("tables", "--results", folder)
    assert "MVTec 3D-AD, all training samples" in first.out
    commands = [line.split("    ")[0] for line in first.out.splitlines() if "harness tables --dataset" in line]
    assert len(commands) == len(titles)
    for command in commands:
        words = shlex.split(command)[1:]
        setting = words[words.index("--dataset") + 1], words[words.index("--shots") + 1]
        assert f"Best methods: {titles[setting]}" in call(*words).out
