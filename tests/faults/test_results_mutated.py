"""Results folders with faults: every reading verb ends as documented, shows the rest, and writes nothing elsewhere."""

from __future__ import annotations

import io
import re
import sys
import zipfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from functools import cache
from hashlib import sha256
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import numpy as np
import pytest
from count_records import counted_record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutated_records import OTHER, mutated_records
from mutations import bytes_changed
from report_records import make_record

from harness.cli.main import main
from harness.errors import DataError, HarnessError, PrerequisiteError
from harness.gate.compare import compare
from harness.gate.leaderboard import Board, find_boards, latest, merge
from harness.gate.recompute import recompute
from harness.gate.tolerances import Tolerances
from harness.report.answer.make import answers
from harness.report.answer.table import answer_grid
from harness.report.board import board_grids
from harness.report.frame import tidy_rows
from harness.report.groups import group_records
from harness.report.html.recordpage import record_page
from harness.report.overview import overview
from harness.report.own_tables import summary_grid
from harness.report.render.data import as_csv, as_json
from harness.report.render.text import as_markdown
from harness.report.status import advice, group_states, read_states
from harness.report.tables import TableRequest, measured_grids
from harness.report.uncertainty import Uncertainty
from harness.store import provenance
from harness.store.details import counts_digest, read_counts, read_details
from harness.store.maps import ANOMALY_MAP, ImageMaps, kept_maps, save_maps
from harness.store.query import RecordQuery
from harness.store.record import Record
from harness.store.store import Store

MANY = settings(max_examples=500, derandomize=True, suppress_health_check=list(HealthCheck))
SOME = settings(max_examples=25, derandomize=True, suppress_health_check=list(HealthCheck))
CODES = {0, 2, 3, 4, 5, 6}
NUMBERS = count()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutated")


