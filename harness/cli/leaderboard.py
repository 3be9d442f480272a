"""``harness leaderboard``: the committed lines that runs are compared with, and their update."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.boards import Scope, first_few, leaderboard_option, replaced_text
from harness.cli.options import json_option, was_typed
from harness.cli.output import echo, echo_notes, print_json, warn
from harness.cli.query_options import nothing_measured, query_options, query_text, tell_elsewhere
from harness.errors import ExitCode, PrerequisiteError, UsageError

if TYPE_CHECKING:
    from harness.gate.leaderboard import Board, Latest
    from harness.store.query import RecordQuery
    from harness.store.store import Store

__all__ = ["command"]

_CHANGES = ("added", "changed", "kept", "dropped")


@click.group("leaderboard", invoke_without_command=True)
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
    typed = {name: ctx.params[name] for name in ctx.params if was_typed(ctx, name)}
    ctx.default_map = {ctx.invoked_subcommand: {**(ctx.default_map or {}), **typed}}
    return ExitCode.OK


@command.command("update", short_help="Write measured cells to the leaderboard.")
@leaderboard_option
@query_options
@click.option("--prune", is_flag=True, help="Drop lines for which the results have no cell that is ok.")
@json_option
def update(prune: bool, as_json: bool, query: RecordQuery, store: Store, folder: Path) -> int:
    """Write cells that are ok to the leaderboard of their dataset and preset: DIR/<dataset>-<preset>.csv.

    Lines of other cells stay as they are. The same records give the same bytes.

    \b
    harness leaderboard update
    harness leaderboard update --dataset toy --methods 'cfm*' --prune
    """
    from harness.gate.leaderboard import merge

    if prune and (query.device or query.statuses):
        raise UsageError(
            "--prune drops lines of cells that no record is chosen of, on whatever device they were measured: "
            "leave out --device and --status."
        )
    scope = Scope(query, store, folder)
    newest = scope.newest()
    tell_elsewhere(store, query)
    if not any(latest.rows for latest in newest.values()):
        raise nothing_measured(query, store, [r for latest in newest.values() for r in latest.records.values()])
    updates = []
    for board, latest in newest.items():
        merged = merge(board.read_all(), latest.rows, scope.keeps if prune else None)
        if merged.rows or board.path.exists():
            board.write(merged.rows)
            updates.append((board, {change: list(map(str, getattr(merged, change))) for change in _CHANGES}))
        _warn_of_records(board, latest)
    if as_json:
        return print_json([{**board.to_json(), **keys} for board, keys in updates])
    for board, keys in updates:
        echo(f"{board.path}: {', '.join(f'{len(keys[change])} {change}' for change in _CHANGES)}")
    return ExitCode.OK


def _show(scope: Scope, as_json: bool) -> int:
    from harness.gate.leaderboard import left_out_lines_text
    from harness.report.board import board_grids
    from harness.report.console import print_grid

    scope.check()
    boards = scope.boards()
    lines = {board: board.read() for board in boards}
    rows = {board: [row for row in lines[board].rows if scope.shows(row)] for board in boards}
    if left_out := [line for board in boards for line in lines[board].left_out]:
        echo_notes([left_out_lines_text(left_out)])
    if not any(rows.values()):
        raise PrerequisiteError(
            f"There is no leaderboard{query_text(scope.query)} in {scope.folder}: "
            "make one with 'harness leaderboard update'."
        )
    if as_json:
        return print_json([{**b.to_json(), "rows": [row.to_json() for row in kept]} for b, kept in rows.items()])
    for board, kept in rows.items():
        for grid in board_grids(board, kept):
            print_grid(grid)
    return ExitCode.OK


def _warn_of_records(board: Board, latest: Latest) -> None:
    """Warn of records that are replaced, not ok, or measured on a busy device."""
    if latest.several:
        warn(replaced_text(board, latest))
    failed = [f"{key} ({record.status})" for key, record in latest.records.items() if record.status != "ok"]
    if failed:
        warn(f"{board.name}: cells that are not ok are left out: {first_few(failed)}")
    contended = [row.key for row in latest.rows if row.contended]
    if contended:
        warn(f"{board.name}: measured on a busy device, so their speed is not compared: {first_few(contended)}")
