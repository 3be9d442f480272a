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
from harness.store.store import Store

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
    "pixelcurves.js",
    "latency.js",
    "heat.js",
)
"""The scripts of the front page, in order."""


def asset(name: str) -> str:
    """Return a style or script of this package."""
    return files("harness.report.html").joinpath(name).read_text(encoding="utf-8")


def front_page(
    sections: Sequence[Section], pages: Mapping[str, str], gallery: Element | None, store: Store | None = None
) -> bytes:
    """Return the front page.

    Parameters
    ----------
    sections
        Of the leaderboard.
    pages
        Cell id to the address of its page.
    gallery
        A section with pictures; None leaves it out.
    store
        Where counts lie; None leaves out PRO and ROC curves.
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
        section("board-view", "Leaderboard", *_board(sections, pages)),
        _scatter(),
        _curves(),
        _pixel_curves(),
        _latency(),
        _heat(),
        gallery,
        wrong_records(sections, pages),
        all_records(sections, pages),
        reading_notes(),
    ]
    shown = [view for view in views if view is not None]
    data = element("script", json_text(board_data(sections, pages, store)), type="application/json", id="data")
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


def _board(sections: Sequence[Section], pages: Mapping[str, str]) -> tuple[Child, ...]:
    hint = (
        "A number leads to its record, or unfolds the row's categories and records where it is a mean over several. "
        "Sort by a heading; rows stay within their setting."
    )
    return (
        filter_bar(sections),
        element("p", hint, class_="hint script", hidden=True),
        column_chooser(),
        leaderboard(sections, pages),
    )


def _plot_section(anchor: str, heading: str, hint: str, choice: tuple[str, str] = ("metric", "Metric")) -> Element:
    def chooser(name: str, text: str) -> Element:
        field = element("select", id=f"{anchor}-{name}")
        return element("div", element("label", text, for_=f"{anchor}-{name}"), field)

    fields = [chooser("setting", "Setting"), chooser(*choice)]
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
        "Frames a second against accuracy; the area of a marker is memory (parameters and bank). Filled markers are "
        "measured, inference alone, one shape for each device; hollow ones are published, as the authors timed them on "
        "their machine. A line is the Pareto front of one device. Each marker leads to its row."
    )
    return _plot_section("speed", "Speed and accuracy", hint)


def _curves() -> Element:
    hint = (
        "Accuracy by number of training samples. Filled markers are measured; hollow ones, dashed lines, published. "
        "A line joins means over the same categories only. Where several random splits (0 to 4) are measured, a point "
        "is their mean and its bar the 95% interval of that mean."
    )
    return _plot_section("shots", "Few training samples", hint)


def _pixel_curves() -> Element:
    hint = (
        "Curves of pixels, means over the categories of a row, from the counts beside its records. The limits of 1% "
        "and 30% are marked: AUPRO is the area up to there, divided by the limit. Each marker leads to its row."
    )
    return _plot_section("curves", "PRO and ROC curves", hint, ("kind", "Curve"))


def _latency() -> Element:
    hint = (
        "Raw times of all calls at batch 1. The box holds the middle half, its line is the median; whiskers go from "
        "the 5th to the 95th percentile, or to the ends where fewer than 59 calls are measured. Times of different "
        "devices are apart. Each box leads to its row."
    )
    return _plot_section("latency", "Latency", hint, ("window", "Window"))


def _heat() -> Element:
    hint = "Each number leads to its record. The colour scale below the table spans the numbers shown."
    return _plot_section("categories", "By category", hint)


def _footer() -> Element:
    return element(
        "footer", element("p", f"Written by harness {version('harness')} with 'harness report'. No network is used.")
    )
