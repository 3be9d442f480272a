import json
import os
import subprocess
import sys

import pytest
from report_records import make_cell, make_record

from harness.data.registry import DATASETS
from harness.store.claims import Claim
from harness.store.pending import save_pending
from harness.store.store import Store

CANDIES = DATASETS["eyecandies"].categories
LOG = "".join(f"line {number}\n" for number in range(1, 8)) + "ValueError: [bold]3[/]\n"


@pytest.fixture
def folder(tmp_path):
    """The default results folder in the middle of a run on Eyecandies, beside one cell of MVTec 3D-AD."""
    store = Store(tmp_path / "results")
    store.write(make_record("cfm", "bagel"))
    for name in CANDIES[:3]:
        store.write(make_record("cfm", name, dataset="eyecandies", shots=10))
    oom = store.write(make_record("cfm", CANDIES[3], dataset="eyecandies", shots=10, status="oom", reason="no [mem]"))
    store.write(make_record("cfm-t", CANDIES[0], dataset="eyecandies", shots=10, status="timeout", reason="over 60 s"))
    (store.folder / "logs").mkdir()
    (store.folder / "logs" / f"{oom.stem}.log").write_text(LOG, encoding="utf-8")
    cells = [make_cell("cfm", name, dataset="eyecandies", shots=10) for name in CANDIES[4:7]]
    save_pending(store.folder, cells)
    claim = Claim(store.folder, cells[0])
    with claim:
        assert claim.take()
        yield store.folder


def status_in(folder, *arguments, **environment):
    """Return what a process of its own prints: a terminal is looked at when that starts."""
    command = [sys.executable, "-m", "harness", "status", "--results", str(folder), *arguments]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout


def rows(text, first):
    return [line.split() for line in text.splitlines() if line.split()[:1] == [first]]


def test_the_grid(call, folder):
    outcome = call("status")
    assert (outcome.code, outcome.err) == (0, "")
    assert "Eyecandies, 10 training samples (split first), preset paper, pretrained weights" in outcome.out
    assert "3 of 8 ok, 1 oom, 1 timeout, 1 running, 2 planned" in outcome.out
    alone, measured = rows(outcome.out, "cfm")
    assert alone == ["cfm", "ok", *"-" * 9]
    assert measured == ["cfm", "ok", "ok", "ok", "oom", "running", "planned", "planned", "-", "-", "-"]
    assert rows(outcome.out, "cfm-t") == [["cfm-t", "timeout", *"-" * 9]]
    assert "A run is at work" in outcome.out


def test_a_narrow_terminal_gets_the_columns_below_each_other(folder):
    out = status_in(folder, "--dataset", "eyecandies", COLUMNS="40")
    assert max(map(len, out.splitlines())) <= 40
    states = [word for line in rows(out, "cfm") for word in line[1:]]
    assert states == ["ok", "ok", "ok", "oom", "running", "planned", "planned", "-", "-", "-"]
    assert "Marshmallow" in out
    assert "Hazelnut" in out


def test_states_have_colours(folder):
    out = status_in(folder, FORCE_COLOR="1", TERM="xterm")
    assert all(code in out for code in ("\x1b[32mok", "\x1b[1;31moom", "\x1b[1;36mrunning", "\x1b[33mplanned"))


def test_what_went_wrong_with_its_reason_time_and_the_end_of_its_log(call, folder):
    outcome = call("status", "--failed")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    begin = next(index for index, line in enumerate(lines) if line.startswith("oom"))
    assert lines[begin].startswith("oom cfm eyecandies/Confetto, 10 training samples (split first), preset paper")
    assert "2026-01-01T00:00:00+00:00" in " ".join(lines[begin : begin + 2])
    assert "  no [mem]" in outcome.out
    assert "  log: results/logs/cfm--eyecandies--Confetto--10shot--first--" in outcome.out
    assert [line for line in lines if line.startswith("  | ")] == [
        *(f"  | line {number}" for number in (4, 5, 6, 7)),
        "  | ValueError: [bold]3[/]",
    ]
    assert "timeout cfm-t eyecandies/CandyCane" in outcome.out
    assert "ok cfm" not in outcome.out.replace("of 9 ok", "")
    assert lines[-1] == "4 of 9 ok, 1 oom, 1 timeout, 1 running, 2 planned"


def test_a_log_that_the_reason_quotes_is_not_repeated(call, folder, tmp_path):
    store = Store(folder)
    cell = make_cell("cfm", "tire")
    log = folder / "logs" / f"{cell.stem}.log"
    log.write_text("Killed\n", encoding="utf-8")
    store.write(make_record("cfm", "tire", status="killed", reason=f"The worker died; its log {log} ends with: Killed"))
    out = call("status", "--failed", "--dataset", "mvtec3d").out
    assert "| Killed" not in out
    assert "ends with: Killed" in " ".join(out.split())


def test_nothing_went_wrong(call, folder):
    assert call("status", "--failed", "-d", "mvtec3d").out == "1 of 1 ok: nothing went wrong\n"


def test_json_holds_everything(call, folder):
    found = json.loads(call("status", "--json").out)
    assert found["counts"] == {"ok": 4, "oom": 1, "timeout": 1, "running": 1, "planned": 2}
    assert len(found["cells"]) == 9
    assert len({cell["id"] for cell in found["cells"]}) == 9
    (oom,) = [cell for cell in found["cells"] if cell["state"] == "oom"]
    assert (oom["category"], oom["reason"]) == ("Confetto", "no [mem]")
    assert oom["log"].startswith("results/logs/")
    wrong = json.loads(call("status", "--json", "--failed").out)
    assert {cell["state"] for cell in wrong["cells"]} == {"oom", "timeout"}


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--dataset", "mvtec3d"], 1),
        (["--methods", "cfm-*"], 1),
        (["--methods", "cfm"], 8),
        (["--shots", "10"], 8),
        (["--shots", "full,10"], 9),
        (["-d", "eyecandies", "-m", "cfm", "-n", "10"], 7),
    ],
)
def test_cells_are_chosen_by_dataset_method_and_shots(call, folder, arguments, count):
    assert len(json.loads(call("status", "--json", *arguments).out)["cells"]) == count


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (
            ["--results", "elsewhere"],
            6,
            "No cell is measured, running or planned in elsewhere: start with",
        ),
        (["--shots", "50"], 6, "No cell with 50 shots is measured, running or planned in results"),
        (["--dataset", "toy"], 6, "No cell on toy is measured, running or planned in results"),
        (["--dataset", "mvtec"], 2, "did you mean 'mvtec3d'"),
        (["--methods", "cfn"], 2, "did you mean 'cfm'"),
        (["--shots", "0"], 2, "'0'"),
    ],
)
def test_errors(call, folder, arguments, code, sentence):
    outcome = call("status", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert sentence in outcome.err


def test_a_record_that_cannot_be_read_is_left_out_and_named_once(call, folder):
    path = next((folder / "cells").glob("*--Confetto--*.json"))
    path.write_text("{", encoding="utf-8")
    outcome = call("status", "--json")
    assert outcome.code == 0
    assert outcome.err.count(path.name) == 1
    found = json.loads(outcome.out)
    assert found["counts"] == {"ok": 4, "timeout": 1, "running": 1, "planned": 2}
    assert [one["path"] for one in found["left_out"]] == [str(path.relative_to(folder.parent))]