@pytest.fixture(scope="module", autouse=True)
def _known_sources() -> Iterator[None]:
    """Look at the source of each method once: it does not change here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "provider_of", cache(provenance.provider_of))
        yield


def fresh(folder: Path) -> Store:
    """Return an empty results folder."""
    return Store(folder / str(next(NUMBERS)) / "results")


def show_everything(store: Store) -> list[Record]:
    """Make what the reading verbs show, and return the records that they show it of."""
    records = store.all()
    for left_out in store.left_out:
        assert "\n" not in left_out.to_json()["reason"]
    states = read_states(store)
    group_states(states)
    advice(states)
    intervals = Uncertainty(store, 20)
    grids = measured_grids(records, None, TableRequest(tables=("timing", "memory", "defects", "accuracy")), intervals)
    grids += map(summary_grid, group_records(records))
    for text in (as_markdown(grids), as_csv(grids), as_json(grids)):
        assert text
    overview(records, RecordQuery(), intervals)
    for answer in answers(records, RecordQuery(), intervals):
        assert answer.paragraphs
        answer_grid(answer)
    list(tidy_rows(records))
    newest = latest(records)
    compare(merge((), newest.rows).rows, newest.records, Tolerances())
    for record in records:
        record_page(record, record.cell.label, {}, read_details(store, record))
        if record.status == "ok":
            recompute(store, record, None)
    return records


@MANY
@given(mutated=mutated_records())
def test_a_mutated_record_is_shown_or_left_out_and_the_rest_is_shown(mutated, folder):
    store = fresh(folder)
    store.write(OTHER)
    name, content = mutated
    with suppress(OSError):
        (store.cells / name).write_bytes(content)
    records = show_everything(store)
    assert OTHER in records
    shown = [path for path in store.cells.iterdir() if not path.name.startswith(".")]
    assert len(records) + len(store.left_out) == len(shown)
    for record in records:
        board = Board(store.folder / "leaderboard", record.cell.dataset, record.cell.protocol.preset)
        board.write(latest([record]).rows)
        board.read_all()
    assert {path.name for path in store.folder.parent.iterdir()} == {"results"}
    assert {path.name for path in store.folder.iterdir()} <= {"cells", "leaderboard"}


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> tuple[int, str, str]:
    """Run ``harness`` in this process; return exit code, standard output and standard error."""
    monkeypatch.setattr(sys, "argv", ["harness", *map(str, arguments)])
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()


@SOME
@given(mutated=mutated_records())
def test_verbs_on_a_mutated_record_end_as_documented(mutated, folder, monkeypatch):
    store = fresh(folder)
    store.write(OTHER)
    monkeypatch.chdir(store.folder.parent)
    assert call(monkeypatch, "leaderboard", "update")[0] == 0
    name, content = mutated
    with suppress(OSError):
        (store.cells / name).write_bytes(content)
    store.all()
    for verb in ("tables --source measured --format csv", "status", "status --failed", "check", "leaderboard update"):
        code, out, err = call(monkeypatch, *verb.split())
        assert code in CODES
        assert "Traceback" not in err
        assert len(re.findall(r"\d files? (?:is|are) left out:", err)) == len(store.left_out)
        assert "\x1b[31m" not in out + err
        if verb.startswith(("tables", "status --failed")) and code == 0:
            assert "cfm-t" in out or "status" in verb
    assert {path.name for path in store.folder.parent.iterdir()} == {"results"}


@st.composite
def mutated_boards(draw: st.DrawFn, content: str) -> bytes:
    """Return a leaderboard with odd texts in some fields, or changed as bytes."""
    if draw(st.integers(0, 3)) == 0:
        return bytes_changed(draw, content.encode())
    lines = [line.split(",") for line in content.splitlines()]
    for _ in range(draw(st.integers(1, 3))):
        fields = lines[draw(st.integers(1, len(lines) - 1))]
        odd = [
            "nan",
            "inf",
            "-1",
            "7",
            "1e999",
            "",
            "../../x",
            "\x1b[31m",
            "[/red]",
            "=1+1",
            "x" * 300,
            '"',
            "9" * 5000,
            "yes",
        ]
        fields[draw(st.integers(0, len(fields) - 1))] = draw(st.sampled_from(odd))
    return "\n".join(map(",".join, lines)).encode() + b"\n"


@MANY
@given(data=st.data())
def test_a_mutated_board_is_shown_without_its_bad_lines_and_never_rewritten(data, folder):
    store = fresh(folder)
    board = Board(store.folder / "leaderboard", "toy", "quick")
    records = [OTHER, make_record("btf", "bump", dataset="toy", preset="quick", weights="random", shots=10)]
    board.write(latest(records).rows)
    whole = board.read_all()
    content = data.draw(mutated_boards(board.path.read_text(encoding="utf-8")))
    board.path.write_bytes(content)
    lines = board.read()
    for grid in board_grids(board, lines.rows):
        assert as_markdown([grid])
    compare(lines.rows, latest(records).records, Tolerances())
    assert find_boards(board.folder) == (board,)
    if lines.left_out:
        with pytest.raises(DataError):
            board.read_all()
        assert board.path.read_bytes() == content
    else:
        board.write(lines.rows)  # with the decimals that it keeps
        again = board.read_all()
        assert [row.key for row in again] == sorted((row.key for row in lines.rows), key=lambda key: key.order)
        board.write(again)
        assert board.read_all() == again
    untouched = [row for row in whole if row in lines.rows]
    assert len(untouched) + len(lines.left_out) >= 1 or lines.rows
    assert {path.name for path in store.folder.parent.iterdir()} == {"results"}


@SOME
@given(data=st.data())
def test_verbs_on_a_mutated_board_end_as_documented(data, folder, monkeypatch):
    store = fresh(folder)
    store.write(OTHER)
    monkeypatch.chdir(store.folder.parent)
    assert call(monkeypatch, "leaderboard", "update")[0] == 0
    path = store.folder / "leaderboard" / "toy-quick.csv"
    path.write_bytes(data.draw(mutated_boards(path.read_text(encoding="utf-8"))))
    for verb in ("leaderboard", "check", "check --format markdown", "check --json", "leaderboard update"):
        code, _, err = call(monkeypatch, *verb.split())
        assert code in CODES
        assert "Traceback" not in err
    assert {one.name for one in store.folder.parent.iterdir()} == {"results"}


@cache
def counted() -> tuple[Record, bytes]:
    """A record, and the archive that it was written with."""
    store = Store(Path(mkdtemp()))
    record = counted_record(store)
    return record, store.counts_path(record.cell).read_bytes()


ARRAYS = st.sampled_from(
    [
        np.array(5),
        np.zeros(0),
        np.zeros((2, 2), np.float32),
        np.array([np.nan] * 12),
        np.array([np.inf, -1.0]),
        np.array(["a", "b"]),
        np.array(["test"] * 12),
        np.full(12, 2**63, np.uint64),
        np.full((12, 5), 2**64 - 1, np.uint64),
        np.array([True] * 12),
        np.array([b"x"]),
        np.zeros(3, dtype=[("a", "<i4")]),
        np.zeros(2, "M8[s]"),
        np.zeros(2, complex),
    ]
)
HEADERS = [
    "{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000,), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
]
HEADERS += [
    "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
    "(" * 500,
    "{'descr': '<U99999999999', 'fortran_order': 1, 'shape': ()}",
]


@st.composite
def mutated_archives(draw: st.DrawFn, whole: bytes) -> bytes:
    """Return an archive with other arrays, with headers that claim what is not there, or changed as bytes."""
    if draw(st.booleans()):
        return bytes_changed(draw, whole)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(members)))
        how = draw(st.sampled_from(["array", "header", "drop", "bytes"]))
        if how == "array":
            stream = io.BytesIO()
            np.save(stream, draw(ARRAYS), allow_pickle=False)
            members[name] = stream.getvalue()
        elif how == "header":
            text = draw(st.sampled_from(HEADERS)).encode()
            members[name] = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(24)
        elif how == "bytes":
            members[name] = bytes_changed(draw, members[name])
        elif len(members) > 1:
            del members[name]
    out = io.BytesIO()
    with zipfile.ZipFile(
        out, "w", draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))
    ) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


@MANY
@given(data=st.data())
def test_mutated_counts_leave_numbers_without_an_interval(data, folder):
    record, whole = counted()
    content = data.draw(mutated_archives(whole))
    if data.draw(st.booleans()):  # as somebody would who forges both
        record = replace(record, details=sha256(content).hexdigest())
    store = fresh(folder)
    store.write(record)
    path = store.counts_path(record.cell)
    path.parent.mkdir()
    path.write_bytes(content)
    assert show_everything(store) == [record]
    counts = read_counts(store, record)
    if counts is not None:
        with np.errstate(all="ignore"):
            assert set(counts.evaluate()) == set(record.metrics)
        counts.pro_curve()
    if store.left_out:
        assert [one.path for one in store.left_out] == [path]
        assert read_details(store, record).images == () or counts is None
    assert counts_digest(store, record) == (record.details if counts_digest(store, record) else "")


@cache
def mapped() -> bytes:
    images = [ImageMaps(f"test/{n}", n / 2, {ANOMALY_MAP: np.eye(8) * n, "map_2d": np.ones((8, 8))}) for n in range(3)]
    with TemporaryDirectory() as name:
        save_maps(Path(name) / "a.npz", OTHER.cell, images)
        return (Path(name) / "a.npz").read_bytes()


@MANY
@given(data=st.data())
def test_mutated_maps_are_maps_or_named(data, folder):
    store = fresh(folder)
    store.write(OTHER)
    path = store.maps_path(OTHER.cell)
    path.parent.mkdir()
    path.write_bytes(data.draw(mutated_archives(mapped())))
    side = OTHER.cell.protocol.eval_size
    assert store.all() == [OTHER]
    file = kept_maps(store, OTHER)
    if file is None:
        assert [one.path for one in store.left_out] == [path]
        return
    for name in (*file.ids, "test/9"):
        with suppress(PrerequisiteError):
            file.score(name)
            assert all(values.shape == (side, side) for values in file.read(name).values())
    with suppress(HarnessError):
        recompute(store, OTHER, None)
