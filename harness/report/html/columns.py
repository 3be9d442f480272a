"""The columns of the report's leaderboard: quantities, by kind, and which are shown at first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.report.grid import Value
from harness.store.quantities import ACCURACY, ENERGY, Quantity, quantities_of, quantity

__all__ = ["COLUMNS", "BoardColumn", "present_columns"]


@dataclass(frozen=True, slots=True)
class BoardColumn:
    """A column of the leaderboard.

    Parameters
    ----------
    quantity
        What it shows.
    kind
        Heading of the columns that it belongs to.
    shown
        Whether it is shown until a reader chooses.
    """

    quantity: Quantity
    kind: str
    shown: bool = True

    @property
    def id(self) -> str:
        """Id of the quantity."""
        return self.quantity.id


_SHOWN = ("fps", "energy_j", "end_to_end_median_ms", "memory_mb", "static_mb", "peak_inference_mb")
_SPEED = (
    "fps",
    "fps_default",
    *(f"{window}_median_ms" for window in ("device", "end_to_end", "device_default", "end_to_end_default")),
    *(f"{window}_median_ms" for window in ("device_events", "decode", "clean")),
)


def _accuracy(metric: Quantity) -> BoardColumn:
    return BoardColumn(metric, f"Accuracy, {'official' if metric.id.endswith('_official') else 'exact'}")


COLUMNS: tuple[BoardColumn, ...] = (
    *map(_accuracy, ACCURACY),
    *(BoardColumn(quantity(id), "Speed", id in _SHOWN) for id in _SPEED),
    *(BoardColumn(energy, "Energy", energy.id in _SHOWN) for energy in ENERGY),
    *(BoardColumn(size, "Memory", size.id in _SHOWN) for size in quantities_of("memory")),
)
"""Every column, in order; exact and official AUPRO each in one of its own."""


def present_columns(lines: Iterable[Sequence[Value]]) -> tuple[BoardColumn, ...]:
    """Return the columns that a page has: all but those of energy that no line has a number in.

    Parameters
    ----------
    lines
        Values of the rows, one for each of :data:`COLUMNS`.
    """
    cells = (cell for values in lines for cell in zip(COLUMNS, values, strict=True))
    known = {column.id for column, value in cells if value.number is not None}
    return tuple(column for column in COLUMNS if column.quantity not in ENERGY or column.id in known)
