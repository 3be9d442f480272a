"""The leaderboard as tables: one for each set of cells that were trained on the same number of samples."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from harness.gate.leaderboard import Board
from harness.gate.rows import METRIC_IDS, BoardRow, CellKey
from harness.report.grid import Grid, Row, Value, missing, rank_columns
from harness.report.groups import setting_title
from harness.report.pivot import Cut
from harness.store.quantities import in_each_math, quantity

__all__ = ["board_grids", "board_title", "by_training", "number_text", "submitted"]

_T = TypeVar("_T")

_COSTS = ("device_median_ms", "end_to_end_median_ms", "peak_inference_mb", "memory_mb")
"""Columns of the leaderboard that tables show beside the metrics."""

_NAMES = (*METRIC_IDS, *_COSTS)


def board_grids(board: Board, rows: Sequence[BoardRow]) -> list[Grid]:
    """Return the lines of a leaderboard as tables; the best of a category is marked.

    Parameters
    ----------
    board
        Where they come from.
    rows
        All or some of its lines.
    """
    names = in_each_math(_NAMES, lambda name: any(row.numbers[name] is not None for row in rows))
    columns = [Cut(quantity(name)).column for name in names]
    grids = []
    for keys, members in by_training(rows, lambda row: row.key).items():
        lines = [_line(row, names, first) for row, first in zip(members, _first_of_method(members), strict=True)]
        ranked = rank_columns(lines, columns)
        several = {row.key.category for row in members if row.hardware != members[0].hardware}
        title = f"Leaderboard: {board_title(board, members[0].key)}"
        context = {"kind": "leaderboard", "dataset": board.dataset, "preset": board.preset, **dict(keys)}
        headings = ("method", "category")
        grids.append(Grid(title, headings, tuple(columns), _comparable(ranked, names, several), keys=context))
    return grids


def submitted(row: BoardRow, submission: str) -> BoardRow:
    """Return a line whose method names the submission that it comes from; as it is where that is empty."""
    return replace(row, key=replace(row.key, method=f"{row.key.method} ({submission})")) if submission else row


def _comparable(rows: Sequence[Row], names: Sequence[str], several: Collection[str]) -> tuple[Row, ...]:
    """Take the places from numbers of different machines, in the categories that have such."""

    def unplaced(row: Row) -> Row:
        values = (
            replace(value, place=0) if quantity(name).of_machine else value
            for name, value in zip(names, row.values, strict=True)
        )
        return replace(row, values=tuple(values))

    return tuple(unplaced(row) if row.rank_group in several else row for row in rows)


def board_title(board: Board, key: CellKey) -> str:
    """Return dataset, training samples, preset and weights of a table's cells, in words."""
    return setting_title(board.dataset, board.preset, key.weights, key.shots, key.split)


def by_training(items: Iterable[_T], key: Callable[[_T], CellKey]) -> Mapping[tuple[tuple[str, str], ...], list[_T]]:
    """Sort items into groups of equal shots, split and weights, in the order in which the groups are met.

    Parameters
    ----------
    items
        Each about a cell.
    key
        Takes the cell's key from an item.
    """
    groups: dict[tuple[tuple[str, str], ...], list[_T]] = {}
    for item in items:
        name = tuple((part, getattr(key(item), part)) for part in ("shots", "split", "weights"))
        groups.setdefault(name, []).append(item)
    return groups


def number_text(name: str, number: float) -> str:
    """Return a number of the leaderboard as tables print it."""
    if name in METRIC_IDS:
        return f"{number:.4f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.3f}"


def _first_of_method(rows: Sequence[BoardRow]) -> list[bool]:
    before = ["", *(row.key.method for row in rows)]
    return [row.key.method != last for row, last in zip(rows, before, strict=False)]


def _line(row: BoardRow, names: Sequence[str], first: bool) -> Row:
    name = Value(row.key.method if first else "")
    label = Value(row.key.category, note=_origin(row))
    values = [_value(column, row.numbers[column]) for column in names]
    if row.contended:
        busy = missing("contended: something else kept the machine busy")
        values = [busy if name.endswith("_ms") else value for name, value in zip(names, values, strict=True)]
    keys = {"method": row.key.method, "category": row.key.category}
    return Row((name, label), tuple(values), keys, starts=first, rank_group=row.key.category)


def _origin(row: BoardRow) -> str:
    busy = ", while something else kept it busy: its speed is not compared" if row.contended else ""
    commit = f", harness {row.commit}" if row.commit else ""
    return f"{row.created}{commit}, on {row.hardware or 'unknown hardware'}{busy}"


def _value(name: str, number: float | None) -> Value:
    if number is None:
        return missing("undefined" if name in METRIC_IDS else "not measured")
    return Value(number_text(name, number), number)
