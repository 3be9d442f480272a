"""Which method is best: who is compared over what, places, ties, costs by machine, and when nothing can be said."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_records import make_record

from harness.report.answer.make import answers
from harness.report.answer.table import answer_grid
from harness.report.intervals import MeanOf
from harness.report.uncertainty import Uncertainty
from harness.store.query import RecordQuery
from harness.store.several import open_store
from harness.store.store import Store

METHODS = ("ast", "btf", "cfm", "cfm-m", "cfm-t", "m3dm")
NAMES = ("bagel", "foam", "tire")
GOOD, ANOMALOUS = 20, 12
IMAGES = [
    {"id": f"{index:03d}", "defect": "good" if index < GOOD else "hole", "label": int(index >= GOOD), "score": 0.5}
    for index in range(GOOD + ANOMALOUS)
]


class Drawn(Uncertainty):
    """Test sets as drawn from a normal distribution around each recorded number, alike for equal methods."""

    def __init__(self, spread=0.02, fewest=ANOMALOUS, known=True):
        super().__init__(Store(Path("nowhere")), 200)
        self.spread, self.fewest, self.known = spread, fewest, known

    def prepare(self, numbers):
        list(numbers)

    def without_counts(self, method, categories):
        return tuple(categories) * (not self.known)

    def _mean(self, number):
        values = [record.metrics.get(number.metric) for record in number.method.among(number.categories).values()]
        if not self.known or not values or None in values:
            return None
        value = float(np.mean(values))
        noise = np.random.default_rng(sum(map(ord, number.method.label))).normal(size=200)
        return MeanOf(value, value + self.spread * noise, 30.0, self.fewest, 0, len(values), 32 * len(values))


def record(method="cfm", category="bagel", value=0.6, **changes):
    metrics = changes.pop("metrics", None) or dict.fromkeys(
        ("i_auroc", "p_auroc", "aupro_30", "aupro_1", "aupro_30_official", "aupro_1_official"), value
    )
    return make_record(method, category, metrics=metrics, images=changes.pop("images", IMAGES), **changes)


def of(values, names=NAMES, **changes):
    return [record(method, name, value, **changes) for method, value in values.items() for name in names]


def answer_of(records, intervals=None, metric="", elsewhere=(), **query):
    (answer,) = answers(records, RecordQuery(**query), intervals or Drawn(), metric, elsewhere)
    return answer


def places(answer):
    return {one.method: one.place for one in answer.methods}


SCORES = st.dictionaries(st.sampled_from(METHODS), st.integers(0, 100).map(lambda n: n / 100), min_size=2)


@settings(max_examples=40, deadline=None)
@given(SCORES, st.randoms(use_true_random=False), st.sampled_from([0.001, 0.02, 0.2]))
def test_the_order_of_records_plays_no_part(values, random, spread):
    records = of(values)
    before = answers(records, RecordQuery(), Drawn(spread))
    random.shuffle(records)
    assert answers(records, RecordQuery(), Drawn(spread)) == before


@settings(max_examples=60, deadline=None)
@given(SCORES, st.sampled_from([0.001, 0.02, 0.2]), st.booleans())
def test_places_follow_numbers_and_intervals(values, spread, known):
    answer = answer_of(of(values), Drawn(spread, known=known))
    assert [one.value for one in answer.methods] == pytest.approx(sorted(values.values(), reverse=True))
    best, *others = answer.methods
    assert (best.place, best.behind, best.difference) == ("best", 0.0, None)
    for one in others:
        assert one.behind <= 0
        if one.behind == 0:
            assert one.place == "tied", "equal numbers are a tie, whatever is known of the images"
        elif not known:
            assert one.place == "untested"
            assert "--rerun" in one.undecided
        else:
            assert one.place == ("tied" if one.difference.high >= 0 else "behind")
    for other in answer.others:
        assert other.best in other.leaders
        assert other.value == max(one.value for one in answer.methods)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.tuples(st.sampled_from(METHODS), st.sampled_from(NAMES)), st.sampled_from("ab"), min_size=1))
def test_compared_methods_share_their_test_images(images):
    records = [
        record(method, name, images=[{**image, "id": f"{version}{image['id']}"} for image in IMAGES])
        for (method, name), version in images.items()
    ]
    answer = answer_of(records)
    compared = {one.method for one in answer.methods}
    assert answer.categories
    for name in answer.categories:
        assert len({images[method, name] for method in compared}) == 1, "a KeyError is a method without the category"
    assert compared | {one.method for one in answer.left_out} == {method for method, _ in images}
    assert all(one.why for one in answer.left_out)
    pairs = {(method, other) for (method, a), (other, b) in product(images, images) if method < other and a == b}
    possible = any(
        images[method, name] == images.get((other, name)) for method, other in pairs for name in NAMES
        if (method, name) in images
    )  # fmt: skip
    assert (len(compared) > 1) == possible
    assert (answer_grid(answer).rows[0].keys["method"]) == answer.best.method


def test_a_clear_lead_and_a_tie():
    clear = answer_of(of({"cfm": 0.9, "btf": 0.6}), Drawn(0.01))
    assert places(clear) == {"cfm": "best", "btf": "behind"}
    assert clear.more_images is None
    tie = answer_of(of({"cfm": 0.9, "btf": 0.89, "ast": 0.2}), Drawn(0.02))
    assert places(tie) == {"cfm": "best", "btf": "tied", "ast": "behind"}
    difference = tie.methods[1].difference
    assert tie.more_images.rival == "btf"
    assert tie.more_images.images == difference.images_needed
    assert tie.more_images.images == pytest.approx(96 * (difference.detectable / 0.01) ** 2, rel=0.1)


@pytest.mark.parametrize(("fewest", "value"), [(9, 0.89), (12, 0.9)])
def test_no_number_of_images_is_named_where_it_could_not_be_known(fewest, value):
    """With few images the spread is rough; equal methods are told apart by no number of images."""
    answer = answer_of(of({"cfm": 0.9, "btf": value}), Drawn(0.02, fewest))
    assert sorted(places(answer).values()) == ["best", "tied"]
    text = " ".join(answer.paragraphs)
    if value == 0.9:
        assert answer.more_images is None
        assert "are equal" in text
    else:
        assert answer.more_images.images is None
        assert "can't be said: fewer than 10 images of a kind" in text


def test_settings_are_never_mixed():
    changes = [{}, {"shots": 5}, {"shots": 10}, {"weights": "random"}, {"preset": "quick"}, {"dataset": "eyecandies"}]
    changes += [{"shots": 5, "split": "0"}]
    records = [one for place, change in enumerate(changes) for one in of({"cfm": 0.8 + place / 100}, **change)]
    found = answers(records, RecordQuery(), Drawn())
    assert len(found) == len(changes)
    assert sorted(one.best.value for one in found) == pytest.approx([0.8 + n / 100 for n in range(len(changes))])
    assert len({answer.title for answer in found}) == len({answer.options for answer in found}) == len(changes)
    assert all(len(answer.methods) == 1 for answer in found)


def test_a_method_that_misses_a_cell_is_compared_over_the_others():
    records = of({"cfm": 0.9, "btf": 0.7, "ast": 0.6})
    records[3] = make_record("btf", "bagel", status="oom", reason="out of memory")
    answer = answer_of(records)
    assert answer.categories == ("foam", "tire")
    assert len(answer.methods) == 3
    assert answer.missing == {"bagel": "btf: oom: out of memory"}
    assert (answer.images.good, answer.images.anomalous) == (2 * GOOD, 2 * ANOMALOUS)


def test_a_method_with_little_is_left_out_instead_of_what_others_share():
    records = [*of({"cfm": 0.9, "btf": 0.7}), record("ast", "foam", 0.99)]
    answer = answer_of(records)
    assert places(answer).keys() == {"cfm", "btf"}
    (ast,) = answer.left_out
    assert "bagel (not run)" in ast.why


def test_a_failed_method_and_one_that_was_never_run_are_named():
    records = [*of({"cfm": 0.9}), make_record("btf", status="failed", reason="no open3d")]
    answer = answer_of(records, methods=("cfm", "btf", "m3dm"))
    assert places(answer) == {"cfm": "best"}
    assert {one.method: one.why for one in answer.left_out}.keys() == {"btf", "m3dm"}
    assert "no open3d" in next(one.why for one in answer.left_out if one.method == "btf")


OLD = {"provider": {"distribution": "harness", "version": "0", "source": "0" * 64}}


def test_stale_numbers_are_left_out_and_only_among_themselves_shown():
    stale = {"environment": OLD}
    answer = answer_of([*of({"cfm": 0.7, "ast": 0.6}), *of({"btf": 0.99}, **stale)])
    assert places(answer).keys() == {"cfm", "ast"}
    assert "stale" in answer.left_out[0].why
    answer = answer_of(of({"cfm": 0.7, "btf": 0.99}, **stale))
    assert len(answer.methods) == 2
    assert "stale" in answer.cautions[0]


def test_whole_images_decide_where_masks_are_missing():
    metrics = {"i_auroc": 0.9, "aupro_1": None}
    undefined = {"aupro_1": "12 of 12 anomalous samples have no mask"}
    answer = answer_of(of({"cfm": 0.9, "btf": 0.8}, metrics=metrics, undefined=undefined))
    assert answer.metric == "i_auroc"
    assert answer.why_metric == undefined["aupro_1"]
    assert answer_of(of({"cfm": 0.9})).metric == "aupro_1"
    mixed = [*of({"cfm": 0.9, "btf": 0.8}, names=["foam"]), *of({"cfm": 0.9, "btf": 0.8}, ["bagel"], metrics=metrics)]
    assert answer_of(mixed).metric == "i_auroc", "that all cells have it counts more than the order of metrics"
    asked = answer_of(mixed, metric="aupro_1")
    assert (asked.categories, asked.why_metric) == (("foam",), "")
    assert "bagel" in asked.missing
    nothing = answer_of(of({"cfm": 0.9}, metrics=metrics, undefined=undefined), metric="aupro_1")
    assert nothing.best is None
    assert undefined["aupro_1"] in nothing.paragraphs[0]
    assert len(answer_grid(nothing).rows) == 1


def test_metrics_that_disagree_are_found():
    one = {"i_auroc": 0.9, "aupro_1": 0.5, "p_auroc": 0.9}
    other = {"i_auroc": 0.7, "aupro_1": 0.8, "p_auroc": 0.9}
    records = [*of({"cfm": 0}, metrics=one), *of({"btf": 0}, metrics=other)]
    answer = answer_of(records, Drawn(0.01))
    assert (answer.metric, answer.best.method) == ("aupro_1", "btf")
    found = {one.metric: one.leaders for one in answer.others}
    assert found == {"i_auroc": ("cfm",), "p_auroc": ("btf", "cfm")}
    against = next(one for one in answer.others if one.metric == "i_auroc")
    assert against.behind == pytest.approx(-0.2)
    assert against.difference.high < 0


def timed(ms, mb=1000.0, fit=60.0, machine="CPU one", **environment):
    return {
        "latency": {"device": {"median_ms": ms}},
        "memory": {"peak_inference": {"mb": mb, "source": "VmHWM"}},
        "seconds": {"fit": fit},
        "environment": {"device": "cpu", "device_name": machine, "threads": 2, **environment},
    }


def test_costs_of_one_machine_are_compared():
    answer = answer_of([*of({"cfm": 0.9}, **timed(100)), *of({"btf": 0.8}, **timed(50, 100.0))])
    (machine,) = answer.machines
    for method, fps, mb in (("cfm", 10, 1000), ("btf", 20, 100)):
        costs = next(one for one in answer.methods if one.method == method).on(machine)
        assert [costs.compared(id) for id in ("fps", "peak_inference_mb", "fit_s")] == [fps, mb, 60]
    assert "btf is 2 times as fast for 0.100 less" in " ".join(answer.paragraphs)


def test_costs_of_two_machines_never_meet():
    records = [*of({"cfm": 0.9}, **timed(100)), *of({"btf": 0.8}, **timed(1, machine="CPU two"))]
    answer = answer_of(records)
    assert places(answer).keys() == {"cfm", "btf"}, "accuracy does not depend on the machine"
    assert len(answer.machines) == 2
    assert "as fast" not in " ".join(answer.paragraphs)
    assert not [value.place for row in answer_grid(answer).rows for value in row.values[2:] if value.place]


def test_a_cell_that_was_measured_on_two_machines_has_costs_on_both(tmp_path):
    for machine, ms in (("CPU one", 100), ("CPU two", 10)):
        for method, factor in (("cfm", 1), ("btf", 0.5)):
            for one in of({method: 0.9 if method == "cfm" else 0.5}, **timed(ms * factor, machine=machine)):
                (store := Store(tmp_path)).write(one) if machine == "CPU one" else store.on(machine).write(one)
    store = open_store([tmp_path])
    answer = answer_of(store.all(), elsewhere=store.elsewhere)
    costs = {(one.method, at.machine.split(",")[0]): at.compared("fps") for one in answer.methods for at in one.costs}
    assert costs == {("cfm", "CPU one"): 10, ("btf", "CPU one"): 20, ("cfm", "CPU two"): 100, ("btf", "CPU two"): 200}
    assert len(answer_grid(answer).rows) == 4
    chosen = answer_of(store.all(), elsewhere=store.elsewhere, device="CPU one")
    assert [one.split(",")[0] for one in chosen.machines] == ["CPU one"]


@pytest.mark.parametrize(
    "environment", [{"contended": True, "contention": "others used 2 cores"}, {"cache": {"read": 3, "made": 0}}]
)
def test_times_that_others_have_changed_are_not_compared(environment):
    answer = answer_of([*of({"cfm": 0.9}, **timed(100, **environment)), *of({"btf": 0.8}, **timed(50))])
    costs = answer.best.costs[0]
    assert costs.compared("fit_s") is None
    assert costs.numbers["fit_s"].note
    assert (costs.compared("fps") is None) == ("contended" in environment)
    assert costs.compared("peak_inference_mb") == 1000


def test_equal_methods_of_a_perfect_test_set():
    answer = answer_of(of({"cfm": 1.0, "btf": 1.0}), Drawn(0.0))
    assert places(answer) == {"btf": "best", "cfm": "tied"}
    assert answer.more_images is None
    assert "equal" in answer.paragraphs[0]
