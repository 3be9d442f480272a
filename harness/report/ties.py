"""Marks numbers that can't be separated from the best of their column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from harness.report.grid import Grid, NumberId, rivals
from harness.report.intervals import Difference
from harness.report.power import FEW_IMAGES, POWER, images_text

__all__ = ["UNTESTED", "TieTest", "detectable_text", "mark_tied_with_best", "mark_ties", "needed_text", "numbers_of"]

UNTESTED = {"ties": "untested"}
"""Key of a table where some best number was not compared with all others, since the test could not decide."""

Tied = Callable[[int, Sequence[int], int], Mapping[int, Difference | None]]
"""Takes the row of the best number, the other rows and the column, all by their positions; returns the tied ones of
the other rows with their difference to the best, None where it is not a number."""


class TieTest(Protocol):
    """Decides which numbers are tied with the best one: :class:`harness.report.uncertainty.Uncertainty`."""

    def against_best(self, best: NumberId, others: Sequence[NumberId], /) -> Sequence[Difference | None]:
        """Return the difference of each other number to the best one; None for undecided."""

    def prepare(self, numbers: Iterable[NumberId], /) -> None:
        """Do the work that some numbers ask for, and tell how far it is."""

    def few_images(self, numbers: Iterable[NumberId], /) -> int:
        """Return the smallest number of nominal or anomalous images behind some numbers, 0 where none is known."""


def numbers_of(grids: Iterable[Grid]) -> Iterator[NumberId]:
    """Yield what was measured in some tables."""
    for grid in grids:
        for row in grid.rows:
            yield from (value.identity for value in row.values if value.identity is not None)


def mark_ties(grid: Grid, test: TieTest | None) -> Grid:
    """Return a table whose best numbers are marked as tied where a test can't separate others from them.

    Its caption then says which difference the test would have detected, and a footnote of each tied number how many
    test images would show the one that was measured. Where the test can't decide, places are those
    of the printed numbers, and the table has the key :data:`UNTESTED`.

    Parameters
    ----------
    grid
        Its places are set.
    test
        None leaves the table as it is.
    """
    if test is None:
        return grid
    decide = test
    unsure: set[tuple[int, int]] = set()

    tied_at: dict[tuple[int, int], Difference] = {}

    def tied(best: int, others: Sequence[int], column: int) -> dict[int, Difference | None]:
        known = {index: grid.rows[index].values[column].identity for index in (best, *others)}
        numbers = {index: number for index, number in known.items() if number is not None}
        first = numbers.pop(best, None)
        if first is None or not numbers:
            return {}
        differences = dict(zip(numbers, decide.against_best(first, list(numbers.values())), strict=True))
        unsure.update((best, column) for difference in differences.values() if difference is None)
        found = {index: difference for index, difference in differences.items() if difference and difference.tied}
        tied_at.update({(index, column): difference for index, difference in found.items()})
        return dict(found)

    marked = _noted(mark_tied_with_best(grid, tied), tied_at)
    untested = any(marked.rows[row].values[column].place == 1 for row, column in unsure)
    caption = "; ".join(filter(None, (marked.caption, detectable_text(marked), _few_images(marked, decide))))
    return replace(marked, caption=caption, keys={**marked.keys, **(UNTESTED if untested else {})})


def mark_tied_with_best(grid: Grid, tied: Tied) -> Grid:
    """Return a table where those that are tied with the best of a column share one mark, and no number is the best.

    Parameters
    ----------
    grid
        Its places are set.
    tied
        Which rows are tied with the best of a column.
    """
    values = [list(row.values) for row in grid.rows]
    for position, column in enumerate(grid.columns):
        for members in rivals(grid.rows, position):
            best, *others = _ordered(grid, members, position, lowest=column.lowest)
            found = tied(best, others, position) if others else {}
            detected = {index: difference.detectable if difference else None for index, difference in found.items()}
            leaders = {best: _largest(detected.values()), **detected} if detected else {}
            for index in members if leaders else ():
                difference = found.get(index)
                values[index][position] = replace(
                    values[index][position],
                    place=0,
                    tied=index in leaders,
                    detectable=leaders.get(index),
                    images_needed=difference.images_needed if difference else None,
                )
    rows = (replace(row, values=tuple(changed)) for row, changed in zip(grid.rows, values, strict=True))
    return replace(grid, rows=tuple(rows))


def _noted(grid: Grid, tied: Mapping[tuple[int, int], Difference]) -> Grid:
    """Return a table where the ties of a row share a footnote: how many test images would tell each from the best."""
    rows = list(grid.rows)
    said = {place: difference for place, difference in tied.items() if difference.images_needed is not None}
    for index in dict.fromkeys(row for row, _ in said):
        columns = {column: difference for (row, column), difference in said.items() if row == index}
        note = needed_text({grid.columns[column].heading: difference for column, difference in columns.items()})
        values = list(rows[index].values)
        for column in columns:
            values[column] = replace(values[column], note="; ".join(filter(None, (values[column].note, note))))
        rows[index] = replace(rows[index], values=tuple(values))
    return replace(grid, rows=tuple(rows))


def needed_text(differences: Mapping[str, Difference]) -> str:
    """Return how many test images would tell tied numbers of one row from the best ones, in words.

    Parameters
    ----------
    differences
        Heading of each number's column to its difference to the best. Those of which it can't be said are left out.

    Returns
    -------
    str
        Empty where it can be said of none.
    """
    said = {
        " ".join(heading.split()): images_text(difference.images_needed)
        for heading, difference in differences.items()
        if difference.images_needed is not None
    }
    if not said:
        return ""
    listed = list(dict.fromkeys(said.values()))
    if len(listed) > 1:
        listed = [f"{heading}: {text}" for heading, text in said.items()]
    told = f"test images that would tell it from the best {POWER:.0%} of the time, if the difference is as measured"
    return f"{told}: {'; '.join(listed)}"


def detectable_text(grid: Grid) -> str:
    """Return which difference would have been detected in each column with a tie, in words; empty for none."""
    columns = {
        " ".join(column.heading.split()): _largest(row.values[position].detectable for row in grid.rows)
        for position, column in enumerate(grid.columns)
    }
    known = {name: number for name, number in columns.items() if number is not None}
    seen = [f"{name} {number:.3f}" for name, number in known.items() if number < 1]
    unseen = [name for name, number in known.items() if number >= 1]
    parts = (
        f"the smallest true difference that shows {POWER:.0%} of the time is {', '.join(seen)}" if seen else "",
        f"too few images show any so often in {', '.join(unseen)}" if unseen else "",
    )
    return f"tied is not equal: {'; '.join(filter(None, parts))}" if known else ""


def _few_images(grid: Grid, test: TieTest) -> str:
    fewest = test.few_images(numbers_of([grid]))
    return (
        f"rough intervals and ties: down to {fewest} images of a kind in a category" if 0 < fewest < FEW_IMAGES else ""
    )


def _largest(numbers: Iterable[float | None]) -> float | None:
    return max((number for number in numbers if number is not None), default=None)


def _ordered(grid: Grid, members: Sequence[int], position: int, *, lowest: bool) -> list[int]:
    """Return rows by their number in a column, the best first."""
    sign = 1 if lowest else -1
    return sorted(members, key=lambda index: sign * (grid.rows[index].values[position].number or 0.0))
