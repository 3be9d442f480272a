"""Tables of the leaderboard and of what moved."""

from pathlib import Path

from gate_records import toy_record, window

from harness.gate.compare import compare
from harness.gate.leaderboard import Board, latest
from harness.gate.tolerances import Tolerance, Tolerances
from harness.report.board import board_grids
from harness.report.gate import compared_text, moved_grids
from harness.report.render.data import as_json
from harness.report.render.text import as_markdown

BOARD = Board(folder=Path("boards"), dataset="toy", preset="quick")
LIMITS = Tolerances({"i_auroc": Tolerance(0.002, 0.0004, "1 and 2 threads")}, "here.csv")


def compared(old, new):
    return compare(latest(old).rows, latest(new).records, LIMITS)


def cells(grid):
    return [tuple(value.text for value in (*row.labels, *row.values)) for row in grid.rows]


OLD = [toy_record(), toy_record(category="ridge"), toy_record("cfm-t")]
NEW = [
    toy_record(metrics={"i_auroc": 0.9, "aupro_1": None}, device_ms=60.0, memory={"paper_mb": 500.0}),
    toy_record(category="ridge", status="oom", reason="CUDA out of memory"),
    toy_record("cfm-t", device_ms=20.0, metrics={"aupro_30": 0.98}),
]


def test_what_is_worse_comes_first_number_by_number_and_then_what_is_better():
    worse, better = moved_grids(BOARD, compared(OLD, NEW), LIMITS)
    about = "Toy (embedded), 10 training samples (split first), preset quick, random weights"
    assert worse.title == f"Worse than on the leaderboard: {about}"
    assert cells(worse) == [
        ("cfm", "bump", "I-AUROC", "0.9500", "0.9000", "-0.0500", "0.002"),
        ("", "", "AUPRO@1% exact", "0.6000", "-", "", "0.005"),
        ("", "", "infer ms (strict)", "40.0", "60.0", "×1.50", "×1.2"),
        ("", "", "memory MB (state)", "452.7", "500.0", "×1.10", "×1.01"),
        ("", "ridge", "status", "ok", "not ok", "", ""),
    ]
    assert better.title == f"Better than on the leaderboard: {about}"
    assert cells(better) == [
        ("cfm-t", "bump", "AUPRO@30% exact", "0.9750", "0.9800", "+0.0050", "0.002"),
        ("", "", "infer ms (strict)", "40.0", "20.0", "×0.50", "×1.2"),
    ]


def test_footnotes_say_where_a_tolerance_comes_from_and_why_a_number_is_gone():
    worse, _ = moved_grids(BOARD, compared(OLD, NEW), LIMITS)
    assert worse.notes == (
        "measured spread 0.0004: 1 and 2 threads",
        "undefined: no reason is recorded",
        "undefined",
        "95% interval of the median: 39.00 to 41.00 ms on the leaderboard, 59.00 to 61.00 ms now",
        "oom: CUDA out of memory",
    )


def test_a_long_reason_is_cut():
    broken = toy_record(status="killed", reason="The worker was ended. " * 50)
    (grid,) = moved_grids(BOARD, compared([toy_record()], [broken]), LIMITS)
    assert grid.notes[0].startswith("killed: The worker was ended. The")
    assert grid.notes[0].endswith(" ...")
    assert len(grid.notes[0]) <= 300


def test_the_caption_states_the_rules_that_apply():
    worse, better = moved_grids(BOARD, compared(OLD, NEW), LIMITS)
    assert worse.caption.startswith("tolerances: here.csv; a speed moves where its ratio is above 1.2, its difference")
    assert "difference 20 MB or more" in worse.caption
    assert "MB" not in better.caption


def test_the_caption_says_how_often_equal_speeds_pass_the_ratio():
    limits = Tolerances({"speed_ratio": Tolerance(1.2, 0.05, "twenty runs")}, "here.csv")
    worse, _ = moved_grids(BOARD, compared(OLD, NEW), limits)
    assert "0.50% of comparisons" in worse.caption
    assert "of comparisons" not in moved_grids(BOARD, compared(OLD, NEW), LIMITS)[0].caption


def test_changed_settings_are_marked():
    changed = toy_record(data_digest="other", metrics={"i_auroc": 0.9})
    (grid,) = moved_grids(BOARD, compared([toy_record()], [changed]), LIMITS)
    assert grid.rows[0].labels[1].note == "other parameters, data, samples or weight files than on the leaderboard"


def test_parameters_that_were_nothing_have_no_ratio():
    old, new = toy_record(memory={"paper_mb": 0.0}), toy_record(memory={"paper_mb": 0.25})
    (grid,) = moved_grids(BOARD, compared([old], [new]), LIMITS)
    assert cells(grid) == [("cfm", "bump", "memory MB (state)", "0.000", "0.250", "+0.250", "×1.01")]


def test_nothing_moved_is_no_table_and_one_sentence():
    same = compared(OLD, OLD)
    assert moved_grids(BOARD, same, LIMITS) == []
    assert compared_text(same) == "3 cells, 18 metrics, 6 means over categories, 6 speeds, 6 memory figures compared"


def test_the_sentence_counts_what_was_skipped_and_why():
    new = [
        toy_record(environment={"threads": 1}),
        toy_record(category="ridge", environment={"contended": True}),
        toy_record("cfm-t", latency={"device": window(40.0, None)}),
    ]
    assert compared_text(compared(OLD, new)) == (
        "3 cells, 18 metrics, 6 means over categories, 2 speeds, 5 memory figures compared; "
        "skipped: 2 speeds (other hardware), "
        "1 memory figure (other hardware), 2 speeds (contended)"
    )


def test_the_leaderboard_has_a_table_for_each_number_of_samples():
    rows = latest([*OLD, toy_record(shots=5)]).rows
    ten, five = sorted(board_grids(BOARD, rows), key=lambda grid: grid.keys["shots"])
    assert ten.title.startswith("Leaderboard: Toy (embedded), 10 training samples")
    assert [tuple(label.text for label in row.labels) for row in ten.rows] == [
        ("cfm", "bump"),
        ("", "ridge"),
        ("cfm-t", "bump"),
    ]
    assert [column.keys["metric"] for column in five.columns][-2:] == ["peak_inference_mb", "memory_mb"]
    assert [value.text for value in five.rows[0].values][-4:] == ["40.0", "50.0", "1000.5", "452.7"]


def test_the_best_of_a_category_is_marked_and_every_line_says_where_it_is_from():
    def places(name="device_median_ms", **environment):
        rows = latest([toy_record(), toy_record("cfm-t", device_ms=30.0, environment=environment)]).rows
        (grid,) = board_grids(BOARD, rows)
        (position,) = [n for n, column in enumerate(grid.columns) if column.keys["metric"] == name]
        return grid, [row.values[position].place for row in grid.rows], grid.rows[1].values[position].text

    assert places()[1:] == ([2, 1], "30.0")
    assert places(threads=1)[1:] == ([0, 0], "30.0")
    grid, ranked, text = places(contended=True)
    assert (ranked, text) == ([0, 0], "-")
    assert grid.notes[0] == "2026-01-01, harness 0123456789ab, on Test CPU, 4 cores, 2 threads"
    assert grid.notes[1].endswith("while something else kept it busy: its speed is not compared")


def test_tables_have_the_other_formats_too():
    grids = moved_grids(BOARD, compared(OLD, NEW), LIMITS)
    assert "| cfm | bump | I-AUROC" in as_markdown(grids)
    assert '"what": "i_auroc"' in as_json(grids)
