"""A suite plans what a table of the paper needs, no more and no less."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from report_records import make_record

from harness import registry
from harness.cli.main import main
from harness.data.registry import DATASETS
from harness.data.toy import Toy
from harness.errors import UsageError
from harness.measure.environment import describe, describe_torch
from harness.plan.planning import join_plans, make_plan
from harness.plan.selection import Selection
from harness.plan.suites import SUITES, suite_outline, suite_rows, suite_selections
from harness.store.published import read_published
from harness.store.record import Record
from harness.store.store import Store

FREE = Selection(methods=(), shots=(), weights="random")


def planned(selections) -> set[tuple[str, str, object]]:
    return {
        (one.dataset, str(spec), shots)
        for one in selections
        for spec in registry.parse(one.methods)
        for shots in one.shots
        if one.wants(spec, shots)
    }


def installed(method: str) -> bool:
    return method.partition("[")[0] in registry.method_names()


@pytest.mark.parametrize("suite", SUITES)
def test_every_published_row_of_an_installed_method_is_planned_and_nothing_else(suite: str) -> None:
    rows = [row for row in read_published().rows if row.source == "costanzino2024" and row.table == str(SUITES[suite])]
    expected = {(row.dataset, str(registry.parse([row.method])[0]), row.shots) for row in rows if installed(row.method)}
    selections, notes = suite_selections([suite], FREE, None)
    assert expected
    assert planned(selections) == expected
    missing = {row.method for row in rows if not installed(row.method)}
    assert all(name in " ".join(notes) for name in missing)
    assert bool(notes) == bool(missing)


def test_all_is_the_union_of_the_suites_without_repetition() -> None:
    parts = [row for suite in SUITES for row in suite_rows([suite])]
    everything = suite_rows(["all"])
    assert set(parts) == set(everything)
    assert len(everything) == len(set(everything)) < len(parts)
    assert suite_rows(["table6", "table4"]) == suite_rows(["table4", "table6"])


def test_each_dataset_is_one_selection() -> None:
    selections, _ = suite_selections(["all"], FREE, None)
    assert [one.dataset for one in selections] == ["mvtec3d", "eyecandies"]
    (only,), _ = suite_selections(["all"], FREE, "eyecandies")
    assert planned([only]) == planned(suite_selections(["table3"], FREE, None)[0])


def test_table_6_of_the_paper_shares_its_product_row_with_table_1(tiny_mvtec: Path, tmp_path: Path) -> None:
    asked = replace(FREE, data=tiny_mvtec)
    store = Store(tmp_path / "results")

    def plan(*suites: str):
        selections, notes = suite_selections(suites, asked, "mvtec3d")
        return join_plans([make_plan(one, store) for one in selections], notes)

    sixth, first, both = plan("table6"), plan("table1"), plan("table1", "table6")
    labels = {one.job.cell.label for one in sixth.cells}
    assert labels == {"cfm", *(f"cfm[aggregate={how}]" for how in ("sum", "max", "2d", "3d"))}
    ids = [one.job.cell.id for one in both.cells]
    assert len(ids) == len(set(ids)) == len(first.cells) + len(sixth.cells) - 2
    assert {one.test_samples for one in both.cells} == {6}
    joined = join_plans([first, sixth])
    assert {one.job.cell.id for one in joined.cells} == set(ids)


def test_methods_shots_and_categories_narrow_a_suite() -> None:
    (only,), notes = suite_selections(["table4"], replace(FREE, methods=("cfm*", "btf"), shots=(5, 50)), None)
    assert planned([only]) == {("mvtec3d", name, shots) for name in ("cfm", "btf") for shots in (5, 50)}
    assert not notes
    asked = replace(FREE, categories=("bagel", "Candy*", "*o*"))
    mvtec, eyecandies = suite_selections(["table1", "table3"], asked, None)[0]
    assert mvtec.categories == ("bagel", "*o*")
    assert eyecandies.categories == ("Candy*", "*o*")
    (mvtec,), _ = suite_selections(["table1", "table3"], replace(FREE, categories=("bagel",)), None)
    assert mvtec.dataset == "mvtec3d"


def test_a_rehearsal_takes_the_same_methods_and_shots_to_the_toy_dataset() -> None:
    real, _ = suite_selections(["all"], FREE, None)
    (toy,), notes = suite_selections(["all"], FREE, "toy")
    assert planned([toy]) == {("toy", method, shots) for _, method, shots in planned(real)}
    assert any("50 and full are the same samples" in note for note in notes)


def test_a_training_set_that_the_toy_dataset_cannot_give_is_left_out(monkeypatch) -> None:
    toy_counts = DATASETS["toy"].counts
    smaller = {**toy_counts, "bump": {**toy_counts["bump"], "train": 20}}
    monkeypatch.setattr(Toy, "info", replace(Toy.info, counts=smaller))
    (toy,), notes = suite_selections(["table4"], FREE, "toy")
    assert toy.shots == (5, 10, "full")
    assert "Not planned, as Toy (embedded) has 20 training samples of a category: 50 shots." in notes


@pytest.mark.parametrize(
    ("suites", "changes", "dataset", "said"),
    [
        (["table8"], {}, None, "did you mean 'table"),
        (["table3"], {}, "mvtec3d", "table3 is about eyecandies, not mvtec3d"),
        (["table3"], {}, "eyecandy", "did you mean 'eyecandies'"),
        (["table6"], {"shots": (5,)}, None, "it has full"),
        (["table1"], {"methods": ("cfn",)}, None, "did you mean 'cfm'"),
        (["table6"], {"methods": ("btf",)}, None, "table6 has no method 'btf'"),
        (["table1"], {"categories": ("bagle",)}, None, "did you mean 'bagel'"),
        (["table1"], {"categories": ("bagel",)}, "toy", "choose from bump, ridge"),
    ],
)
def test_what_leaves_nothing_is_refused(suites, changes, dataset, said) -> None:
    with pytest.raises(UsageError, match=said):
        suite_selections(suites, replace(FREE, **changes), dataset)


@pytest.fixture
def without_btf(monkeypatch) -> None:
    names = tuple(name for name in registry.method_names() if name != "btf")
    monkeypatch.setattr(registry, "method_names", lambda: names)


def test_a_method_that_is_not_installed_is_left_out_with_a_note_or_refused_where_it_is_all(without_btf) -> None:
    (mvtec,), notes = suite_selections(["table2"], FREE, None)
    assert planned([mvtec]) == {("mvtec3d", name, "full") for name in ("ast", "m3dm", "cfm", "cfm-m")}
    assert notes == ("Not planned, as no such method is installed: btf.",)
    with pytest.raises(UsageError, match="No installed package registers btf"):
        suite_selections(["table1"], replace(FREE, methods=("btf",)), None)


def test_rerun_reaches_the_tables_that_have_the_method_and_a_wrong_one_is_refused(tiny_mvtec, tmp_path) -> None:
    asked = replace(FREE, rerun=("btf", "failed"))
    mvtec, eyecandies = suite_selections(["table1", "table3"], asked, None)[0]
    assert (mvtec.rerun, eyecandies.rerun) == (("btf", "failed"), ("failed",))
    asked = replace(FREE, data=tiny_mvtec, rerun=("bft",))
    (mvtec,), _ = suite_selections(["table1"], asked, "mvtec3d")
    with pytest.raises(UsageError, match="did you mean 'btf'"):
        make_plan(mvtec, Store(tmp_path))


def test_a_pair_that_no_table_needs_hides_none_of_the_others(tiny_mvtec, tmp_path) -> None:
    pairs = frozenset({("cfm-t", 5), ("cfm-s", "full")})
    asked = replace(
        FREE, dataset="mvtec3d", data=tiny_mvtec, methods=("cfm-s", "cfm-t"), shots=(5, "full"), pairs=pairs
    )
    cells = [planned.job.cell for planned in make_plan(asked, Store(tmp_path)).cells]
    assert sorted((cell.method, cell.category, str(cell.shots)) for cell in cells) == sorted(
        (method, category, str(shots)) for method, shots in pairs for category in ("bagel", "carrot")
    )


@pytest.mark.parametrize(
    ("attempts", "rerun", "action"),
    [
        ((), (), "run"),
        ((), ("failed",), "skip"),
        (("failed",), (), "run"),
        (("ok",), (), "skip"),
        (("ok",), ("failed",), "skip"),
        (("ok",), ("all",), "run"),
        (("ok",), ("cfm-t",), "run"),
        (("ok", "failed"), (), "skip"),
        (("ok", "failed"), ("failed",), "run"),
        (("ok", "failed", "ok"), ("failed",), "skip"),
    ],
)
def test_a_cell_runs_where_it_has_no_ok_record_or_is_asked_for(tiny_mvtec, tmp_path, attempts, rerun, action) -> None:
    asked = replace(FREE, dataset="mvtec3d", data=tiny_mvtec, methods=("cfm-t",), shots=(5,), categories=("bagel",))
    (planned,) = make_plan(asked, Store(tmp_path)).cells
    for day, status in enumerate(attempts, start=1):
        reason = "" if status == "ok" else "it broke"
        Store(tmp_path).write(Record(cell=planned.job.cell, status=status, reason=reason, created=f"2026-01-0{day}"))
    assert make_plan(replace(asked, rerun=rerun), Store(tmp_path)).cells[0].action == action


@pytest.fixture
def run(monkeypatch, capsys, tmp_path, tiny_mvtec):
    def call(*arguments: str | Path, data: Path | None = tiny_mvtec) -> tuple[int, str, str]:
        where = () if data is None else ("--data", data)
        monkeypatch.setattr(sys, "argv", ["harness", "run", "--weights", "random", *map(str, (*arguments, *where))])
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return call


def test_the_dry_run_of_a_suite_names_what_it_plans(run, without_btf) -> None:
    code, out, err = run("--suite", "table1,table6", "--dataset", "mvtec3d", "--device", "cpu", "--dry-run")
    assert code == 0
    rows = {row.method for row in suite_rows(["table1", "table6"]) if installed(row.method)}
    cells = 2 * len(rows - {"cfm[aggregate=product]"})  # the same as cfm
    assert out.startswith(f"{cells} of {cells} cells to run on mvtec3d (preset paper, random weights, split first)")
    for label in ("ast", "m3dm", "cfm-m", "cfm[aggregate=max]"):
        assert label in out
    assert "Time: not known" in out
    assert all(words in " ".join(err.split()) for words in ("no such method is installed", "btf."))
    assert "Traceback" not in err


def test_the_dry_run_as_json_has_every_cell_and_its_time(run, tmp_path) -> None:
    common = ("--suite", "table6", "--dataset", "mvtec3d", "--device", "cpu", "--dry-run", "--json")
    _, out, _ = run(*common)
    before = json.loads(out)
    assert before["to_run"] == len(before["cells"]) == 5 * 2
    assert before["time"]["without_record"] == 10
    past = make_record(seconds={"fit": 8.0, "method": 7.5}, samples={"train": 5, "test": 6})
    Store(tmp_path / "results").write(past)
    _, out, _ = run(*common)
    after = json.loads(out)
    assert after["time"]["without_record"] == 0
    assert after["time"]["seconds"] == pytest.approx(80)
    assert {cell["basis"] for cell in after["time"]["cells"]} == {"category", "dataset", "parameters"}
    assert [cell["id"] for cell in after["time"]["cells"]] == [cell["id"] for cell in after["cells"]]


def test_json_without_a_dry_run_and_a_run_of_nothing_are_refused(run) -> None:
    code, _, err = run("--suite", "table6", "--json")
    assert code == 2
    assert "give --dry-run too" in " ".join(err.split())
    code, _, err = run()
    assert code == 2
    assert "--suite table6" in err


def test_a_folder_without_the_dataset_of_a_suite_says_what_to_do(run) -> None:
    code, _, err = run("--suite", "table3", "--dry-run")
    assert code == 2
    assert "MVTec 3D-AD and not Eyecandies" in " ".join(err.split())
    code, _, err = run("--suite", "table3", data=None)
    assert code == 5
    assert "harness data fetch eyecandies" in " ".join(err.split())


@pytest.mark.parametrize("suites", [["table4"], ["table6", "table7"], ["all"]], ids=",".join)
@pytest.mark.parametrize("splits", [("first",), ("first", "first")], ids=len)
def test_the_outline_of_a_suite_counts_the_cells_of_its_plan(suites, splits, tiny_mvtec, tmp_path) -> None:
    asked = replace(FREE, categories=("bagel", "carrot"), shots=(5, "full"), splits=splits)
    (selection,), _ = suite_selections(suites, replace(asked, data=tiny_mvtec), "mvtec3d")
    cells = [one.job.cell for one in make_plan(selection, Store(tmp_path)).cells]
    (outlined,), _ = suite_selections(suites, asked, "mvtec3d")
    rows = suite_outline([outlined])
    assert {row.categories for row in rows} == {2}
    assert {(row.method, row.cells) for row in rows} == {
        (label, sum(cell.label == label for cell in cells)) for label in {cell.label for cell in cells}
    }
    assert {(row.method, shots) for row in rows for shots in row.shots} == {(one.label, one.shots) for one in cells}
    assert [row.method for row in rows if "full" in row.shots] == list(
        dict.fromkeys(one.label for one in cells if one.shots == "full")
    )


def test_few_shot_lists_multiply_and_all_samples_are_one_list() -> None:
    asked = replace(FREE, methods=("cfm",), categories=("c*",), splits=("0", "1", "2"))
    (row,) = suite_outline(suite_selections(["table4"], asked, None)[0])
    assert (row.shots, row.categories, row.splits) == ((5, 10, 50, "full"), 3, ("0", "1", "2"))
    assert row.cells == 3 * (3 * 3 + 1)


def test_without_the_dataset_a_dry_run_tells_what_would_be_planned(run) -> None:
    code, out, err = run("--suite", "table1,table3", "--dry-run", data=None)
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    cells = 10 * sum(installed(row.method) for row in suite_rows(["table1", "table3"]))
    assert out.startswith(f"Cells of MVTec 3D-AD and Eyecandies that would be planned: {cells}")
    assert ["btf", "mvtec3d", "full", "10", "10"] in lines
    assert ["cfm-m", "eyecandies", "full", "10", "10"] in lines
    assert ["all", str(cells)] in lines
    told = " ".join(err.split())
    assert "harness data fetch mvtec3d" in told
    assert "harness data fetch eyecandies" in told
    code, out, _ = run("--suite", "table4", "--dry-run", data=None)
    assert ["cfm", "5,", "10,", "50,", "full", "10", "40"] in [line.split() for line in out.splitlines()]


def test_without_the_dataset_a_dry_run_as_json_has_the_same_rows(run) -> None:
    code, out, _ = run("--suite", "table6", "--categories", "bagel,foam", "--dry-run", "--json", data=None)
    told = json.loads(out)
    assert code == 0
    assert {row["method"]: row["cells"] for row in told["outline"]} == {
        "cfm": 2,
        **{f"cfm[aggregate={how}]": 2 for how in ("sum", "max", "2d", "3d")},
    }
    assert "harness data fetch mvtec3d" in told["notes"][-1]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--rerun", "bft", "did you mean 'btf'"), ("--split", "9", "no split '9'"), ("--preset", "slow", "no preset")],
)
def test_without_the_dataset_a_wrong_request_is_refused_all_the_same(run, option, value, said) -> None:
    code, _, err = run("--suite", "table1", option, value, "--dry-run", data=None)
    assert code == 2
    assert said in " ".join(err.split())


def test_measured_cells_of_a_suite_are_skipped_whichever_way_they_were_asked_for(run, tiny_mvtec, tmp_path) -> None:
    store = Store(tmp_path / "results")
    typed = Selection(("cfm[aggregate=product]",), "mvtec3d", tiny_mvtec, shots=("full",), weights="random")
    for planned in make_plan(typed, store).cells:
        here = describe_torch(describe(device="cpu"), "cpu")
        store.write(replace(make_record(), cell=planned.job.cell, environment=here))
    common = ("--suite", "table6", "--dataset", "mvtec3d", "--device", "cpu", "--dry-run")
    assert "8 of 10 cells to run" in run(*common)[1]
    assert "0 of 2 cells to run" in run(*common, "--methods", "cfm[aggregate=product]")[1]
