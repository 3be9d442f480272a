"""What reaches a terminal: no number is cut, nothing steers it, and one that lacks a character is no crash."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from count_records import counted_record
from hypothesis import given, settings
from hypothesis import strategies as st
from report_records import METRICS, make_record
from rich.progress import Progress, TextColumn
from rich.table import Table

from harness.cli.output import warn
from harness.cli.transfer import transfer_bars
from harness.report import console
from harness.report.console import SafeConsole, print_outcome
from harness.report.grid import Column, Grid, Row, Value
from harness.report.printable import printable
from harness.report.render.text import as_rich
from harness.store.store import Store

STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
ENCODINGS = ("utf-8", "ascii", "latin-1", "cp1252", "gbk", "koi8-r")
LABELS = st.text(st.characters(codec="utf-8") | st.sampled_from("/_,([ ]≈⁴\x1b\n缺陷"), max_size=90)
VALUES = st.floats(-1e4, 1e6).map(lambda number: f"{number:.3f}")


@settings(max_examples=500, derandomize=True)
@given(text=st.text(max_size=60), encoding=st.sampled_from(ENCODINGS))
def test_any_text_can_be_printed_and_steers_nothing(text, encoding):
    shown = printable(text, encoding)
    shown.encode(encoding)
    assert not STEERING.search(shown)
    assert printable(shown, encoding) == shown


def test_stand_ins_resemble_what_they_stand_for():
    assert printable("≈ — – … 1±2 3×4 µs é", "ascii") == "~ - - ... 1+-2 3x4 us e"
    assert printable("0.996⁴ 0.996¹⁰", "ascii") == "0.996^4 0.996^10", "a footnote is no digit of the number"
    assert printable("孔", "cp1252") == "?"
    assert printable(os.fsdecode(b"\xbf\xd7.png"), "utf-8") == "\\xbf\\xd7.png"


def shown_grid(grid: Grid, width: int, encoding: str = "utf-8") -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    SafeConsole(file=stream, width=width).print(as_rich(grid), crop=False)
    stream.seek(0)
    return stream.read()


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    columns = draw(st.integers(1, 6))
    labels = draw(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=4))
    notes = st.sampled_from(["", "", "a note", "another note"])
    rows = [
        Row(
            (Value(first), Value(second, note=draw(notes))),
            tuple(Value(draw(VALUES), 1.0, note=draw(notes), tied=draw(st.booleans())) for _ in range(columns)),
            {},
        )
        for first, second in labels
    ]
    headings = tuple(Column(draw(st.sampled_from(["I-AUROC", "end to end\nms"])), {}) for _ in range(columns))
    return Grid("title", ("method", "category"), headings, tuple(rows))


@settings(max_examples=500, derandomize=True)
@given(grid=grids(), width=st.sampled_from([20, 40, 80, 120]), encoding=st.sampled_from(ENCODINGS[:4]))
def test_numbers_are_whole_whatever_the_labels(grid, width, encoding):
    shown = shown_grid(grid, width, encoding)
    wanted = [value.text for row in grid.rows for value in row.values]
    for text in set(wanted):
        assert len(re.findall(rf"(?<![\d.-]){re.escape(text)}(?!\d)", shown)) >= wanted.count(text), shown
    assert not STEERING.search(shown)


CHECKPOINT = "/home/someone/projects/multimodal/checkpoints/m3dm/uff_pretrain.pth"


@pytest.mark.parametrize("width", [40, 80])
def test_a_long_path_in_a_label_cuts_no_number_of_any_row(harness, tmp_path, width):
    store = Store(tmp_path / "results")
    labels = ("cfm", f"m3dm[uff=released,uff_checkpoint={CHECKPOINT}]")
    for shift, label in zip((0.0, -0.0123), labels, strict=True):
        for category in ("bagel", "carrot"):
            store.write(make_record(label, category, shift=shift))
    done = harness("tables", "--table", "exact", COLUMNS=str(width))
    assert done.returncode == 0
    assert "…" not in done.stdout
    assert all(len(line) <= width for line in done.stdout.splitlines()), done.stdout
    for number in ("0.950", "0.990", "0.975", "0.600", "0.938", "0.978", "0.963", "0.588"):
        assert number in done.stdout
    wrapped = "".join(done.stdout.split())
    assert "uff_pretrain" in wrapped.replace("│", "") or "uff_p" in wrapped


@pytest.fixture
def tied(tmp_path) -> Store:
    """Two methods that can't be separated, and a defect whose name no western code page has."""
    store = Store(tmp_path / "results")
    for method in ("cfm", "cfm-m"):
        facts = {"dataset": "toy", "shots": 10, "defect": "孔–", "by_defect": {"孔–": METRICS}}
        store.write(counted_record(store, method, "bump", 0, **facts))
    return store


