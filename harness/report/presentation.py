"""Changes to finished tables for a paper or a pull request: percent, no differences, short labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import count, product
from string import ascii_lowercase

from harness.report.grid import Grid, Row, Value
from harness.store.quantities import ACCURACY

__all__ = ["hundredfold", "in_percent", "with_short_labels", "without_differences"]

_ACCURACIES = frozenset(metric.id for metric in ACCURACY)
_FRACTION = re.compile(r"(?<![\d.=])\d\.\d{2,}(?![\d.])")
_LONGEST = 24
"""Characters of a label that stays as it is."""


def in_percent(grids: Sequence[Grid]) -> list[Grid]:
    """Return tables whose accuracies are printed in percent: ``95.4`` for ``0.954``; the numbers stay as they are."""
    return [_in_percent(grid) for grid in grids]


def _in_percent(grid: Grid) -> Grid:
    scaled = [column.keys.get("metric", "").removeprefix("difference_") in _ACCURACIES for column in grid.columns]
    if not any(scaled):
        return grid
    rows = tuple(
        replace(
            row,
            values=tuple(_scaled(value) if wanted else value for value, wanted in zip(row.values, scaled, strict=True)),
        )
        for row in grid.rows
    )
    caption = "; ".join(filter(None, (hundredfold(grid.caption), "accuracies in percent")))
    return replace(grid, rows=rows, caption=caption)


def _scaled(value: Value) -> Value:
    return replace(value, text=hundredfold(value.text), note=hundredfold(value.note))


def hundredfold(text: str) -> str:
    """Return a text in which fractions of two decimals or more are a hundred times as large; parameters stay."""
    return _FRACTION.sub(lambda match: str(Decimal(match[0]).scaleb(2)), text)


def without_differences(grids: Sequence[Grid]) -> list[Grid]:
    """Return tables without the rows of differences between measured and published numbers."""
    return [
        replace(grid, rows=tuple(row for row in grid.rows if row.keys.get("source") != "difference")) for grid in grids
    ]


def with_short_labels(grid: Grid) -> Grid:
    """Return a table whose long labels of methods are short, each with a footnote that gives the whole label.

    ``cfm[aggregate=2d,epochs=50,smoothing=none]`` becomes ``cfm (a)``; the letters tell variants of a method apart.
    """
    long = dict.fromkeys(label.text for row in grid.rows for label in row.labels if len(label.text) > _LONGEST)
    taken = {label.text for row in grid.rows for label in row.labels}
    short: dict[str, str] = {}
    for text in long:
        head = text.partition("[")[0]
        if head == text:
            continue
        names = (f"{head} ({letter})" for letter in _letters())
        short[text] = next(name for name in names if name not in taken)
        taken.add(short[text])
    return replace(grid, rows=tuple(_relabelled(row, short) for row in grid.rows)) if short else grid


def _letters() -> Iterator[str]:
    """Yield a to z, then aa to zz, and so on."""
    return ("".join(letters) for size in count(1) for letters in product(ascii_lowercase, repeat=size))


def _relabelled(row: Row, short: dict[str, str]) -> Row:
    labels = tuple(
        replace(label, text=short[label.text], note="; ".join(filter(None, (label.text, label.note))))
        if label.text in short
        else label
        for label in row.labels
    )
    return replace(row, labels=labels)
