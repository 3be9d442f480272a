"""The words of answers, in one golden file that a person reads; what matters is asserted beside it.

``GOLDEN=write pytest tests/report/test_answer_words.py`` writes the file again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.report.answer.answer import (
    Answer,
    Cost,
    Costs,
    LeftOutMethod,
    MoreImages,
    OtherMetric,
    Standing,
    TestSet,
)
from harness.report.answer.table import answer_grid, answer_html
from harness.report.intervals import Difference
from harness.report.render.text import as_markdown

GOLDEN = Path(__file__).parents[1] / "golden" / "answers.txt"


def costs(fps: float | None, mb: float, fit: float, machine: str = "Some CPU, 2 threads") -> tuple[Costs, ...]:
    speed = Cost(fps, "" if fps else "other processes used 1.5 of 2 cores", fps is not None)
    return (Costs(machine, {"fps": speed, "peak_inference_mb": Cost(mb, "", True), "fit_s": Cost(fit, "", True)}),)


BEST = Standing("cfm", 0.912, 0.87, 0.941, "best", costs=costs(2.0, 450, 62.3))
BEHIND = Standing(
    "btf", 0.701, 0.6, 0.79, "behind", -0.211, Difference(-0.211, -0.30, -0.122, 0.13), costs=costs(9.1, 120, 5)
)
TIED = Standing("cfm-t", 0.908, 0.86, 0.94, "tied", -0.004, Difference(-0.004, -0.02, 0.012, 0.023))
TIED = replace(TIED, costs=costs(4.2, 60, 21))
UNTESTED = replace(
    TIED, place="untested", difference=None, undecided="not tested on the same images as cfm, the best one"
)
EQUAL = Standing("ast", 1.0, 0.79, 1.0, "tied", 0.0, Difference(0.0, 0.0, 0.0))
PERFECT = Standing("cfm", 1.0, 0.79, 1.0, "best")
MANY = TestSet(40, 120, 20, 60)

PLAIN = Answer(
    "Brackets, 20 training samples (split first), preset paper, pretrained weights",
    {"dataset": "brackets", "shots": "20", "split": "first", "preset": "paper", "weights": "pretrained"},
    "--dataset brackets",
    "aupro_1",
    categories=("left", "right"),
    methods=(BEST, BEHIND),
    images=MANY,
)
AGREES = OtherMetric("p_auroc", "cfm", 0.98, ("cfm",))
AGAINST = OtherMetric("i_auroc", "btf", 0.97, ("btf",), -0.05, Difference(-0.05, -0.09, -0.01, 0.06))

ANSWERS: Mapping[str, Answer] = {
    "a clear lead": replace(PLAIN, others=(AGREES,)),
    "a tie, and one that is worse": replace(
        PLAIN,
        methods=(BEST, TIED, BEHIND),
        more_images=MoreImages("cfm-t", 0.004, 5300),
        others=(replace(AGREES, leaders=("cfm", "cfm-t")),),
    ),
    "a tie that another metric decides": replace(
        PLAIN, methods=(BEST, TIED), others=(OtherMetric("i_auroc", "cfm", 0.97, ("cfm",)),)
    ),
    "twelve defects": replace(
        PLAIN,
        metric="i_auroc",
        why_metric="12 of 12 anomalous samples have no mask",
        categories=("left",),
        methods=(replace(BEST, low=0.74, high=0.98), TIED),
        images=TestSet(20, 12, 20, 12),
        more_images=MoreImages("cfm-t", 0.004, 190),
    ),
    "few images": replace(PLAIN, categories=("left",), images=TestSet(20, 5, 20, 5)),
    "a tie on few images": replace(
        PLAIN,
        categories=("left",),
        methods=(BEST, TIED),
        images=TestSet(20, 5, 20, 5),
        more_images=MoreImages("cfm-t", 0.004, None, "fewer than 10 images of a kind in a category"),
    ),
    "a difference too small for any test set": replace(
        PLAIN, methods=(BEST, TIED), more_images=MoreImages("cfm-t", 0.0001, 16_000_000)
    ),
    "metrics that disagree": replace(PLAIN, others=(AGREES, AGAINST)),
    "equal methods": replace(PLAIN, methods=(PERFECT, EQUAL), metric="i_auroc"),
    "no counts": replace(PLAIN, methods=(BEST, UNTESTED)),
    "equal ones, and one without counts": replace(PLAIN, methods=(PERFECT, EQUAL, replace(UNTESTED, behind=-0.092))),
    "many methods": replace(
        PLAIN, methods=(BEST, *(replace(TIED, method=f"cfm[epochs={epochs}]", costs=()) for epochs in range(1, 12)))
    ),
    "one method": replace(PLAIN, methods=(BEST,)),
    "none with the metric": replace(
        PLAIN, methods=(), left_out=(LeftOutMethod("cfm", "no AUPRO@1% exact of left (no masks)"),)
    ),
    "missing cells and stale records": replace(
        PLAIN,
        missing={"lid": "btf: oom: CUDA out of memory"},
        left_out=(LeftOutMethod("m3dm", "not measured in this setting"), LeftOutMethod("ast", "stale: its code ...")),
        cautions=("The networks have random weights: measure with pretrained ones before you decide.",),
    ),
    "two machines": replace(PLAIN, methods=(BEST, replace(BEHIND, costs=costs(90, 100, 1, "Some GPU, 2 threads")))),
    "a busy machine": replace(
        PLAIN, methods=(replace(BEST, costs=costs(None, 450, 60)), replace(BEHIND, costs=costs(None, 120, 5)))
    ),
    "the fastest is the best": replace(PLAIN, methods=(replace(BEST, costs=costs(30, 50, 5)), BEHIND)),
    "as fast, within noise": replace(PLAIN, methods=(replace(BEST, costs=costs(9.0, 50, 5)), BEHIND)),
}


def test_words_are_those_of_the_golden_file():
    parts = ["\n".join((f"# {name}", *answer.paragraphs)) for name, answer in ANSWERS.items()]
    written = "\n\n".join(parts) + "\n"
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(written, encoding="utf-8")
    assert written == GOLDEN.read_text(encoding="utf-8")


def test_each_tie_of_the_table_says_how_many_images_it_needs():
    assert TIED.difference is not None
    tied = replace(TIED, difference=replace(TIED.difference, images=160, images_needed=5300))
    more = replace(tied, method="cfm-s", difference=replace(tied.difference, images_needed=210_000))
    grid = answer_grid(replace(PLAIN, methods=(BEST, tied, more, BEHIND)))
    notes = {row.keys["method"]: row.values[0].note for row in grid.rows}
    assert notes["cfm-t"].endswith(": about 5,300")
    assert notes["cfm-s"].endswith(": more than 100,000")
    assert notes["cfm"] == notes["btf"] == ""
    assert [row.values[0].images_needed for row in grid.rows] == [None, 5300, 210_000, None]


@pytest.mark.parametrize("name", ANSWERS)
def test_words_and_table_say_the_same(name):
    answer = ANSWERS[name]
    text = " ".join(answer.paragraphs)
    assert (" tied with it" in text or " equal" in text) == bool(answer.tied)
    assert (": no tie" in text) == bool(answer.placed("behind") and not answer.tied)
    table = as_markdown([answer_grid(answer)])
    assert ("≈" in table) == bool(answer.tied)
    for one in (*answer.methods, *answer.left_out):
        assert one.method in table
    assert all(part in answer_html(answer).replace("&#x27;", "'") for part in answer.paragraphs)
    assert str(answer).startswith(answer.title)


def test_the_trade_names_ratio_and_price():
    text = " ".join(ANSWERS["a tie, and one that is worse"].paragraphs)
    assert "cfm-t is 2.1 times as fast for 0.004 less" in text
    assert "btf is 4.5 times as fast for 0.211 less" in text
    assert "(120 good and 72 anomalous ones) instead of 32" in " ".join(ANSWERS["twelve defects"].paragraphs)
