"""The verbs of a submission: what is written and told, and that the review accepts it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from submission_records import fitting_record

from harness.store.record import Record
from harness.store.store import Store

TOP = Path(__file__).parents[2]
WHERE = Path("results") / "submissions" / "lab-test"


@pytest.fixture(scope="module")
def head() -> str:
    done = subprocess.run(
        ["git", "-C", TOP, "rev-parse", "HEAD", "--is-shallow-repository"], capture_output=True, text=True
    )
    commit, _, shallow = done.stdout.strip().partition("\n")
    if done.returncode or shallow != "false":
        pytest.skip("no checkout with its whole history")
    return commit


@pytest.fixture
def record(head: str, tmp_path: Path) -> Record:
    return fitting_record(Store(tmp_path / "results"), head)


def test_a_submission_is_written_verified_and_shown(call, record: Record) -> None:
    written = call("leaderboard", "submit", "lab-test", "--methods", "patchcore-xyz")
    assert (written.code, written.err) == (0, "")
    first, *rest = written.out.splitlines()
    assert first.startswith(f"{WHERE}: 1 record of 1 method, ")
    assert f"git add {WHERE}" in "\n".join(rest)
    assert sorted(path.name for path in WHERE.iterdir()) == ["cells", "counts", "submission.json"]
    verified = call("leaderboard", "verify", WHERE)
    assert verified.out == "lab-test: 1 record: accepted\n"
    assert verified.code == 0
    assert "patchcore-xyz (lab-test)" in call("leaderboard", "--format", "markdown").out
    (board,) = json.loads(call("leaderboard", "--json").out)
    assert [(row["method"], row["submission"]) for row in board["rows"]] == [("patchcore-xyz", "lab-test")]
    again = call("leaderboard", "submit", "lab-test")
    assert again.code == 2
    assert "exists already" in again.err


def test_what_would_be_refused_is_left_out_with_the_reason(call, record: Record, head: str) -> None:
    store = Store(Path("results"))
    busy = fitting_record(store, head, category="rope")
    store.write(replace(busy, environment=replace(busy.environment, contended=True)))
    written = call("leaderboard", "submit", "lab-test", "--json")
    assert json.loads(written.out)["records"] == [record.cell.stem]
    assert "busy machine" in written.err
    assert "mvtec3d/rope" in written.err
    none = call("leaderboard", "submit", "other", "--categories", "rope")
    assert none.code == 5
    assert not WHERE.with_name("other").exists()


def test_a_lie_is_refused_with_the_file_and_the_reason(call, record: Record) -> None:
    Store(Path("results")).write(replace(record, metrics={**record.metrics, "i_auroc": 1.0}))
    told = call("leaderboard", "submit", "lab-test")
    assert "i_auroc is 1.000000" in told.err
    Store(Path("results")).write(record)
    call("leaderboard", "submit", "lab-test")
    (cell,) = (WHERE / "cells").iterdir()
    cell.write_text(cell.read_text().replace('"p_auroc": 0.', '"p_auroc": 0.9'))
    refused = call("leaderboard", "verify", WHERE)
    assert refused.code == 3
    assert refused.out.startswith(f"lab-test: cells/{cell.name}: ")
    assert refused.out.endswith("refused, for 1 reason\n")
    (plain,) = json.loads(call("leaderboard", "verify", WHERE, "--json").out)
    assert (plain["accepted"], len(plain["objections"])) == (False, 1)


@pytest.mark.parametrize("name", ["..", "Lab", "a b", "-x", "x" * 51])
def test_odd_names_are_refused(call, record: Record, name: str) -> None:
    told = call("leaderboard", "submit", "--", name)
    assert told.code == 2
    assert not list(Path("results").glob("submissions/*/*"))


def test_the_page_of_the_leaderboard_shows_the_committed_lines() -> None:
    page = (TOP / "docs" / "leaderboard.md").read_text(encoding="utf-8")
    made = page.partition("<!-- made: leaderboard -->")[2].partition("<!-- end -->")[0].strip()
    folders = ("--leaderboard", "results/leaderboard", "--submissions", "results/none")
    command = [sys.executable, "-P", "-m", "harness", "leaderboard", *folders, "--format", "markdown"]
    printed = subprocess.run(command, cwd=TOP, check=True, capture_output=True, text=True).stdout
    assert made == printed.strip(), "write it again with 'python docs/make.py'"
