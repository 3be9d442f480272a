"""Tables as one HTML page that needs nothing else, readable by people, printers and screen readers."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.grid import Grid
from harness.report.html.templating import render
from harness.report.render.text import TIE_MARK

__all__ = ["as_html"]


def as_html(grids: Sequence[Grid], legend: Sequence[str] = ()) -> str:
    """Return tables as a page of their own: no script, no network.

    Parameters
    ----------
    grids
        In order.
    legend
        Sentences below all of them.
    """
    return render("tables.html", grids=grids, legend=legend, tie_mark=TIE_MARK)
