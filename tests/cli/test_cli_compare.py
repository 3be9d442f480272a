"""``harness compare``: the words and the table of each setting, in three formats."""

from __future__ import annotations

import json
import re

import pytest
from count_records import counted_record
from report_records import make_record

from harness.store.store import Store

TOY = {"dataset": "toy", "shots": 10, "preset": "quick", "weights": "random"}


@pytest.fixture
def measured(tmp_path):
    """Three methods on the toy dataset, of which one is clearly worse, and one method in another setting."""
    store = Store(tmp_path / "results")
    for method, clarity in (("cfm", 2.0), ("cfm-t", 2.0), ("btf", 0.2)):
        for seed, category in enumerate(("bump", "ridge")):
            # the same noise for cfm and cfm-t: equal numbers
            store.write(counted_record(store, method, category, seed, clarity=clarity, **TOY))
    store.write(counted_record(store, "cfm", "bump", 0, **{**TOY, "shots": 5}))
    return store


def answers_of(outcome):
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def test_each_setting_has_its_answer(call, measured):
    few, many = answers_of(call("compare", "--json"))
    assert [answer["setting"]["shots"] for answer in (few, many)] == ["5", "10"]
    assert [one["method"] for one in few["methods"]] == ["cfm"]
    assert {one["method"]: one["place"] for one in many["methods"]} == {"cfm": "best", "cfm-t": "tied", "btf": "behind"}
    assert many["tie"]
    assert not few["tie"]
    assert many["metric"] == "aupro_1"
    assert many["images"] == {"good": 8, "anomalous": 16, "fewest_good": 4, "fewest_anomalous": 8}
    btf = many["methods"][2]
    assert btf["difference"]["low"] < btf["difference"]["value"] < btf["difference"]["high"] < 0
    assert "random weights" in many["cautions"][0]


def test_words_and_tables_are_in_percent(call, measured):
    fraction = re.compile(r"(?<![\d.])0\.\d\d\d")
    for verb in (("compare", "--shots", 10), ("compare", "--shots", 10, "--format", "markdown"), ("tables",)):
        assert fraction.search(call(*verb).out), verb
        assert not fraction.search(call(*verb, "--percent").out), verb


def test_words_come_first_and_the_table_has_every_method(call, measured):
    out = call("compare", "--shots", 10).out
    words, table = out.split("Methods, the best first", 1)
    assert "No single best method" in words
    assert "Worse: btf" in " ".join(words.split())
    assert "With down to 4 good images a category" in " ".join(words.split())
    assert re.search(r"btf +0\.\d{3} \[0\.\d{3}, 0\.\d{3}\] +-0\.\d{3} \[-0\.\d{3}, -0\.\d{3}\] +25\.0", table)
    assert out.isprintable() or all(line.isprintable() for line in out.splitlines())
    assert call("compare", "cfm-t,btf", "cfm", "-n", "10").out == out, "the order of names plays no part"


def test_names_and_options_choose_among_the_records(call, measured):
    (one,) = answers_of(call("compare", "cfm-t", "btf", "--format", "json"))
    assert [method["method"] for method in one["methods"]] == ["cfm-t", "btf"]
    assert not one["tie"]
    (both,) = answers_of(call("compare", "cfm*", "--shots", 10, "--metric", "i_auroc", "--json"))
    assert both["metric"] == "i_auroc"
    (named,) = answers_of(call("compare", "cfm-t", "--methods", "btf,m3dm", "--json"))
    assert [left["method"] for left in named["left_out"]] == ["m3dm"]


def test_markdown(call, measured):
    out = call("compare", "--shots", 10, "--format", "markdown").out
    assert out.startswith("## Toy (embedded), 10 training samples")
    assert "| cfm | " in out
    assert "≈" in out


def test_a_single_method_is_no_error(call, measured):
    outcome = call("compare", "cfm", "--shots", 5)
    assert outcome.code == 0
    assert "nothing to compare it with" in " ".join(outcome.out.split())


def test_a_metric_that_no_record_has_is_nothing_measured(call, tmp_path):
    Store(tmp_path / "results").write(make_record(metrics={"i_auroc": 0.9}, undefined={"aupro_1": "no masks"}, **TOY))
    assert call("compare", "--json").code == 0
    outcome = call("compare", "--metric", "aupro_1")
    assert (outcome.code, outcome.out) == (6, "")
    assert "no masks" in outcome.err


def test_tables_names_the_verb_where_two_methods_are_measured(call, measured):
    command = "harness compare --dataset toy --shots 10 --split first --preset quick --weights random"
    assert command in call("tables", "--shots", 10).out
    assert command in call("tables", "--shots", 10, "--table", "accuracy").err
    assert "harness compare" not in call("tables", "--shots", 5).out
    assert call("tables", "--shots", 10, "--table", "accuracy", "--format", "markdown").err == ""
