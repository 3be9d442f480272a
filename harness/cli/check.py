"""``harness check``: measured cells against the leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.boards import (
    Scope,
    command_text,
    leaderboard_option,
    named,
    nothing_measured,
    nothing_ok,
    several_text,
)
from harness.cli.options import json_option
from harness.cli.query_options import query_options
from harness.errors import ExitCode, PrerequisiteError

if TYPE_CHECKING:
    from harness.gate.compare import Comparison, Verdict
    from harness.gate.leaderboard import Board, Latest
    from harness.gate.tolerances import Tolerances
    from harness.store.query import RecordQuery
    from harness.store.store import Store

__all__ = ["command"]


@click.command("check", short_help="Compare measured cells with the leaderboard; exit 4 if one is worse.")
@leaderboard_option
@query_options
@json_option
def command(as_json: bool, query: RecordQuery, store: Store, folder: Path) -> int:
    """Compare measured cells with the leaderboard of their dataset and preset.

    Exits with 4, and a table of what moved, where a metric fell by more than its tolerance, a cell of the leaderboard
    is missing or not ok, or latency or memory rose beyond the limits on equal hardware; with 6 where nothing is
    measured. The tolerances lie in tolerances.csv beside the leaderboards.

    \b
    harness check
    harness check --dataset toy --preset quick --methods 'cfm*'
    """
    scope = Scope(query, store, folder)
    checked = _compare(scope)
    if as_json:
        from harness.cli.output import print_json

        print_json({"regressed": _regressed(checked), "leaderboards": [_described(one) for one in checked]})
    else:
        for one in checked:
            _print(one, store)
    return ExitCode.REGRESSION if _regressed(checked) else ExitCode.OK


@dataclass(frozen=True, slots=True)
class _Checked:
    """A leaderboard, the newest records of its dataset and preset, and what comparing them gave."""

    board: Board
    newest: Latest
    comparison: Comparison
    tolerances: Tolerances


def _regressed(checked: Sequence[_Checked]) -> bool:
    return any(one.comparison.regressed for one in checked)


def _compare(scope: Scope) -> list[_Checked]:
    from harness.gate.compare import compare
    from harness.gate.leaderboard import Board, latest
    from harness.gate.tolerances import read_tolerances
    from harness.report.tables import NothingMeasuredError

    newest = {pair: latest(records) for pair, records in scope.records().items()}
    if not newest:
        raise NothingMeasuredError(nothing_measured(scope))
    boards = {Board(scope.folder, *pair): found for pair, found in newest.items()}
    _require_files(scope, list(boards))
    tolerances = read_tolerances(scope.folder)
    checked = []
    for board, found in boards.items():
        if board.path.exists():
            rows = [row for row in board.read() if scope.keeps(row.key)]
            if scope.query.device or scope.query.statuses:  # a cell that another device has a record of is not missing
                rows = [row for row in rows if row.key in found.records]
            checked.append(_Checked(board, found, compare(rows, found.records, tolerances), tolerances))
    if not _regressed(checked) and not any(found.rows for found in newest.values()):
        raise NothingMeasuredError(nothing_ok(newest.values(), scope))
    return checked


def _require_files(scope: Scope, boards: Sequence[Board]) -> None:
    """Raise PrerequisiteError where no measured dataset has a leaderboard; say of which there is none or no record."""
    from harness.cli.output import warn

    for board in boards:
        if not board.path.exists():
            command = command_text("leaderboard update", board, scope.store)
            sentence = (
                f"There is no leaderboard {board.path} to compare with: make one with '{command}', and commit it."
            )
            if not any(other.path.exists() for other in boards):
                raise PrerequisiteError(sentence)
            warn(sentence)
    for board in scope.boards():
        if board not in boards:
            warn(f"{board.name} is not compared: nothing of it is measured in {scope.store.cells}.")


def _described(one: _Checked) -> dict[str, Any]:
    """Return a comparison as plain JSON values."""
    from harness.gate.compare import KINDS

    comparison = one.comparison
    return {
        **one.board.to_json(),
        "tolerances": one.tolerances.source,
        "compared": {kind: comparison.compared(kind) for kind in KINDS},
        "skipped": [
            {"kind": kind, "reason": reason, "count": count} for (kind, reason), count in comparison.skipped.items()
        ],
        "worse": [_verdict(verdict) for verdict in comparison.with_outcome("worse")],
        "better": [_verdict(verdict) for verdict in comparison.with_outcome("better")],
        "settings": [{**asdict(key), "differs": text} for key, text in comparison.settings.items()],
        "new": [{**asdict(key), "status": status} for key, status in comparison.new.items()],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    values = asdict(verdict)
    return {**values.pop("key"), **values}


def _print(one: _Checked, store: Store) -> None:
    from harness.report.console import stdout
    from harness.report.gate import compared_text, moved_grids
    from harness.report.render.text import as_rich

    for grid in moved_grids(one.board, one.comparison, one.tolerances):
        stdout.print(as_rich(grid))
    _print_notes(one, store)
    worse = one.comparison.with_outcome("worse")
    cells = len({verdict.key for verdict in worse})
    verdict = f"{len(worse)} worse, in {cells} cell{'s' * (cells != 1)}" if worse else "nothing is worse"
    stdout.print(f"{one.board.name}: {compared_text(one.comparison)}: {verdict}.", soft_wrap=True, markup=False)


def _print_notes(one: _Checked, store: Store) -> None:
    """Say on standard error what else is to be known."""
    comparison, name = one.comparison, one.board.name
    command = command_text("leaderboard update", one.board, store)
    notes = []
    if one.newest.several:
        notes.append(several_text(one.board, one.newest))
    if comparison.settings:
        differ = [f"{key} ({text})" for key, text in comparison.settings.items()]
        notes.append(f"{name}: settings have changed: {named(differ)}.")
    if comparison.new:
        new = [f"{key} ({status})" for key, status in comparison.new.items()]
        notes.append(f"{name}: not on the leaderboard yet: {named(new)}; '{command}' puts those that are ok there.")
    if comparison.with_outcome("better"):
        notes.append(f"{name}: some numbers are better; if that is to stay: '{command}'.")
    for note in notes:
        click.echo(f"harness: {note}", err=True)
