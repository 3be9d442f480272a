"""The first screen of ``harness tables``: which setting it shows, who is best in it, and what else there is."""

from __future__ import annotations

import shlex

import pytest
from report_records import make_record

from harness.data.registry import DATASETS
from harness.report.intervals import Difference
from harness.report.overview import overview
from harness.report.uncertainty import Uncertainty
from harness.store.query import RecordQuery
from harness.store.store import Store

MVTEC = DATASETS["mvtec3d"].categories
TOY = {"dataset": "toy", "preset": "quick", "weights": "random", "shots": 10}


class Answers(Uncertainty):
    """Separates methods by an answer that is given, not by a bootstrap."""

    def __init__(self, store, answer=None):
        super().__init__(store, 20)
        self.answer = answer

    def against_best(self, best, others):
        high = 0.0 if self.answer else -0.01
        return [None if self.answer is None else Difference(-0.1, -0.2, high, 0.033) for _ in others]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


def complete(method="cfm", categories=MVTEC, **changes):
    return [make_record(method, name, **changes) for name in categories]


def screen_of(store, records, answer=None, **query):
    return overview(records, RecordQuery(**query), Answers(store, answer))


def test_the_fullest_setting_is_shown(store):
    few = complete(shots=5, categories=MVTEC[:3], created="2026-09-09T00:00:00+00:00")
    screen = screen_of(store, [*few, *complete()])
    assert screen.grid.keys["shots"] == "full"
    assert screen_of(store, [*few, *complete()], shots=(5,)).grid.keys["shots"] == "5"


def test_of_equally_full_settings_the_newest_is_shown(store):
    newer = complete(shots=10, created="2026-03-03T00:00:00+00:00")
    for records in ([*newer, *complete(shots=5), *complete()], [*complete(), *complete(shots=5), *newer]):
        assert screen_of(store, records).grid.keys["shots"] == "10"


def test_failed_cells_do_not_fill_a_setting(store):
    failed = complete(shots=5, status="oom", reason="out of memory")
    assert screen_of(store, [*failed, make_record()]).grid.keys["shots"] == "full"


def test_the_table_has_accuracy_speed_and_memory_of_every_method(store):
    grid = screen_of(store, [*complete(), *complete("btf", shift=-0.1)]).grid
    assert [row.keys["method"] for row in grid.rows] == ["btf", "cfm"]
    cfm = {column.keys["metric"]: value for column, value in zip(grid.columns, grid.rows[1].values, strict=True)}
    expected = {"i_auroc": "0.950", "aupro_1": "0.600", "fps": "25.0", "memory_mb": "452.7", "peak_inference_mb": "-"}
    assert {metric: cfm[metric].text for metric in expected} == expected
    assert cfm["i_auroc"].place == 1
    assert grid.warning == ""
    assert any("Test CPU, 2 threads" in note for note in grid.notes)


@pytest.mark.parametrize("answer", [False, None])
def test_the_verdict_names_the_best_with_its_number(store, answer):
    verdict = screen_of(store, [*complete(), *complete("btf", shift=-0.1)], answer).verdict
    assert "AUPRO@1% exact" in verdict
    assert "cfm (0.600)" in verdict
    assert "btf" not in verdict


def test_the_verdict_says_that_none_is_best_where_they_are_tied(store):
    verdict = screen_of(store, [*complete(), *complete("btf", shift=-0.1)], answer=True).verdict
    assert verdict.startswith("No single best method")
    assert "btf and cfm" in verdict
    assert "equal" in verdict
    assert "0.033" in verdict


def test_equal_numbers_and_a_single_method_have_no_best(store):
    equal = screen_of(store, [*complete(), *complete("btf")]).verdict
    assert "btf (0.600) and cfm (0.600)" in equal
    alone = screen_of(store, complete()).verdict
    assert "cfm (0.600)" in alone
    assert not {"Best", "best"} & {*equal.split(), *alone.split()}


def test_methods_of_fewer_categories_are_not_judged_beside_those_of_all(store):
    some = [*complete("ast", MVTEC[:2], shift=0.2), *complete("m3dm", MVTEC[:2], shift=0.1)]
    verdict = screen_of(store, [*complete(), *complete("btf", shift=-0.1), *some]).verdict
    assert "over 10 categories" in verdict
    assert "cfm (0.600)" in verdict
    assert not [name for name in ("ast", "m3dm", "btf") if name in verdict]
    verdict = screen_of(store, [*complete(), *some]).verdict
    assert "over 2 categories" in verdict
    assert "ast (0.800)" in verdict
    assert "cfm" not in verdict


def test_methods_without_the_deciding_metric_are_not_judged(store):
    undefined = complete(metrics={"i_auroc": 0.9, "aupro_1": None})
    assert screen_of(store, undefined).verdict == "AUPRO@1% exact is undefined for every method."


def test_other_settings_are_named_with_their_cells(store):
    records = [*complete(), *complete(shots=5, categories=MVTEC[:2]), *complete("btf", ["bump"], **TOY)]
    heading, *commands, last = screen_of(store, records).others
    assert heading == "Other settings:"
    assert [command.split("    ")[-1] for command in commands] == ["(1 cell)", "(2 cells)"]
    assert "--dataset toy --shots 10 --split first --preset quick --weights random" in commands[0]
    assert "--dataset mvtec3d --shots 5 --split first --preset paper --weights pretrained" in commands[1]
    assert "harness tables --list" in last
    assert len(screen_of(store, complete()).others) == 1


def test_many_settings_are_counted(store):
    records = [
        make_record(shots=s, weights=w, preset=p)
        for s in (5, 10)
        for w in ("random", "pretrained")
        for p in ("paper", "quick")
    ]
    records += [make_record(), make_record("btf")]
    others = screen_of(store, records).others
    assert len([line for line in others if "harness tables --dataset" in line]) == 6
    assert any("2 more" in line for line in others)


def test_the_commands_repeat_what_else_was_asked_for(store, tmp_path):
    records = [*complete(), *complete(shots=5, categories=MVTEC[:2])]
    query = RecordQuery(methods=("cfm*",), categories=("ba*", "foam"), device="cpu", statuses=("ok",))
    screen = overview(records, query, Answers(store), [tmp_path / "my results"])
    command = next(line for line in screen.others if "--dataset" in line).split("    ")[0]
    words = shlex.split(command)
    given = dict(zip(words[2::2], words[3::2], strict=True))
    assert {name: given[name] for name in ("--methods", "--categories", "--device", "--status", "--results")} == {
        "--methods": "cfm*",
        "--categories": "ba*,foam",
        "--device": "cpu",
        "--status": "ok",
        "--results": str(tmp_path / "my results"),
    }