VERBS = (
    ("tables",),
    ("tables", "--table", "all", "--format", "markdown"),
    ("tables", "--table", "all", "--format", "csv"),
    ("tables", "--table", "all", "--format", "html"),
    ("tables", "--table", "defects", "--json"),
    ("tables", "--table", "defects"),
    ("status",),
)


@pytest.mark.parametrize(
    ("encoding", "verb"),
    [
        *(("ascii", verb) for verb in VERBS),
        *((encoding, ("tables", "--table", "exact")) for encoding in ("ascii", "cp1252", "iso-8859-1", "utf-8")),
    ],
)
def test_an_encoding_without_our_signs_gets_a_whole_output(tied, encoding, verb):
    done = subprocess.run(
        [sys.executable, "-m", "harness", *verb],
        cwd=tied.folder.parent,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    err = done.stderr.decode(encoding)
    assert done.returncode == 0, err
    out = done.stdout.decode(encoding)
    assert "Traceback" not in err
    assert out.rstrip()
    if verb == ("tables", "--table", "exact"):
        assert ("≈" if encoding == "utf-8" else "~") in out
    if "--json" in verb:
        assert "\\u5b54" in out, "JSON loses nothing"


def test_a_locale_of_one_byte_characters_gets_a_whole_output(tied):
    """As on a machine with LC_ALL=en_US.ISO-8859-1, without a variable of Python."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONIO"))
    }
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-m", "harness", "tables", "--table", "exact"],
        cwd=tied.folder.parent,
        env=environment | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"~" in done.stdout
    assert done.stdout.isascii()


HOSTILE = "\x1b[31mred\x1b]0;title\x07 \x9b2J [/7] [how=x] [red]\u202e\r end"


@pytest.fixture
def streams(monkeypatch) -> dict[str, io.StringIO]:
    buffers = {name: io.StringIO() for name in ("stdout", "stderr")}
    for name, buffer in buffers.items():
        monkeypatch.setattr(console, name, SafeConsole(file=buffer, width=400))
    return buffers


def test_texts_from_outside_are_shown_and_steer_nothing(streams):
    record = make_record("cfm", "bump", status="failed", reason=HOSTILE)
    print_outcome(record.cell, record)
    warn(HOSTILE)
    table = Table(HOSTILE)
    table.add_row(HOSTILE)
    console.stdout.print(table)
    console.stdout.print(HOSTILE, style="dim")
    for text in (buffer.getvalue() for buffer in streams.values()):
        assert not STEERING.search(text)
        assert "[/7]" in text
        assert "[how=x]" in text
        assert "[red]" in text


def test_progress_shows_brackets_as_they_are(streams):
    with transfer_bars() as show:
        show("download [/7] [how=x].zip", 1, 2)
    assert "download [/7] [how=x].zip" in streams["stderr"].getvalue()


def test_every_bar_prints_its_text_as_it_is():
    """A column with a placeholder reads markup unless told otherwise."""
    root = Path(console.__file__).parents[1]
    columns = [
        (path.name, match)
        for path in root.rglob("*.py")
        for match in re.findall(r"TextColumn\(\"\{[^)]*\)", path.read_text(encoding="utf-8"))
    ]
    assert columns
    assert all("markup=False" in match for _, match in columns), columns
    with pytest.raises(Exception, match="closing tag"), Progress(TextColumn("{task.description}")) as bars:
        bars.add_task("epoch [/7]")


@pytest.mark.parametrize("verb", [("tables",), ("status", "--failed"), ("tables", "--table", "all")])
def test_a_record_with_escapes_prints_none(harness, tmp_path, verb):
    store = Store(tmp_path / "results")
    store.write(make_record("cfm", "bagel"))
    store.write(make_record("btf", "bagel", status="failed", reason=HOSTILE))
    record = make_record("ast", "carrot")
    store.write(replace(record, notes=(HOSTILE,)))
    done = harness(*verb)
    assert done.returncode == 0
    assert not STEERING.search(done.stdout)
    assert not STEERING.search(done.stderr)


@pytest.mark.parametrize("verb", ["tables", "methods", "quantities", "--help"])
def test_a_reader_that_closes_the_pipe_ends_it_quietly(tmp_path, verb):
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m harness {verb} | true; exit ${{PIPESTATUS[0]}}'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "Broken" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "verb",
    [("tables",), ("methods", "--json"), ("tables", "--format", "csv"), ("--help",), ("plot", "--source", "published")],
)
def test_a_full_disk_behind_standard_output_is_one_sentence(tmp_path, verb):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "harness", *verb], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 5
    assert b"No space left on device" in done.stderr.splitlines()[-1]
    assert b"Traceback" not in done.stderr


def test_no_standard_output_at_all_is_no_error(tmp_path):
    done = subprocess.run(
        ["bash", "-c", f'exec "{sys.executable}" -m harness quantities >&- 2>&-'], cwd=tmp_path, check=False
    )
    assert done.returncode == 0
