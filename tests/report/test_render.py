import csv
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from harness.report.grid import Column, Grid, Row, Value, missing
from harness.report.render.data import FIELDS, as_csv, as_json
from harness.report.render.text import as_markdown, as_rich, escape_markdown
from harness.report.tables import TableRequest, published_grids
from harness.store.published import read_published

GRID = Grid(
    title="A table",
    label_headings=("method", ""),
    columns=(Column("AUPRO@1%\nexact", {"metric": "aupro_1"}), Column("fps", {"metric": "fps"})),
    rows=(
        Row(
            (Value("cfm[a=1|2]", note="odd"), Value("measured")),
            (Value("0.613", 0.61299, place=1), missing("not timed")),
            {"method": "cfm[a=1|2]", "source": "measured"},
            starts=True,
        ),
        Row((Value(""), Value("published")), (Value("0.60", 0.6, place=2), Value("")), {"source": "published"}),
    ),
    caption="a caption",
    warning="a warning",
    keys={"kind": "accuracy", "dataset": "mvtec3d"},
)


def drawn(grid, width, *, color=False):
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=color, color_system="standard" if color else None)
    console.print(as_rich(grid))
    return stream.getvalue()


def test_markdown():
    assert as_markdown([GRID]) == (
        "### A table\n\n"
        "a caption\n\n"
        "**a warning**\n\n"
        "| method |  | AUPRO@1% exact | fps |\n"
        "| --- | --- | ---: | ---: |\n"
        "| cfm[a=1\\|2]¹ | measured | **0.613** | -² |\n"
        "|  | published | <u>0.60</u> |  |\n\n"
        "- ¹ odd\n"
        "- ² not timed"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("needs <file> & more", r"needs \<file> & more"),
        ("1 < 2, a & b, 2 * 3, cable_gland", "1 < 2, a & b, 2 * 3, cable_gland"),
        ("**kwargs and _private and `code`", r"\*\*kwargs and \_private and \`code\`"),
        ("&lt; a|b", r"\&lt; a\|b"),
        ("two\nlines", "two lines"),
        ("no \\* mark", r"no \\\* mark"),
    ],
)
def test_what_markdown_would_take_for_markup_is_escaped(text, expected):
    assert escape_markdown(text) == expected


def test_notes_titles_and_captions_do_not_change_the_page():
    grid = replace(
        GRID,
        title="<b>",
        caption="*c*",
        warning="`w`",
        rows=(
            replace(
                GRID.rows[0], labels=(Value("cfm", note="killed: <Signals.SIGKILL: 9> in *args"), Value("measured"))
            ),
        ),
    )
    text = as_markdown([grid])
    for part in (r"### \<b>", r"\*c\*", r"**\`w\`**", r"killed: \<Signals.SIGKILL: 9> in \*args"):
        assert part in text


def test_ends_of_intervals_are_in_data_formats():
    bounded = Value("0.613", 0.613, low=0.6, high=0.6205)
    grid = replace(GRID, rows=(replace(GRID.rows[0], values=(bounded, missing("not timed"))),))
    first, dash = csv.DictReader(io.StringIO(as_csv([grid])))
    assert (first["value"], first["low"], first["high"]) == ("0.613", "0.6", "0.6205")
    assert (dash["low"], dash["high"]) == ("", "")
    number, nothing = json.loads(as_json([grid]))[0]["values"]
    assert (number["low"], number["high"]) == (0.6, 0.6205)
    assert "low" not in nothing


def test_csv_holds_one_number_a_line_with_its_note():
    lines = list(csv.DictReader(io.StringIO(as_csv([GRID]))))
    assert [tuple(line) for line in lines] == [FIELDS] * 3
    first, dash, published = lines
    assert (first["value"], first["note"], first["metric"]) == ("0.61299", "a warning odd", "aupro_1")
    assert (dash["value"], dash["note"]) == ("", "a warning odd not timed")
    assert (published["value"], published["source"]) == ("0.60", "published"), "printed decimals are kept"


def test_json_holds_numbers_and_null_with_a_reason():
    (table,) = json.loads(as_json([GRID]))
    assert {key: table[key] for key in ("title", "caption", "warning", "kind", "dataset")} == {
        "title": "A table",
        "caption": "a caption",
        "warning": "a warning",
        "kind": "accuracy",
        "dataset": "mvtec3d",
    }
    assert [(value["metric"], value["value"]) for value in table["values"]] == [
        ("aupro_1", 0.61299),
        ("fps", None),
        ("aupro_1", 0.6),
    ]
    assert table["values"][1]["note"] == "odd not timed"


def test_the_terminal_shows_best_in_bold_and_runner_up_underlined():
    text = drawn(GRID, 100, color=True)
    assert "\x1b[1m0.613\x1b[0m" in text
    assert "\x1b[4;36m0.60\x1b[0m" in text


def test_the_terminal_shows_every_part():
    text = drawn(GRID, 100)
    for part in ("A table", "a caption", "a warning", "cfm[a=1|2]¹", "-²", "¹ odd", "² not timed", "AUPRO@1%", "exact"):
        assert part in text


@pytest.fixture(scope="module")
def printed():
    return published_grids(read_published(), TableRequest())


@settings(max_examples=25, deadline=None)
@given(width=st.integers(34, 140), data=st.data())
def test_no_number_is_cut_and_no_line_too_long_at_any_width(printed, width, data):
    grid = data.draw(st.sampled_from(printed))
    text = drawn(grid, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for row in grid.rows:
        assert row.labels[0].text.partition(",")[0] in text
        for value in row.values:
            assert value.text in text


@pytest.mark.parametrize(("width", "headings"), [(80, 1), (60, 2), (40, 3)])
def test_a_narrow_terminal_gets_the_columns_in_groups_below_each_other(printed, width, headings):
    lines = drawn(printed[0], width).splitlines()
    assert sum(line.startswith("method") for line in lines) == headings
    assert sum(line.startswith("cfm-m") for line in lines) == headings


def test_a_long_label_breaks_after_commas(printed):
    lines = drawn(printed[-1], 60).splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("cfm[mapping=intra,"))
    assert [line.split()[0] for line in lines[start : start + 3]] == [
        "cfm[mapping=intra,",
        "epochs=50,",
        "aggregate=2d]",
    ]


def test_the_narrowest_terminal_cuts_no_table(printed):
    for grid in printed:
        assert "…" not in drawn(grid, 34), "labels fold where whole ones would push a number out"
