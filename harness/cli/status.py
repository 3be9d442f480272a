"""``harness status``: which cells of a results folder are measured, failed, running or planned."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import data_option, json_option, was_typed
from harness.cli.output import console, echo, echo_notes, listing, print_json
from harness.cli.query_options import query_options, query_text, start_advice
from harness.errors import ExitCode, PrerequisiteError, UsageError

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from harness.gate.recompute import Recomputed
    from harness.report.status import CellState, StatusGroup
    from harness.store.query import RecordQuery
    from harness.store.record import Record
    from harness.store.store import Store

__all__ = ["command"]

_STYLES = {"ok": "green", "running": "bold cyan", "queued": "cyan", "lost": "bold yellow", "planned": "yellow"}
_STYLES |= {"unsupported": "magenta", "-": "dim"}
_WRONG = "bold red"
_GAP = 2
"""Characters between two columns of a listing."""


@click.command("status")
@click.option("--failed", is_flag=True, help="List the cells that failed: why, when, and the end of their log.")
@click.option(
    "--verify",
    is_flag=True,
    help="Recompute every metric from the stored scores, counts and maps; exit 3 where one differs.",
)
@data_option
@json_option
@query_options
def command(
    failed: bool, verify: bool, data: Path | None, as_json: bool, query: RecordQuery, store: Store
) -> ExitCode | None:
    """Show the state of every cell that is measured, running or planned.

    A cell is ok, failed, oom, timeout, killed or unsupported as its record says; running while a process measures it;
    queued where a puller on a cluster is to measure it; lost where its process is gone and left no record, so that the
    next run takes it; planned where a run has not reached it, or was interrupted before; - where no run includes it.

    \b
    harness status
    harness status --dataset mvtec3d --methods 'cfm*' --shots 10
    harness status --failed
    harness status --verify --results FOLDER_OF_SOMEBODY
    """
    from harness.report.status import count_states

    if failed and verify:
        raise UsageError("--failed lists cells without numbers, --verify computes numbers again: give one of them.")
    if not was_typed(click.get_current_context(), "query_conditions"):
        query = replace(query, conditions=())
    states = _chosen(store, query)
    if verify:
        return _verify(states, query.select(store.elsewhere), store, data, as_json=as_json)
    if as_json:
        shown = [state for state in states if state.went_wrong or state.attempt or not failed]
        print_json(
            {
                "counts": count_states(shown),
                "cells": [state.to_json() for state in shown],
                "left_out": [file.to_json() for file in store.left_out],
            }
        )
    elif failed:
        _print_wrong(states)
    else:
        _print_tables(states)
    return None


def _verify(
    states: Sequence[CellState], elsewhere: Sequence[Record], store: Store, data: Path | None, *, as_json: bool
) -> ExitCode:
    """Compute the metrics of ok records again, and print those that differ, and those that can't be computed."""
    from harness.report.tables import NothingMeasuredError

    records = [state.record for state in states if state.record is not None and state.record.status == "ok"]
    records += elsewhere
    if not records:
        raise NothingMeasuredError("No cell that is chosen is ok, so there is no number to compute again.")
    results = list(_recomputed(records, store, data))
    confirmed = sum(result.confirmed for result in results)
    if as_json:
        left_out = [file.to_json() for file in store.left_out]
        print_json({"confirmed": confirmed, "cells": [result.to_json() for result in results], "left_out": left_out})
    else:
        for result in results:
            for clause in (*result.differs, *result.missing):
                echo(f"{_name(result.record, store)}: {clause}")
        with_maps = sum(result.maps for result in results)
        also = f", of {with_maps} from their maps, too" if with_maps else ""
        echo(f"{confirmed} of {len(results)} records have the numbers that what they keep gives{also}")
    return ExitCode.OK if confirmed == len(results) else ExitCode.CELL_NOT_OK


def _name(record: Record, store: Store) -> str:
    """Return which record is meant, with the machine where the cell was measured on several."""
    from harness.report.groups import cell_title
    from harness.store.means import machine_of

    several = any(other.cell.id == record.cell.id for other in store.elsewhere)
    return cell_title(record.cell) + (f", on {machine_of(record)}" if several else "")


def _recomputed(records: Sequence[Record], store: Store, data: Path | None) -> Iterator[Recomputed]:
    """Yield what comes out for each record, behind a bar."""
    from harness.gate.recompute import recompute
    from harness.report.console import counting

    with counting("Computing again") as progress:
        for done, record in enumerate(records, start=1):
            yield recompute(store.home(record), record, data)
            progress(done, len(records))


