"""Tables as one HTML page that needs nothing else, readable by people, printers and screen readers."""

from __future__ import annotations

from collections.abc import Sequence

from harness.files.digest import digest
from harness.report.grid import Grid
from harness.report.html.templating import environment, render

__all__ = ["as_html", "table_html"]


def as_html(grids: Sequence[Grid], legend: Sequence[str] = ()) -> str:
    """Return tables as a page of their own: no script, no network.

    Parameters
    ----------
    grids
        In order.
    legend
        Sentences below all of them.
    """
    return render("tables.html", grids=grids, legend=legend)


def table_html(grid: Grid) -> str:
    """Return one table for a page or a notebook: a fragment without style."""
    macros = environment().get_template("macros.html").module
    fragment = macros.grid_table(grid, f"t{digest(grid.title)}")  # type: ignore[attr-defined]  # a macro
    return str(fragment)
