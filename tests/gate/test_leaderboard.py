"""Lines of the leaderboard: from records to files and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from gate_records import ENVIRONMENT, toy_record, window
from hypothesis import given, settings
from hypothesis import strategies as st
from report_records import METRICS

from harness.errors import DataError, PrerequisiteError
from harness.gate.compare import compare
from harness.gate.leaderboard import Board, find_boards, latest, merge
from harness.gate.rows import COLUMNS, METRIC_IDS, ON_CUDA_ALONE, BoardRow, CellKey
from harness.gate.tolerances import Tolerances
from harness.report.board import board_grids

GOLDEN = """\
method,category,shots,split,weights,i_auroc,p_auroc,aupro_30,aupro_1,aupro_30_official,aupro_1_official,\
device_median_ms,device_low_ms,device_high_ms,end_to_end_median_ms,end_to_end_low_ms,end_to_end_high_ms,device_calls,\
peak_inference_mb,static_mb,memory_mb,hardware,contended,cell,protocol,commit,created
cfm,bump,10,first,random,0.950000,0.990000,0.975000,,0.970000,0.450000,\
40.1235,39.1235,41.1235,50.0000,49.0000,51.0000,100,\
1000.500,800.125,452.700000,"Test CPU, 4 cores, 2 threads",no,{0},{1},0123456789ab,2026-01-01
cfm-t,ridge,full,first,random,0.950000,0.990000,0.975000,0.600000,0.970000,0.450000,\
3.0000,,,50.0000,49.0000,51.0000,100,\
,800.125,452.700000,H200 in Test CPU,yes,{2},{1},0123456789ab-dirty,2026-02-03
"""

DIRTY = {"git": {**ENVIRONMENT["git"], "dirty": True}, "device": "cuda:1", "device_name": "H200", "contended": True}
RECORDS = [
    toy_record(device_ms=40.12345678, metrics={"aupro_1": None}),
    toy_record(
        "cfm-t",
        "ridge",
        shots="full",
        latency={"device": window(3.0, None)},
        memory={"peak_inference": {"mb": None, "source": "VmHWM", "reason": "no"}},
        environment=DIRTY,
        created="2026-02-03T04:05:06+00:00",
    ),
]


def board(folder: Path) -> Board:
    return Board(folder, "toy", "quick")


def text_of(folder: Path, rows) -> str:
    board(folder).write(rows)
    return board(folder).path.read_text(encoding="utf-8")


def test_a_file_is_what_it_was_when_this_was_written(tmp_path) -> None:
    first, second = (record.cell for record in RECORDS)
    expected = GOLDEN.format(first.id, first.protocol.digest, second.id)
    assert text_of(tmp_path, latest(RECORDS).rows) == expected
    assert board(tmp_path).read_all() == latest(RECORDS).rows
    assert text_of(tmp_path, reversed(latest(RECORDS).rows)) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["toy-quick.csv"]


def test_columns_by_the_names_of_version_0_1_are_read(tmp_path) -> None:
    written = text_of(tmp_path, latest(RECORDS).rows)
    board(tmp_path).path.write_text(written.replace("device_calls", "calls", 1).replace("memory_mb", "paper_mb", 1))
    assert board(tmp_path).read_all() == latest(RECORDS).rows


def test_a_file_has_columns_of_default_math_where_a_line_has_a_number_in_them(tmp_path) -> None:
    both = toy_record("cfm-s", latency={"device_default": window(20.0), "end_to_end_default": window(30.0)})
    rows = latest([*RECORDS, both]).rows
    heading, *lines = text_of(tmp_path, rows).splitlines()
    place = heading.split(",").index("device_default_median_ms")
    assert sorted(line.split(",")[place] for line in lines[:2]) == ["", "20.0000"]
    assert board(tmp_path).read_all() == rows
    shown = [column.keys["metric"] for grid in board_grids(board(tmp_path), rows[:2]) for column in grid.columns]
    assert [name for name in shown if name.endswith("_ms")] == [
        f"{window}_median_ms" for window in ("device", "end_to_end", "device_default", "end_to_end_default")
    ]


def test_lines_are_sorted_by_number_of_samples_not_by_its_text(tmp_path) -> None:
    records = [
        toy_record(shots=shots, split=split) for shots in ("full", 50, 100, 5, 10, 3) for split in ("first", "0")
    ]
    written = text_of(tmp_path, latest(records).rows).splitlines()[1:]
    order = [line.split(",")[2:4] for line in written]
    assert order == [[shots, split] for shots in ("3", "5", "10", "50", "100", "full") for split in ("0", "first")]


MANY = [
    toy_record(method, category, shots=shots, shift=-0.01 * day, created=f"2026-01-{day:02d}")
    for method in ("cfm", "cfm-t", "cfm[aggregate=2d]")
    for category in ("bump", "ridge")
    for shots in (5, 10)
    for day in (1, 2)
]


@settings(max_examples=30)
@given(st.permutations(MANY))
def test_the_order_of_records_does_not_matter(tmp_path_factory, shuffled) -> None:
    folder = tmp_path_factory.mktemp("board")
    assert text_of(folder / "a", latest(shuffled).rows) == text_of(folder / "b", latest(MANY).rows)


def test_another_number_of_a_cell_changes_one_line(tmp_path) -> None:
    before = text_of(tmp_path, latest(MANY).rows).splitlines()
    changed = toy_record(shots=5, metrics={"i_auroc": 0.5}, created="2026-03-01")
    after = text_of(tmp_path, latest([*MANY, changed]).rows).splitlines()
    assert len(before) == len(after)
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1


finite = st.floats(0, 1e9, allow_subnormal=False)


@given(
    metrics=st.fixed_dictionaries({name: st.none() | st.floats(0, 1) for name in METRIC_IDS}),
    median=finite,
    spread=st.none() | st.floats(0, 1),
    peak=st.none() | finite,
    paper=finite,
)
def test_a_line_survives_its_file(tmp_path_factory, metrics, median, spread, peak, paper) -> None:
    spread = None if spread is None else spread * median
    record = toy_record(
        metrics=metrics, latency={"device": window(median, spread)}, peak_mb=peak, memory={"paper_mb": paper}
    )
    row = BoardRow.of(record)
    folder = tmp_path_factory.mktemp("board")
    board(folder).write([row])
    assert board(folder).read_all() == (row,)
    for name, value in metrics.items():
        kept = row.numbers[name]
        assert kept == value if value is None else abs(kept - value) <= 5.01e-7


def test_a_record_of_an_older_version_lacks_numbers() -> None:
    row = BoardRow.of(toy_record(latency={"device": {"median_ms": 40.0}}, memory={"static": {}, "peak_inference": {}}))
    lacking = [name for name, value in row.numbers.items() if value is None]
    of_strict_math = [name for name in lacking if name not in ON_CUDA_ALONE]
    assert of_strict_math == ["device_low_ms", "device_high_ms", "device_calls", "peak_inference_mb", "static_mb"]
    assert not row.contended


@pytest.mark.parametrize(
    ("environment", "commit"),
    [({}, "0123456789ab"), ({"git": None}, "v0.1.0"), ({"git": None, "harness": None}, "")],
)
def test_the_commit_or_else_the_version(environment, commit) -> None:
    assert BoardRow.of(toy_record(environment=environment)).commit == commit


def test_the_newest_record_of_a_key_counts_whatever_its_status() -> None:
    old = toy_record(created="2026-01-01T00:00:00+00:00")
    new = toy_record(data_digest="other", created="2026-01-02T00:00:00+00:00", shift=-0.1)
    found = latest([new, old])
    assert list(found.records.values()) == [new]
    assert found.several == (CellKey.of(old.cell),)
    assert latest([old]).several == ()
    broken = toy_record(data_digest="third", status="oom", reason="out of memory")
    broken = replace(broken, created="2026-01-03T00:00:00+00:00")
    assert latest([old, broken, new]).rows == ()


def test_released_weights_are_another_line_than_training() -> None:
    trained, released = toy_record(shots="full"), toy_record(shots="full", checkpoint="abc")
    assert len(latest([trained, released]).rows) == 2
    assert CellKey.of(released.cell).weights == "random+released"


def rows_of(*specs) -> list[BoardRow]:
    return [BoardRow.of(toy_record(method, category, shift=shift)) for method, category, shift in specs]


def named(keys) -> list[tuple[str, str]]:
    return [(key.method, key.category) for key in keys]


def test_merging_adds_changes_and_keeps() -> None:
    old = rows_of(("cfm", "bump", 0.0), ("cfm", "ridge", 0.0), ("cfm-t", "bump", 0.0))
    fresh = rows_of(("cfm", "bump", -0.1), ("cfm", "ridge", 0.0), ("cfm-s", "bump", 0.0))
    merged = merge(old, fresh)
    assert named(merged.added) == [("cfm-s", "bump")]
    assert named(merged.changed) == [("cfm", "bump")]
    assert named(merged.kept) == [("cfm", "ridge"), ("cfm-t", "bump")]
    assert merged.dropped == ()
    assert [row.numbers["i_auroc"] for row in merged.rows] == [0.85, 0.95, 0.95, 0.95]


def test_pruning_drops_old_lines_of_the_methods_in_question() -> None:
    old = rows_of(("cfm", "bump", 0.0), ("cfm", "ridge", 0.0), ("cfm-t", "bump", 0.0))
    merged = merge(old, rows_of(("cfm", "bump", 0.0)), drops=lambda key: key.method == "cfm")
    assert named(merged.dropped) == [("cfm", "ridge")]
    assert named(row.key for row in merged.rows) == [("cfm", "bump"), ("cfm-t", "bump")]


@given(st.permutations(MANY), st.integers(0, len(MANY)))
def test_merging_again_changes_nothing(shuffled, count) -> None:
    old, fresh = latest(shuffled[:count]).rows, latest(shuffled[count:]).rows
    once = merge(old, fresh)
    again = merge(once.rows, fresh)
    assert again.rows == once.rows
    assert (again.added, again.changed, again.dropped) == ((), (), ())
    assert {row.key for row in once.rows} == {row.key for row in (*old, *fresh)}


def test_a_board_without_a_file_is_empty_and_others_are_found(tmp_path) -> None:
    assert board(tmp_path).read_all() == ()
    for name in ("toy-quick.csv", "mvtec3d-paper.csv", "tolerances.csv", "notes-of-mine.csv"):
        (tmp_path / name).touch()
    assert [(found.dataset, found.preset) for found in find_boards(tmp_path)] == [
        ("mvtec3d", "paper"),
        ("toy", "quick"),
    ]
    assert find_boards(tmp_path / "nowhere") == ()


def spoiled(line: int, column: str, value: str):
    def change(lines: list[list[str]]) -> None:
        lines[line][lines[0].index(column)] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines[0].reverse(), "line 1, must name the columns method,category"),
        (lambda lines: lines.insert(1, ["<<<<<<< HEAD"]), "line 2, has 1 fields"),
        (lambda lines: lines.append(lines[1]), "line 4, is about cfm bump 10-shot first random for the second time"),
        (spoiled(2, "i_auroc", "best"), "line 3, has 'best'"),
        (spoiled(2, "memory_mb", "-1"), "line 3, has '-1'"),
        (spoiled(1, "category", ""), "line 2, has an empty category"),
        (spoiled(1, "contended", "perhaps"), "line 2, has 'perhaps' for contended: write yes or no"),
        (spoiled(2, "i_auroc", "nan"), "line 3, has 'nan'"),
        (spoiled(2, "i_auroc", "7.0"), "line 3, has 7.0 for i_auroc, which lies in [0, 1]"),
        (spoiled(2, "device_low_ms", "1e999"), "line 3, has '1e999'"),
        (spoiled(1, "category", "../../x"), "line 2, has a category that can't be one"),
        (spoiled(1, "method", "cfm\x1b[31m"), "line 2, has control characters in its method"),
        (spoiled(1, "shots", "-5"), "line 2, has '-5' for shots"),
        (spoiled(1, "weights", "magic"), "line 2, has 'magic' for weights"),
        (spoiled(1, "cell", "../x"), "line 2, has '../x' for cell"),
        (spoiled(1, "created", "soon"), "line 2, has 'soon' instead of a date"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, change, said) -> None:
    board(tmp_path).write(BoardRow.of(toy_record("cfm", category)) for category in ("bump", "ridge"))
    path = board(tmp_path).path
    plain = path.read_text().replace('"Test CPU, 4 cores, 2 threads"', "Test CPU")
    lines = [line.split(",") for line in plain.splitlines()]
    change(lines)
    path.write_text("\n".join(map(",".join, lines)) + "\n")
    with pytest.raises(DataError) as error:
        board(tmp_path).read_all()
    assert said in str(error.value)
    assert str(path) in str(error.value)
    lines = board(tmp_path).read()
    assert len(lines.left_out) == 1
    assert len(lines.rows) == (0 if "line 1" in said else 2 if "second time" in said or "1 fields" in said else 1)


def test_a_dataset_that_would_lead_to_another_folder_has_no_leaderboard(tmp_path) -> None:
    for name in ("../../escaped", "/escaped", "a\x1b[31m"):
        with pytest.raises(ValueError):
            Board(tmp_path, name, "quick").write([])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 7.0, -0.1])
def test_a_number_that_no_metric_can_have_is_not_written(number) -> None:
    record = toy_record()
    spoilt = replace(record, metrics={**record.metrics, "i_auroc": number})
    with pytest.raises(DataError, match="i_auroc"):
        BoardRow.of(spoilt)
    with pytest.raises(DataError, match="i_auroc"):
        compare(latest([record]).rows, {CellKey.of(record.cell): spoilt}, Tolerances())


@pytest.mark.parametrize("name", ["=1+1", "@sum(a)", "+a", "-a", "'=a", "'a", "plain"])
def test_no_spreadsheet_takes_a_name_for_a_formula_and_it_comes_back(tmp_path, name) -> None:
    row = BoardRow.of(toy_record(category=name))
    board(tmp_path).write([row])
    assert board(tmp_path).read_all() == (row,)
    (line,) = board(tmp_path).path.read_text(encoding="utf-8").splitlines()[1:]
    assert line.split(",")[1][0] not in "=@+-"


def test_names_that_begin_with_a_dot_are_no_leaderboards(tmp_path) -> None:
    board(tmp_path).write([])
    (tmp_path / f"._{board(tmp_path).path.name}").write_bytes(b"\0\5\26\7")
    assert find_boards(tmp_path) == (board(tmp_path),)


def test_a_folder_that_cannot_be_written_is_named(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PrerequisiteError, match="--leaderboard DIR"):
        board(tmp_path / "file").write([])


def test_every_metric_of_a_record_has_a_column() -> None:
    assert set(METRICS) == set(METRIC_IDS) <= set(COLUMNS)
