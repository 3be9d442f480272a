"""``harness leaderboard``: the committed lines that runs are compared with, and their update."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from harness.cli.boards import Scope, leaderboard_option, named, nothing_ok, several_text
from harness.cli.options import json_option
from harness.cli.query_options import query_options
from harness.errors import ExitCode, PrerequisiteError, UsageError

if TYPE_CHECKING:
    from harness.gate.leaderboard import Board, Latest, Merged
    from harness.store.query import RecordQuery
    from harness.store.store import Store

__all__ = ["command"]


@click.group("leaderboard", invoke_without_command=True, short_help="Show the committed leaderboard, or update it.")
@leaderboard_option
@json_option
@click.pass_context
@query_options
def command(ctx: click.Context, /, as_json: bool, query: RecordQuery, store: Store, folder: Path) -> int:
    """Show the committed leaderboard: accuracy, speed and memory of every cell, the best of each category in bold.

    \b
    harness leaderboard
    harness leaderboard update
    """
    if ctx.invoked_subcommand is None:
        return _show(Scope(query, store, folder), as_json)
    typed = {name: ctx.params[name] for name in ctx.params if _was_typed(ctx, name)}
    ctx.default_map = {ctx.invoked_subcommand: {**(ctx.default_map or {}), **typed}}
    return ExitCode.OK


@command.command("update", short_help="Write measured cells to the leaderboard.")
@leaderboard_option
@query_options
@click.option("--prune", is_flag=True, help="Drop lines that the results have no cell for that is ok.")
@json_option
def update(prune: bool, as_json: bool, query: RecordQuery, store: Store, folder: Path) -> int:
    """Write cells that are ok to the leaderboard of their dataset and preset: DIR/<dataset>-<preset>.csv.

    Lines of other cells stay as they are. The same records give the same bytes.

    \b
    harness leaderboard update
    harness leaderboard update --dataset toy --methods 'cfm*' --prune
    """
    from harness.cli.output import print_json
    from harness.gate.leaderboard import Board, latest, merge
    from harness.report.tables import NothingMeasuredError

    if prune and (query.device or query.statuses):
        raise UsageError(
            "--prune drops lines of cells that no record is chosen of, on whatever device they were measured: "
            "leave out --device and --status."
        )
    scope = Scope(query, store, folder)
    newest = {pair: latest(found) for pair, found in scope.records().items()}
    if not any(found.rows for found in newest.values()):
        raise NothingMeasuredError(nothing_ok(newest.values(), scope))
    outcomes = []
    for (dataset, preset), found in newest.items():
        board = Board(scope.folder, dataset, preset)
        drops = scope.keeps if prune else None
        merged = merge(board.read(), found.rows, drops)
        if merged.rows or board.path.exists():
            board.write(merged.rows)
            outcomes.append(_outcome(board, merged))
        _print_notes(board, found)
    if as_json:
        print_json(outcomes)
    else:
        _print(outcomes)
    return ExitCode.OK


def _was_typed(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE


def _show(scope: Scope, as_json: bool) -> int:
    from harness.cli.output import print_json
    from harness.report.board import board_grids
    from harness.report.console import stdout
    from harness.report.render.text import as_rich

    scope.check()
    boards = scope.boards()
    if not boards:
        raise PrerequisiteError(
            f"There is no leaderboard{scope.words} in {scope.folder}: make one with 'harness leaderboard update'."
        )
    rows = {board: [row for row in board.read() if scope.keeps(row.key)] for board in boards}
    if as_json:
        print_json([{**board.to_json(), "rows": [row.to_json() for row in found]} for board, found in rows.items()])
        return ExitCode.OK
    for board, found in rows.items():
        for grid in board_grids(board, found):
            stdout.print(as_rich(grid))
    return ExitCode.OK


def _outcome(board: Board, merged: Merged) -> dict[str, Any]:
    """Return what became of a leaderboard, as plain JSON values."""
    what = {name: [str(key) for key in getattr(merged, name)] for name in ("added", "changed", "kept", "dropped")}
    return {**board.to_json(), **what}


def _print(outcomes: Sequence[dict[str, Any]]) -> None:
    from harness.report.console import stdout

    for outcome in outcomes:
        counts = [f"{len(outcome[what])} {what}" for what in ("added", "changed", "kept", "dropped")]
        stdout.print(f"{outcome['path']}: {', '.join(counts)}", soft_wrap=True, markup=False)


def _print_notes(board: Board, found: Latest) -> None:
    """Say on standard error what a reader of the leaderboard should know of the records."""
    from harness.cli.output import warn

    if found.several:
        warn(several_text(board, found))
    failed = [f"{key} ({record.status})" for key, record in found.records.items() if record.status != "ok"]
    if failed:
        warn(f"{board.name}: cells that are not ok are left out: {named(failed)}")
    busy = [row.key for row in found.rows if row.contended]
    if busy:
        warn(f"{board.name}: measured while the device was busy, so that no speed is compared with it: {named(busy)}")
