"""The front page: leaderboard, plots, categories, gallery and notes in one file that needs no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files

from harness.report.html.boarddata import board_data
from harness.report.html.leaderboard import column_chooser, filter_bar, leaderboard
from harness.report.html.markup import Child, Element, element, json_text, source_hash, write_document
from harness.report.html.notes import reading_notes
from harness.report.html.parts import section, theme_switch
from harness.report.html.recordlist import all_records, wrong_records
from harness.report.html.sections import Section

__all__ = ["SCRIPTS", "asset", "front_page"]

SCRIPTS = (
    "theme.js",
    "base.js",
    "filters.js",
    "board.js",
    "details.js",
    "plot.js",
    "scatter.js",
    "curves.js",
    "heat.js",
)
"""The scripts of the front page, in order."""


def asset(name: str) -> str:
    """Return a style or script of this package."""
    return files("harness.report.html").joinpath(name).read_text(encoding="utf-8")


def front_page(sections: Sequence[Section], pages: Mapping[str, str], gallery: Element | None) -> bytes:
    """Return the front page.

    Parameters
    ----------
    sections
        Of the leaderboard.
    pages
        Cell id to the address of its page.
    gallery
        A section with pictures; None leaves it out.
    """
    style = asset("report.css")
    script = "\n".join(map(asset, SCRIPTS))
    inline = f"style-src {source_hash(style)}; script-src {source_hash(script)}"
    policy = f"default-src 'none'; {inline}; img-src 'self' file:"
    head = (
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("title", "Anomaly detectors compared: harness report"),
        element("style", style),
    )
    views = [
        section("board-view", "Leaderboard", *_board(sections)),
        _scatter(),
        _curves(),
        _heat(),
        gallery,
        wrong_records(sections, pages),
        all_records(sections, pages),
        reading_notes(),
    ]
    shown = [view for view in views if view is not None]
    data = element("script", json_text(board_data(sections, pages)), type="application/json", id="data")
    tip = element("div", id="tip", role="tooltip", hidden=True)
    main = element("main", *shown, id="main", tabindex="-1")
    body = element("body", _header(sections, shown), main, _footer(), tip, data, element("script", script))
    return write_document(head, body)


def _header(sections: Sequence[Section], views: Sequence[Element]) -> Element:
    links = (element("a", view[0].text, href=f"#{view.get('id')}") for view in views)
    return element(
        "header",
        element("a", "Skip to the results", href="#main", class_="skip"),
        element("div", element("nav", *links, aria_label="Sections"), theme_switch(), class_="bar"),
        element("h1", "Anomaly detectors compared"),
        element("p", _summary(sections), class_="lead"),
    )


def _summary(sections: Sequence[Section]) -> str:
    methods = [line.method for one in sections for line in one.lines if line.method]
    records = [record for method in methods for record in method.records.values()]
    if not records:
        return "Nothing is measured yet: these are the published numbers. Start with: harness run --methods cfm,cfm-t"
    ok = sum(record.status == "ok" for record in records)
    newest = max(record.created for record in records)[:10]
    settings = sum(one.measured for one in sections)
    cells = f"{ok} of {len(records)} cells measured" if ok < len(records) else f"{ok} cells measured"
    where = f"in {settings} settings" if settings > 1 else "in one setting"
    return f"{cells} {where}; the newest record is of {newest}. One protocol for accuracy, speed and memory."


def _board(sections: Sequence[Section]) -> tuple[Child, ...]:
    hint = "Unfold a row for its categories and records. Sort by a heading; rows stay within their setting."
    return (
        filter_bar(sections),
        element("p", hint, class_="hint script", hidden=True),
        column_chooser(),
        leaderboard(sections),
    )


def _plot_section(anchor: str, heading: str, hint: str, *, metric: bool = True) -> Element:
    def chooser(name: str, text: str) -> Element:
        field = element("select", id=f"{anchor}-{name}")
        return element("div", element("label", text, for_=f"{anchor}-{name}"), field)

    fields = [chooser("setting", "Setting"), chooser("metric", "Metric") if metric else None]
    return section(
        anchor,
        heading,
        element("p", hint, class_="hint"),
        element("div", *fields, class_="fields"),
        element("div", id=f"{anchor}-view", class_="view"),
        element("noscript", element("p", "This view needs JavaScript; the leaderboard above has its numbers.")),
    )


def _scatter() -> Element:
    hint = (
        "Frames a second of inference against accuracy; the area of a marker is memory (parameters and bank). Filled "
        "markers are measured, one shape for each device; hollow ones are published, on the authors' machine. Each "
        "marker leads to its row."
    )
    return _plot_section("speed", "Speed and accuracy", hint)


def _curves() -> Element:
    hint = (
        "Accuracy by number of training samples. Filled markers are measured; hollow ones, dashed lines, published. "
        "A line joins means over the same categories only."
    )
    return _plot_section("shots", "Few training samples", hint)


def _heat() -> Element:
    hint = "Each number leads to its record. The colour scale below the table spans the numbers shown."
    return _plot_section("categories", "By category", hint)


def _footer() -> Element:
    return element(
        "footer", element("p", f"Written by harness {version('harness')} with 'harness report'. No network is used.")
    )
