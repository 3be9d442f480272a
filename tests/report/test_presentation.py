"""Percent, no differences and short labels: the same numbers, printed in another way."""

from __future__ import annotations

import pytest

from harness.report.grid import Column, Grid, Row, Value
from harness.report.presentation import hundredfold, in_percent, with_short_labels, without_differences
from harness.report.render.text import as_markdown
from harness.report.tables import TableRequest, published_grids
from harness.store.published import read_published

LONG = ("cfm[aggregate=2d,epochs=50,smoothing=none]", "cfm[aggregate=3d,epochs=50,smoothing=none]")
STALE = Value(LONG[0], note="stale")
GRID = Grid(
    title="Title",
    label_headings=("method",),
    columns=(Column("I-AUROC", {"metric": "i_auroc"}), Column("memory", {"metric": "memory_mb"})),
    rows=(
        Row(
            (Value(LONG[0], note="stale"),), (Value("0.954 ±0.010", 0.954), Value("1.25", 1.25)), {"source": "measured"}
        ),
        Row((Value(LONG[1]),), (Value("-0.005", -0.005), Value("-", note="0.250 of it")), {"source": "difference"}),
        Row((Value("cfm (a)"),), (Value("1.000", 1.0), Value("2", 2.0)), {"source": "published"}),
        Row((Value("a label of many words that is no method"),), (Value("best"), Value("")), {}),
    ),
    caption="seen from I-AUROC 0.023",
)


def test_percent_changes_accuracies_and_what_is_said_of_them_alone() -> None:
    (grid,) = in_percent([GRID])
    assert [row.values[0].text for row in grid.rows] == ["95.4 ±1.0", "-0.5", "100.0", "best"]
    assert [row.values[1] for row in grid.rows] == [row.values[1] for row in GRID.rows]
    assert [row.values[0].number for row in grid.rows] == [row.values[0].number for row in GRID.rows]
    assert grid.caption == "seen from I-AUROC 2.3; accuracies in percent"


def test_percent_of_every_published_number_is_a_hundred_times_the_number() -> None:
    before = published_grids(read_published(), TableRequest())
    for old, new in zip(before, in_percent(before), strict=True):
        for first, second in zip(old.rows, new.rows, strict=True):
            for column, value, changed in zip(old.columns, first.values, second.values, strict=True):
                accuracy = "auroc" in column.keys.get("metric", "") or "aupro" in column.keys.get("metric", "")
                if value.number is not None:
                    assert float(changed.text) == pytest.approx(float(value.text) * (100 if accuracy else 1), abs=1e-9)


def test_sentences_are_in_percent_and_parameters_stay() -> None:
    text = "cfm[noise=0.05] leads with 0.954 (95% interval 0.90 to 0.98), less than 0.001; 1.3 times as fast."
    assert hundredfold(text) == (
        "cfm[noise=0.05] leads with 95.4 (95% interval 90 to 98), less than 0.1; 1.3 times as fast."
    )


def test_differences_are_left_out() -> None:
    (grid,) = without_differences([GRID])
    assert [row.keys.get("source") for row in grid.rows] == ["measured", "published", None]


def test_a_long_label_is_short_and_its_footnote_gives_it_whole() -> None:
    grid = with_short_labels(GRID)
    labels = [row.labels[0] for row in grid.rows]
    assert [label.text for label in labels] == ["cfm (b)", "cfm (c)", "cfm (a)", GRID.rows[3].labels[0].text]
    assert [label.note for label in labels] == [f"{LONG[0]}; stale", LONG[1], "", ""]
    text = as_markdown([GRID])
    table, below = ([line for line in text.splitlines() if line.startswith(start)] for start in ("|", "- "))
    assert not any("aggregate" in line for line in table)
    assert sum("aggregate" in line for line in below) == 2


def test_as_many_variants_as_there_are_have_labels_of_their_own() -> None:
    rows = tuple(Row((Value(f"cfm[aggregate=2d,epochs={number}]"),), (), {}) for number in range(1000))
    grid = with_short_labels(Grid("Title", ("method",), (), rows))
    assert len({row.labels[0].text for row in grid.rows}) == 1000
    assert grid.rows[0].labels[0].text == "cfm (a)"