def _chosen(store: Store, query: RecordQuery) -> list[CellState]:
    from harness.report.status import read_states
    from harness.report.tables import NothingMeasuredError
    from harness.store.published import read_published

    states = read_states(store, _queued(store))
    query.check((state.placeholder_record() for state in states), read_published().methods)
    states = [state for state in states if state.is_meant(query)]
    if not states:
        raise NothingMeasuredError(
            f"No cell{query_text(query)} is measured, running or planned in {store.folder}: {start_advice(query)}"
        )
    return states


def _queued(store: Store) -> frozenset[str]:
    """Return the stems of the cells that pullers on a cluster are to measure; say where Slurm can't be asked."""
    from harness.slurm.launch import awaited_stems

    try:
        return frozenset(stem for folder in store.folders_given for stem in awaited_stems(folder))
    except PrerequisiteError as error:
        echo_notes([f"Which cells are queued is not known: {error}"])
        return frozenset()


def _print_tables(states: Sequence[CellState]) -> None:
    from rich.text import Text

    from harness.report.status import advice, count_states, counts_text, group_states

    for group in group_states(states):
        console().print(group.title, style="bold")
        console().print(counts_text(count_states(group.states)))
        if group.replaced:
            console().print(f"{group.replaced} older records of other data or splits are left out", style="dim")
        for table in _tables(group, console().width):
            console().print()
            console().print(table)
        for state in group.states:
            if state.holder is not None:
                line = f"{state.state}: {state.cell.label} {state.cell.category} ({state.holder})"
                console().print(Text(line))
        console().print()
    console().print(" ".join(advice(states)), style="dim")


def _tables(group: StatusGroup, width: int) -> Iterator[Table]:
    """Yield the table of a group; where the terminal is too narrow, groups of columns below each other."""
    from rich.text import Text

    label_width = min(max(len("method"), *map(len, group.methods)), width // 2)
    for categories in _chunks(group, width - label_width):
        table = listing(("method", *map(_heading, categories)))
        for label, row in group.methods.items():
            table.add_row(Text(label), *(_word(row.get(category)) for category in categories))
        yield table


def _chunks(group: StatusGroup, width: int) -> Iterator[list[str]]:
    chunk: list[str] = []
    used = 0
    for category in group.categories:
        words = [len(row[category].state) for row in group.methods.values() if category in row]
        needed = _GAP + max(*map(len, _heading(category).split("\n")), *words, 1)
        if chunk and used + needed > width:
            yield chunk
            chunk, used = [], 0
        chunk.append(category)
        used += needed
    yield chunk


def _heading(category: str) -> str:
    return re.sub(r"_|(?<=[a-z])(?=[A-Z])", "\n", category)


def _word(state: CellState | None) -> Text:
    from rich.text import Text

    word = state.state if state else "-"
    return Text(word, style=_STYLES.get(word, _WRONG))


def _print_wrong(states: Sequence[CellState]) -> None:
    from harness.report.status import count_states, counts_text

    wrong = [state for state in states if state.went_wrong]
    wrong += [_of_attempt(state, state.attempt) for state in states if state.attempt]
    for state in sorted(wrong, key=lambda state: state.created, reverse=True):
        _print_reason(state)
    console().print(counts_text(count_states(states)) + ("" if wrong else ": nothing went wrong"))


def _of_attempt(state: CellState, attempt: Record) -> CellState:
    """Return the state that a cell would have by the last attempt at it."""
    kept = f"The numbers of {state.created} stay. {attempt.reason}"
    return replace(state, state=attempt.status, reason=kept, created=attempt.created, record=attempt)


def _print_reason(state: CellState) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from harness.report.groups import cell_title
    from harness.running.post_mortem import last_lines

    cell, log = state.cell, state.log
    facts = f" {cell_title(cell)}, preset {cell.protocol.preset}, {cell.protocol.weights} weights, {state.created}"
    console().print(_word(state).append(facts, style="default"))
    console().print(Padding(Text(state.reason), (0, 0, 0, 2)))
    if log is not None:
        lines = last_lines(log) if log.name not in state.reason else []
        for line in (f"log: {log}", *(f"| {line}" for line in lines)):
            console().print(Text(f"  {line}", style="dim"), soft_wrap=True)
    console().print()
