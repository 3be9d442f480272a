"""The tables of Costanzino et al. (CVPR 2024) from the published files, cell by cell as printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.report.grid import Grid
from harness.report.layout import Printed, layout_grids
from harness.report.papertables import PAPER_TABLES, PaperTable
from harness.store.published import Published

__all__ = ["PAPER_TABLES", "PaperTable", "paper_grids"]


def paper_grids(
    published: Published,
    *,
    number: int | None = None,
    dataset: str | None = None,
    keep: Callable[[str], bool] = lambda method: True,
    metrics: Sequence[str] = (),
) -> list[Grid]:
    """Return the paper's tables, cell by cell as printed.

    Parameters
    ----------
    published
        All published numbers; those of other sources are left out.
    number
        One table only.
    dataset
        Tables of one dataset only.
    keep
        Tells by its label whether a method is shown.
    metrics
        These accuracy metrics only; all where empty.
    """
    tables = [table for table in PAPER_TABLES if number in (None, table.number) and dataset in (None, table.dataset)]
    return [
        grid
        for table in tables
        for grid in layout_grids(table, Printed.of(table, published, keep), None, metrics=metrics)
    ]
