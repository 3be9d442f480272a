"""Marks numbers that can't be separated from the best of their column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from harness.report.grid import Grid, rivals
from harness.report.groups import MethodRecords

__all__ = ["UNTESTED", "TieTest", "mark_tied_with_best", "mark_ties"]

UNTESTED = {"ties": "untested"}
"""Key of a table where some best number was not compared with all others, since the test could not decide."""


class TieTest(Protocol):
    """Decides whether two methods are tied."""

    def __call__(
        self,
        first: MethodRecords,
        second: MethodRecords,
        categories: Sequence[str],
        metric: str,
        defect: str = "",
        /,
    ) -> bool | None:
        """Return whether they are tied in a metric over categories, for all defects or one; None for undecided."""


def mark_ties(grid: Grid, test: TieTest | None) -> Grid:
    """Return a table whose best numbers are marked as tied where a test can't separate others from them.

    Where the test can't decide, places are those of the printed numbers, and the table has the key :data:`UNTESTED`.

    Parameters
    ----------
    grid
        Its places are set.
    test
        Takes two methods, categories, metric and defect; None leaves the table as it is.
    """
    if test is None:
        return grid
    decide = test
    unsure: set[tuple[int, int]] = set()

    def tied(best: int, other: int, column: int) -> bool:
        first, second = (grid.rows[row].values[column].identity for row in (best, other))
        if first is None or second is None:
            return False
        answer = decide(first.method, second.method, first.categories, first.metric, first.defect)
        if answer is None:
            unsure.add((best, column))
        return answer is True

    marked = mark_tied_with_best(grid, tied)
    untested = any(marked.rows[row].values[column].place == 1 for row, column in unsure)
    return replace(marked, keys={**marked.keys, **UNTESTED}) if untested else marked


def mark_tied_with_best(grid: Grid, tied: Callable[[int, int, int], bool]) -> Grid:
    """Return a table where those that are tied with the best of a column share one mark, and no number is the best.

    Parameters
    ----------
    grid
        Its places are set.
    tied
        Whether the row of the best number and another row are tied in a column, all by their positions.
    """
    values = [list(row.values) for row in grid.rows]
    for position, column in enumerate(grid.columns):
        for members in rivals(grid.rows, position):
            best, *others = _ordered(grid, members, position, lowest=column.lowest)
            leaders = {index for index in others if tied(best, index, position)}
            leaders |= {best} if leaders else set()
            for index in members if leaders else ():
                values[index][position] = replace(values[index][position], place=0, tied=index in leaders)
    rows = (replace(row, values=tuple(changed)) for row, changed in zip(grid.rows, values, strict=True))
    return replace(grid, rows=tuple(rows))


def _ordered(grid: Grid, members: Sequence[int], position: int, *, lowest: bool) -> list[int]:
    """Return rows by their number in a column, the best first."""
    sign = 1 if lowest else -1
    return sorted(members, key=lambda index: sign * (grid.rows[index].values[position].number or 0.0))
