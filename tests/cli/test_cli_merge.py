"""``harness merge``: what it prints, how it ends, and that a merged folder is read like one that was measured whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from count_records import counted_record
from gate_records import toy_record

import harness as door
from harness.store.store import Store

SETTINGS = {"dataset": "toy", "preset": "quick", "weights": "random", "shots": 10}
MACHINES = ("CPU A, 4 cores, 2 threads", "CPU B, 4 cores, 2 threads")
TABLES = ("tables", "--table", "all", "--format", "csv", "--source", "measured")


def split_of(whole: Path, folders: tuple[Path, ...]) -> None:
    """Give each cell of a folder, with all its files, to one of several: what as many runs on one plan would leave."""
    for index, record in enumerate(Store(whole).all()):
        for path in whole.rglob(f"{record.cell.stem}.*"):
            target = folders[index % len(folders)] / path.relative_to(whole)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """Three methods on two categories, with counts."""
    store = Store(tmp_path / "whole")
    for seed, method in enumerate(("cfm", "cfm-t", "btf")):
        for category in ("bump", "ridge"):
            clarity = 1.0 + seed / 4
            store.write(counted_record(store, method, category, seed, clarity=clarity, **SETTINGS))
    return store.folder


@pytest.mark.usefixtures("whole")
def test_cells_that_two_runs_measured_give_the_tables_of_one_run(call, tmp_path: Path):
    split_of(tmp_path / "whole", (tmp_path / "a", tmp_path / "b"))
    merged = call("merge", "a", "b", "--to", "c")
    assert (merged.code, merged.err) == (0, "")
    assert merged.out == "c: 6 records copied, 0 there already, 0 conflicts\n"
    expected = call(*TABLES, "--results", "whole")
    assert "cfm-t" in expected.out
    for folders in (("c",), ("a", "b")):
        assert call(*TABLES, *(word for name in folders for word in ("--results", name))) == expected
    answer = call("compare", "--results", "whole")
    assert call("compare", "--results", "c") == answer


def test_runs_into_two_folders_are_one_after_a_merge(harness, call, tiny_mvtec: Path, tmp_path: Path):
    data = ("--data", str(tiny_mvtec))
    where = ("--dataset", "mvtec3d", *data)
    for category in ("bagel", "carrot"):
        common = ("run", "--methods", "colour-distance", *where, "--shots", "2", "--devices", "cpu")
        run = harness(*common, "--categories", category, "--results", category, "--save-maps")
        assert run.returncode == 0, run.stderr
    merged = call("merge", "bagel", "carrot", "--to", "both")
    assert (merged.code, merged.err) == (0, "")
    assert merged.out == "both: 2 records copied, 0 there already, 0 conflicts\n"
    both, apart = ("--results", "both"), ("--results", "bagel", "--results", "carrot")
    tables = call(*TABLES, *both)
    assert "colour-distance" in tables.out
    assert tables.out == call(*TABLES, *apart).out
    checked = call("status", "--verify", *data, *both)
    assert checked.out.startswith("2 of 2 records have the numbers")
    assert checked.out == call("status", "--verify", *data, *apart).out
    again = harness(*common, "--results", "both", "--save-maps", "--dry-run", "--json")
    assert json.loads(again.stdout)["to_run"] == 0
    for name in ("counts", "maps", "logs"):
        assert len(list((tmp_path / "both" / name).iterdir())) == 2, name


@pytest.fixture
def machines(tmp_path: Path) -> None:
    """Two folders with the same cells that differ in the hardware, and so in speed, alone."""
    for name, cpu, ms in (("a", "CPU A", 40.0), ("b", "CPU B", 10.0)):
        for category in ("bump", "ridge"):
            Store(tmp_path / name).write(toy_record("cfm", category, environment={"cpu": cpu}, device_ms=ms))


@pytest.mark.usefixtures("machines")
def test_numbers_of_two_machines_are_two_rows_and_never_one_mean(call):
    merged = call("merge", "a", "b", "--to", "c")
    assert (merged.code, merged.err) == (0, "")
    assert merged.out == (
        "c: 4 records copied, 0 there already, 0 conflicts, 2 cells on several machines, side by side\n"
    )
    for folders in (("c",), ("a", "b")):
        words = [word for name in folders for word in ("--results", name)]
        medians = {machine: {40.0 if "A" in machine else 10.0} for machine in MACHINES}
        shown = json.loads(call("tables", "--table", "timing", "--json", *words).out)
        assert {table["machine"]: medians_of(table) for table in shown} == medians
        for machine in MACHINES:
            (only,) = json.loads(call("tables", "--table", "timing", "--device", machine, "--json", *words).out)
            assert medians_of(only) == medians[machine]


def medians_of(table: dict[str, object]) -> set[float]:
    assert {number["method"] for number in table["values"]} == {"cfm"}
    return {number["value"] for number in table["values"] if number["metric"] == "device_median_ms"}


@pytest.mark.usefixtures("machines")
def test_verbs_that_show_one_record_of_a_cell_name_the_other_machine(call):
    call("merge", "a", "b", "--to", "results")
    verbs = (
        ("plot", "speed", "--source", "measured"),
        ("report", "--open", "no"),
        ("leaderboard", "update"),
        ("check",),
    )
    for verb in verbs:
        shown = call(*verb)
        assert shown.code == 0, shown.err
        (note,) = [line for line in shown.err.splitlines() if "Other machines" in line]
        assert "2 cells" in note
        assert sum(machine in note for machine in MACHINES) == 1
        for machine in MACHINES:
            only = call(*verb, "--device", machine)
            assert (only.code, "Other machines" in only.err) == (0, False)
    lines = Path("results/leaderboard/toy-quick.csv").read_text(encoding="utf-8")
    assert {machine in lines for machine in MACHINES} == {True, False}


@pytest.fixture
def twice(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders with records of one cell; returns the files, the older one first."""
    older = Store(tmp_path / "a").write(toy_record(created="2026-01-01T00:00:00+00:00"))
    newer = Store(tmp_path / "b").write(
        toy_record(created="2026-02-01T00:00:00+00:00", metrics={"i_auroc": 0.91}, device_ms=30.0)
    )
    return older.relative_to(tmp_path), newer.relative_to(tmp_path)


