"""Marks numbers that can't be told from the best of their column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from harness.report.grid import Column, Grid, Row, competes
from harness.report.measured import MeasuredMethod

__all__ = ["UNTESTED", "Claim", "Judge", "mark_ties", "share_lead"]

UNTESTED = {"ties": "untested"}
"""Key of a table where some best number was not compared with all others, since the judge could not tell."""


class Judge(Protocol):
    """Tells whether two methods are tied."""

    def __call__(
        self,
        first: MeasuredMethod,
        second: MeasuredMethod,
        categories: Sequence[str],
        metric: str,
        defect: str = "",
        /,
    ) -> bool | None:
        """Return whether they are tied in a metric over categories, all defects or one; None where none can tell."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a measured number of a table is.

    Parameters
    ----------
    method
        Whose it is.
    categories
        What it is a mean over.
    metric
        Its id.
    defect
        One type of defect against all nominal images; all where empty.
    """

    method: MeasuredMethod
    categories: tuple[str, ...]
    metric: str
    defect: str = ""


def mark_ties(grid: Grid, find: Callable[[Row, Column], Claim | None], judge: Judge | None) -> Grid:
    """Return a table whose best numbers are marked as tied where the judge can't tell others from them.

    Where the judge can't say, places are those of the printed numbers, and the table has the key :data:`UNTESTED`.

    Parameters
    ----------
    grid
        Its places are set.
    find
        Takes what a number is from its row and column; None where the judge has no say.
    judge
        None leaves the table as it is.
    """
    if judge is None:
        return grid
    asked = judge
    unsure: set[tuple[int, int]] = set()

    def tied(best: int, other: int, column: int) -> bool:
        one, two = (find(grid.rows[row], grid.columns[column]) for row in (best, other))
        if one is None or two is None:
            return False
        answer = asked(one.method, two.method, one.categories, one.metric, one.defect)
        if answer is None:
            unsure.add((best, column))
        return answer is True

    marked = share_lead(grid, tied)
    untested = any(marked.rows[row].values[column].place == 1 for row, column in unsure)
    return replace(marked, keys={**marked.keys, **UNTESTED}) if untested else marked


def share_lead(grid: Grid, tied: Callable[[int, int, int], bool]) -> Grid:
    """Return a table where those that are tied with the best of a column share one mark, and no number is the best.

    Parameters
    ----------
    grid
        Its places are set.
    tied
        Tells whether the row of the best number and another row are tied in a column, all by their positions.
    """
    values = [list(row.values) for row in grid.rows]
    for group in {row.rank_group for row in grid.rows} - {""}:
        members = [index for index, row in enumerate(grid.rows) if row.rank_group == group]
        for position in range(len(grid.columns)):
            ranked = _ranked(grid, members, position)
            found = {index for index in ranked[1:] if tied(ranked[0], index, position)}
            lead = found | {ranked[0]} if found else set()
            for index in members if lead else ():
                values[index][position] = replace(values[index][position], place=0, tied=index in lead)
    rows = (replace(row, values=tuple(changed)) for row, changed in zip(grid.rows, values, strict=True))
    return replace(grid, rows=tuple(rows))


def _ranked(grid: Grid, members: Sequence[int], position: int) -> list[int]:
    """Return the rows with a number that competes in a column, the best first."""
    sign = 1 if grid.columns[position].lowest else -1
    numbers = {index: grid.rows[index].values[position] for index in members}
    competing = [index for index in members if competes(numbers[index])]
    return sorted(competing, key=lambda index: sign * (numbers[index].number or 0.0))
