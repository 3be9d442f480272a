"""Parts that several pages share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.report.html.markup import Child, Element, element

__all__ = ["facts", "headed_table", "plain_text", "section", "theme_switch"]


def section(anchor: str, heading: str, *children: Child | Iterable[Child]) -> Element:
    """Return a section with a heading of the second level that names it."""
    return element(
        "section",
        element("h2", heading, id=f"{anchor}-heading"),
        *children,
        id=anchor,
        aria_labelledby=f"{anchor}-heading",
    )


def headed_table(
    caption: str, headings: Sequence[str], rows: Iterable[Sequence[Child]], *, numbers: Sequence[int] = ()
) -> Element:
    """Return a table in a frame that scrolls; the first cell of each row is its heading.

    Parameters
    ----------
    caption
        What it shows.
    headings
        Of all columns.
    rows
        One cell for each column.
    numbers
        Positions of the columns that are aligned to the right.
    """

    def kind(position: int) -> str | None:
        return "number" if position in numbers else None

    head = (element("th", text, scope="col", class_=kind(i)) for i, text in enumerate(headings))
    body = (
        element(
            "tr",
            (
                element("th" if i == 0 else "td", cell, scope="row" if i == 0 else None, class_=kind(i))
                for i, cell in enumerate(row)
            ),
        )
        for row in rows
    )
    table = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", head)),
        element("tbody", body),
    )
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=caption)


def facts(values: Mapping[str, Any]) -> Element:
    """Return names and values as a list of terms; nested values are told on one line."""
    pairs = (
        element("div", element("dt", str(name)), element("dd", plain_text(value))) for name, value in values.items()
    )
    return element("dl", pairs, class_="facts")


def plain_text(value: Any) -> str:
    """Return a JSON value as a reader would write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain_text(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(plain_text, value))
    return str(value)


def theme_switch() -> Element:
    """Return the switch between light and dark, which a script shows and drives."""
    return element("button", "Theme: system", type="button", id="theme", class_="quiet", hidden=True)
