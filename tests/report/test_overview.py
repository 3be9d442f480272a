"""The first screen of ``harness tables``: which setting it shows, who is best in it, and what else there is."""

from __future__ import annotations

import shlex

import pytest
from report_records import make_record

from harness.data.registry import DATASETS
from harness.report.answer.make import answers
from harness.report.intervals import Difference
from harness.report.overview import compare_hint, overview
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


def test_the_verdict_is_the_beginning_of_the_answer(store):
    records = [*complete(), *complete("btf", shift=-0.1)]
    for separated in (True, False, None):
        intervals = Answers(store, separated)
        (answer,) = answers(records, RecordQuery(), intervals)
        assert overview(records, RecordQuery(), intervals).verdict == answer.paragraphs[0]


def test_other_settings_are_named_with_their_cells(store):
    records = [*complete(), *complete(shots=5, categories=MVTEC[:2]), *complete("btf", ["bump"], **TOY)]
    heading, *commands, last = screen_of(store, records).others
    assert heading == "Other settings:", "where one method is measured there is nothing to compare"
    assert [command.split("    ")[-1] for command in commands] == ["(1 cell)", "(2 cells)"]
    assert "--dataset toy --shots 10 --split first --preset quick --weights random" in commands[0]
    assert "--dataset mvtec3d --shots 5 --split first --preset paper --weights pretrained" in commands[1]
    assert "harness tables --list" in last
    assert len(screen_of(store, complete()).others) == 1


def test_the_whole_answer_is_a_command_away_where_two_methods_are_measured(store, tmp_path):
    records = [*complete(shots=5), *complete("btf", shots=5), *complete()]
    setting = "--dataset mvtec3d --shots 5 --split first --preset paper --weights pretrained"
    assert any(line.endswith(f"harness compare {setting}") for line in screen_of(store, records, shots=(5,)).others)
    assert compare_hint(records, RecordQuery(), [tmp_path]).endswith(f"harness compare {setting} --results {tmp_path}")
    assert compare_hint([*records, *complete("btf")], RecordQuery()).endswith(": harness compare")
    assert compare_hint(records, RecordQuery(methods=("cfm",))) == ""


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
