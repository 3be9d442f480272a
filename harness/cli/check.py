"""``harness check``: measured cells against the leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.boards import Scope, first_few, leaderboard_option, replaced_text, update_command
from harness.cli.options import choice_option, json_option
from harness.cli.output import console, counted, echo, echo_notes, print_json, warn
from harness.cli.query_options import nothing_measured, query_options, tell_elsewhere
from harness.errors import DataError, ExitCode, PrerequisiteError

if TYPE_CHECKING:
    from harness.files.left_out import LeftOut
    from harness.gate.compare import Comparison, Verdict
    from harness.gate.leaderboard import Board, Latest
    from harness.gate.rows import CellKey
    from harness.gate.tolerances import Tolerances
    from harness.store.query import RecordQuery
    from harness.store.store import Store

__all__ = ["command"]


@click.command("check")
@leaderboard_option
@query_options
@choice_option(
    "--format", "form", choices=("rich", "markdown", "json"), help="For a terminal, a pull request or a program."
)
@json_option
def command(form: str, as_json: bool, query: RecordQuery, store: Store, folder: Path) -> int:
    """Compare measured cells with the leaderboard of their dataset and preset.

    Exits with 4, and a table of what moved, where a metric fell by more than its tolerance, a cell of the leaderboard
    is missing or not ok, or latency or memory rose beyond the limits on equal hardware; with 5 where a line of the
    leaderboard can't be used; with 6 where nothing is measured, or nothing of a leaderboard could be compared. The
    tolerances are in tolerances.csv, next to the leaderboards.

    \b
    harness check
    harness check --dataset toy --preset quick --methods 'cfm*'
    harness check --format markdown >> "$GITHUB_STEP_SUMMARY"
    """
    checked = _compare(Scope(query, store, folder))
    regressed = any(board.comparison.regressed for board in checked)
    if as_json or form == "json":
        print_json({"regressed": regressed, "leaderboards": [_plain(board) for board in checked]})
    elif form == "markdown":
        echo("\n\n".join(_markdown(board, store) for board in checked))
    else:
        for board in checked:
            _print(board, store)
    return ExitCode.REGRESSION if regressed else _whole(checked)


def _whole(checked: Sequence[_Checked]) -> int:
    """Return OK; raise DataError where lines were left out, NothingMeasuredError where nothing was compared."""
    from harness.gate.leaderboard import left_out_lines_text
    from harness.report.tables import NothingMeasuredError

    if left_out := [line for board in checked for line in board.left_out]:
        raise DataError(left_out_lines_text(left_out))
    if empty := [board for board in checked if board.comparison.says_nothing]:
        raise NothingMeasuredError(
            f"Nothing was compared with {first_few([board.board.path for board in empty])}, so nothing is known: "
            "choose cells that are on the leaderboard, with its shots, split and weights, or add the measured ones "
            "with 'harness leaderboard update'."
        )
    return ExitCode.OK


@dataclass(frozen=True, slots=True)
class _Checked:
    """A leaderboard, the newest records of its dataset and preset, and their comparison.

    Parameters
    ----------
    board, newest, comparison, tolerances
        What was compared, and the result.
    left_out
        Lines of the leaderboard that can't be used.
    unmatched
        Lines without a record, where records were chosen by device or status: these cells are not missing.
    """

    board: Board
    newest: Latest
    comparison: Comparison
    tolerances: Tolerances
    left_out: tuple[LeftOut, ...] = ()
    unmatched: tuple[CellKey, ...] = ()


def _compare(scope: Scope) -> list[_Checked]:
    from harness.gate.compare import compare
    from harness.gate.tolerances import read_tolerances

    newest = scope.newest()
    tell_elsewhere(scope.store, scope.query)
    if not newest:
        raise nothing_measured(scope.query, scope.store)
    _require_files(scope, list(newest))
    tolerances = read_tolerances(scope.folder)
    checked = []
    for board, latest in newest.items():
        if board.path.exists():
            lines = board.read()
            rows = [row for row in lines.rows if scope.keeps(row.key)]
            unmatched: tuple[CellKey, ...] = ()
            if scope.query.device or scope.query.statuses:  # a cell that another device has a record of is not missing
                unmatched = tuple(row.key for row in rows if row.key not in latest.records)
                rows = [row for row in rows if row.key in latest.records]
            comparison = compare(rows, latest.records, tolerances)
            checked.append(_Checked(board, latest, comparison, tolerances, lines.left_out, unmatched))
    regressed = any(board.comparison.regressed for board in checked)
    if not regressed and not any(latest.rows for latest in newest.values()):
        records = [record for latest in newest.values() for record in latest.records.values()]
        raise nothing_measured(scope.query, scope.store, records)
    return checked


def _require_files(scope: Scope, boards: Sequence[Board]) -> None:
    """Raise PrerequisiteError where no measured dataset has a leaderboard; warn where one lacks file or records."""
    for board in boards:
        if not board.path.exists():
            command = update_command(board, scope.store)
            sentence = (
                f"There is no leaderboard {board.path} to compare with: make one with '{command}', and commit it."
            )
            if not any(other.path.exists() for other in boards):
                raise PrerequisiteError(sentence)
            warn(sentence)
    for board in scope.boards():
        if board not in boards:
            warn(f"{board.name} is not compared: nothing of it is measured in {scope.store.cells}.")


def _plain(checked: _Checked) -> dict[str, object]:
    from harness.gate.compare import KINDS

    comparison = checked.comparison
    skipped = comparison.skipped.items()
    return {
        **checked.board.to_json(),
        "tolerances": checked.tolerances.source,
        "compared": {kind: comparison.compared(kind) for kind in KINDS},
        "skipped": [{"kind": kind, "reason": reason, "count": count} for (kind, reason), count in skipped],
        "worse": [_plain_verdict(verdict) for verdict in comparison.with_outcome("worse")],
        "better": [_plain_verdict(verdict) for verdict in comparison.with_outcome("better")],
        "settings": [{**asdict(key), "differs": text} for key, text in comparison.settings.items()],
        "new": [{**asdict(key), "status": status} for key, status in comparison.new.items()],
        "unmatched": [asdict(key) for key in checked.unmatched],
        "left_out": [line.to_json() for line in checked.left_out],
    }


def _plain_verdict(verdict: Verdict) -> dict[str, object]:
    values = asdict(verdict)
    return {**values.pop("key"), **values}


def _print(checked: _Checked, store: Store) -> None:
    from harness.report.console import print_grid
    from harness.report.gate import moved_grids

    for grid in moved_grids(checked.board, checked.comparison, checked.tolerances):
        print_grid(grid)
    echo_notes(_notes(checked, store))
    console().print(_verdict(checked), soft_wrap=True)


def _markdown(checked: _Checked, store: Store) -> str:
    """Return the verdict on a leaderboard for a pull request: in one line, with tables of what moved and the notes."""
    from harness.report.gate import moved_grids
    from harness.report.render.text import as_markdown, escape_markdown

    grids = moved_grids(checked.board, checked.comparison, checked.tolerances)
    notes = "\n".join(f"- {escape_markdown(note)}" for note in _notes(checked, store))
    return "\n\n".join(filter(None, (f"**{escape_markdown(_verdict(checked))}**", as_markdown(grids), notes)))


def _verdict(checked: _Checked) -> str:
    from harness.report.gate import compared_text

    worse = checked.comparison.with_outcome("worse")
    cells = {verdict.key for verdict in worse if verdict.kind != "mean"}
    means = sum(verdict.kind == "mean" for verdict in worse)
    places = [counted(len(cells), "cell")] * bool(cells) + [counted(means, "mean")] * bool(means)
    verdict = f"{len(worse)} worse, in {' and '.join(places)}" if worse else "nothing is worse"
    if checked.comparison.says_nothing:
        verdict = "so nothing is known"
    return f"{checked.board.name}: {compared_text(checked.comparison)}: {verdict}."


def _notes(checked: _Checked, store: Store) -> list[str]:
    comparison, name = checked.comparison, checked.board.name
    command = update_command(checked.board, store)
    notes = []
    if checked.newest.several:
        notes.append(replaced_text(checked.board, checked.newest))
    if checked.unmatched:
        notes.append(f"{name}: no record that is chosen is about these lines: {first_few(checked.unmatched)}.")
    if comparison.settings:
        differences = [f"{key} ({text})" for key, text in comparison.settings.items()]
        notes.append(f"{name}: settings have changed: {first_few(differences)}.")
    if comparison.new:
        new = [f"{key} ({status})" for key, status in comparison.new.items()]
        notes.append(f"{name}: not on the leaderboard yet: {first_few(new)}; '{command}' adds those that are ok.")
    if comparison.with_outcome("better"):
        notes.append(f"{name}: some numbers are better; to keep them: '{command}'.")
    return notes
