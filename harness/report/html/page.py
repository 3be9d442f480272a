"""The front page: leaderboard, plots, categories, gallery and notes in one file that needs no other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.distribution import VERSION
from harness.report.decision_table import decision_grid
from harness.report.grid import Grid
from harness.report.html.boarddata import board_data, line_id, section_id
from harness.report.html.columns import COLUMNS, present_columns
from harness.report.html.gallerysection import GallerySetting
from harness.report.html.sections import Section
from harness.report.html.templating import asset, render, source_hash
from harness.report.literature import literature_grids
from harness.report.stress import stress_grids
from harness.report.uncertainty import Uncertainty
from harness.store.literature import read_literature
from harness.store.query import RecordQuery
from harness.store.store import Store

__all__ = ["front_page"]

_SCRIPTS = (
    *("theme.js", "base.js", "filters.js", "board.js", "details.js", "plot.js"),
    *(
        "scatter.js",
        "curves.js",
        "pixelcurves.js",
        "latency.js",
        "heat.js",
        "compare.js",
        "gallery.js",
        "downloads.js",
        "address.js",
    ),
)
"""In the order in which they run."""


@dataclass(frozen=True, slots=True)
class _Missing:
    """A cell that is not ok, with the address of its page, or all categories of a row that have no cell."""

    method: str
    status: str
    category: str
    setting: str
    reason: str
    page: str = ""


def front_page(
    sections: Sequence[Section],
    pages: Mapping[str, str],
    gallery: Sequence[GallerySetting] = (),
    store: Store | None = None,
    intervals: Uncertainty | None = None,
    records: Sequence[Mapping[str, object]] = (),
) -> str:
    """Return the front page.

    Parameters
    ----------
    sections
        Of the leaderboard.
    pages
        Cell id to the address of its page.
    gallery
        Pictures by setting; none leave out the section.
    store
        Where counts lie; None leaves out PRO and ROC curves.
    intervals
        Of that folder; None leaves out comparisons of two methods.
    records
        What the page itself shows of records (:func:`harness.report.html.recordpage.record_texts`).
    """
    data = board_data(sections, pages, store, intervals)
    columns = present_columns(line.values for section in sections for line in section.lines)
    style, script = asset("report.css"), "\n".join(map(asset, _SCRIPTS))
    inline = f"style-src {source_hash(style)}; script-src {source_hash(script)}"
    return render(
        "index.html",
        policy=f"default-src 'none'; {inline}; img-src 'self' file: data:",
        style=style,
        script=script,
        version=VERSION,
        summary=_summary(sections),
        sections=sections,
        section_id=section_id,
        line_id=line_id,
        pages=pages,
        devices=list(dict.fromkeys(line.device for section in sections for line in section.lines if line.device)),
        measured=any(section.measured for section in sections),
        columns=columns,
        places={column.id: place for place, column in enumerate(COLUMNS)},
        kinds={kind: list(members) for kind, members in groupby(columns, lambda column: column.kind)},
        missing=list(_missing(sections, pages)),
        gallery=gallery,
        decisions=_decisions(sections),
        literature=_literature(sections),
        stress=_stress(sections, store, intervals),
        records=records,
        comparisons=intervals is not None and any(section.measured for section in sections),
        data=data,
    )


def _stress(sections: Sequence[Section], store: Store | None, intervals: Uncertainty | None) -> list[Grid]:
    """Return the tables of conditions of what the page shows; none where nothing was measured under conditions."""
    groups = [section.group for section in sections if section.group is not None]
    return [] if store is None or not groups else stress_grids(store.all(), groups[0].query, (), intervals)


def _decisions(sections: Sequence[Section]) -> list[Grid]:
    """Return what thresholds decide in each setting where some are set."""
    grids = (decision_grid(section.group) for section in sections if section.group is not None)
    return [grid for grid in grids if grid is not None]


def _literature(sections: Sequence[Section]) -> list[Grid]:
    """Return what other publications print on the datasets of the page, with what is measured of their methods."""
    groups = [section.group for section in sections if section.group is not None]
    datasets = {section.dataset for section in sections}
    grids = literature_grids(read_literature(), RecordQuery(), groups=groups)
    return [grid for grid in grids if grid.keys["dataset"] in datasets]


def _summary(sections: Sequence[Section]) -> str:
    methods = [line.method for section in sections for line in section.lines if line.method]
    records = [record for method in methods for record in method.records.values()]
    if not records:
        return "Nothing is measured yet: these are the published numbers. Start with: harness run --methods cfm,cfm-t"
    ok = sum(record.status == "ok" for record in records)
    newest = max(record.created for record in records)[:10]
    settings = sum(section.measured for section in sections)
    cells = f"{ok} of {len(records)} cells measured" if ok < len(records) else f"{ok} cells measured"
    where = f"in {settings} settings" if settings > 1 else "in one setting"
    return f"{cells} {where}; the newest record is of {newest}. One protocol for accuracy, speed and memory."


def _missing(sections: Sequence[Section], pages: Mapping[str, str]) -> Iterator[_Missing]:
    """Yield every cell that is not ok, and the categories without a cell of every row that has one."""
    for section in sections:
        for line in section.lines:
            records = line.method.records if line.method else {}
            for category, record in records.items():
                if record.status != "ok":
                    reason = record.reason or "no reason is recorded"
                    page = pages[record.cell.id]
                    yield _Missing(line.label, record.status, category, section.title, reason, page)
            absent = ", ".join(category for category in section.categories if category not in records)
            if records and absent:
                yield _Missing(line.label, "not run", absent, section.title, "no record")