def test_a_conflict_is_a_line_with_both_files_and_what_differs(call, twice):
    older, newer = twice
    merged = call("merge", "a", "b", "--to", "c")
    conflict, summary = merged.out.splitlines()
    assert conflict.startswith(f"cfm toy/bump, 10 training samples (split first): {newer} counts, not {older}: ")
    for fact in ("created 2026-02-01T00:00:00+00:00 and 2026-01-01", "i_auroc 0.910 and 0.950", "more number"):
        assert fact in conflict
    assert summary == "c: 1 record copied, 0 there already, 1 conflict"
    plain = json.loads(call("merge", "b", "--to", "a", "--json").out)
    (found,) = plain["conflicts"]
    assert (found["won"], found["lost"], found["method"]) == (str(newer), str(older), "cfm")
    assert Path(found["moved_to"]).parts[:2] == ("a", "aside")
    assert (plain["copied"], plain["busy"], plain["left_out"]) == (1, [], [])


def test_what_is_left_out_is_named_once_and_is_exit_code_3(call, twice):
    newer = twice[1]
    newer.write_bytes(b"{")
    merged = call("merge", "a", "b", "--to", "c")
    assert merged.code == 3
    assert merged.err.count("\n") == 1
    assert str(newer) in merged.err
    assert merged.out == "c: 1 record copied, 0 there already, 0 conflicts\n"


def test_merge_from_python(tmp_path: Path, twice):
    merged = door.merge(["a", tmp_path / "b"], "c", progress=False)
    assert (merged.copied, len(merged.conflicts)) == (1, 1)
    assert [record.metrics["i_auroc"] for record in door.results("c")] == [0.91]
    twice[0].write_bytes(b"{")
    with pytest.warns(UserWarning, match="left out"):
        assert door.merge("a", "d").is_empty
