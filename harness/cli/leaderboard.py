"""``harness leaderboard``: the committed lines that runs are compared with, and their update."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.boards import Scope, first_few, leaderboard_option, replaced_text
from harness.cli.options import choice_option, json_option, was_typed
from harness.cli.output import echo, echo_notes, print_json, warn
from harness.cli.query_options import nothing_measured, query_options, query_text, tell_elsewhere
from harness.cli.submissions import submissions_option, submit, verify
from harness.errors import ExitCode, PrerequisiteError, UsageError

if TYPE_CHECKING:
    from harness.gate.leaderboard import Board, Latest
    from harness.store.query import RecordQuery
    from harness.store.record import Record
    from harness.store.store import Store

__all__ = ["command"]

_CHANGES = ("added", "changed", "kept", "dropped")


@click.group("leaderboard", invoke_without_command=True)
@leaderboard_option
@submissions_option
@choice_option(
    "--format", "form", choices=("rich", "markdown", "json"), help="For a terminal, a page of docs or a program."
)
@json_option
@click.pass_context
@query_options
def command(
    ctx: click.Context, /, form: str, as_json: bool, submissions: Path, query: RecordQuery, store: Store, folder: Path
) -> int:
    """Show the committed leaderboard: accuracy, speed and memory of every cell, the best of each category in bold.

    Cells of accepted submissions are listed with those that this project has measured, with the submission's name.

    \b
    harness leaderboard
    harness leaderboard update
    harness leaderboard submit lab-cfm-h200 --dataset mvtec3d
    """
    if ctx.invoked_subcommand is None:
        return _show(Scope(query, store, folder), submissions, "json" if as_json else form)
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
            "--prune drops every line without a selected record, whatever device measured it: "
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


command.add_command(submit)
command.add_command(verify)


def _show(scope: Scope, submissions: Path, form: str) -> int:
    from harness.gate.leaderboard import left_out_lines_text
    from harness.gate.rows import BoardRow
    from harness.report.board import board_grids, submitted
    from harness.report.console import print_grid
    from harness.report.render.text import as_markdown

    theirs = _submitted(scope, submissions)
    boards = tuple(dict.fromkeys((*scope.boards(), *theirs)))
    scope.check(record for _, record in chain.from_iterable(theirs.values()))
    lines = {board: board.read() for board in boards}
    rows = {board: [("", row) for row in lines[board].rows if scope.shows(row)] for board in boards}
    for board, records in theirs.items():
        rows[board] += [(name, row) for name, record in records if scope.shows(row := BoardRow.of(record))]
    if left_out := [line for board in boards for line in lines[board].left_out]:
        echo_notes([left_out_lines_text(left_out)])
    if not any(rows.values()):
        raise PrerequisiteError(
            f"There is no leaderboard{query_text(scope.query)} in {scope.folder}: "
            "make one with 'harness leaderboard update'."
        )
    if form == "json":
        return print_json(
            [
                {**b.to_json(), "rows": [{**row.to_json(), "submission": name} for name, row in kept]}
                for b, kept in rows.items()
            ]
        )
    grids = []
    for board, kept in rows.items():
        named = [submitted(row, name) for name, row in kept]
        grids += board_grids(board, sorted(named, key=lambda row: row.key.order))
    if form == "markdown":
        echo(as_markdown(grids))
    else:
        for grid in grids:
            print_grid(grid)
    return ExitCode.OK


def _submitted(scope: Scope, folder: Path) -> dict[Board, list[tuple[str, Record]]]:
    """Return the records of submissions in the scope by leaderboard, with the name of the submission."""
    from harness.gate.leaderboard import Board
    from harness.gate.submission import find_submissions
    from harness.store.store import Store

    found: dict[Board, list[tuple[str, Record]]] = {}
    for submission in find_submissions(folder):
        for record in Store(submission).all():
            dataset, preset = record.cell.dataset, record.cell.protocol.preset
            query = scope.query
            if record.status == "ok" and query.dataset in ("", dataset) and query.preset in ("", preset):
                found.setdefault(Board(scope.folder, dataset, preset), []).append((submission.name, record))
    return found


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
