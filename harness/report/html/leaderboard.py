"""The leaderboard: one table with a body for each setting, since only rows of one setting may be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.report.grid import Value
from harness.report.html.boarddata import line_id, section_id
from harness.report.html.columns import COLUMNS, BoardColumn
from harness.report.html.markup import Child, Element, element
from harness.report.html.sections import Line, Section
from harness.report.render.text import TIE_MARK

__all__ = ["column_chooser", "filter_bar", "leaderboard"]

_FILTERS = {
    "dataset": "Dataset",
    "shots": "Training samples",
    "split": "Split",
    "preset": "Preset",
    "weights": "Weights",
}
_SOURCES = {
    "beside": "Measured, with published where comparable",
    "measured": "Measured only",
    "published": "Published only",
    "all": "Everything",
}


def filter_bar(sections: Sequence[Section]) -> Element:
    """Return the form that narrows every view of the page; it is shown by the script that drives it."""
    fields = []
    for name, heading in _FILTERS.items():
        values = dict.fromkeys(str(getattr(section, name)) for section in sections)
        fields.append(_select(name, heading, ("", *values), dict.fromkeys(values) | {"": "any"}))
    devices = dict.fromkeys(line.device for section in sections for line in section.lines if line.device)
    fields.append(_select("device", "Device", ("", *devices), {"": "any"}))
    shown = "beside" if any(section.measured for section in sections) else "published"
    fields.append(_select("source", "Numbers", tuple(_SOURCES), _SOURCES, chosen=shown))
    search = element("input", type="search", id="filter-method", placeholder="for example cfm", autocomplete="off")
    fields.append(element("div", element("label", "Method", for_="filter-method"), search))
    buttons = element("button", "Clear filters", type="reset", class_="quiet")
    state = element("p", id="shown", role="status")
    return element("form", *fields, element("div", buttons, class_="buttons"), state, id="filters", hidden=True)


def column_chooser() -> Element:
    """Return a folded list of all columns, each with a box to tick."""
    kinds: dict[str, list[Element]] = {}
    for column in COLUMNS:
        box = element("input", type="checkbox", data_column=column.id, checked=column.shown)
        kinds.setdefault(column.kind, []).append(element("label", box, f" {column.metric.title}", title=column.help))
    sets = (element("fieldset", element("legend", kind), *boxes) for kind, boxes in kinds.items())
    return element("details", element("summary", "Columns"), *sets, id="columns", class_="chooser", hidden=True)


def leaderboard(sections: Sequence[Section], pages: Mapping[str, str]) -> Element:
    """Return the table, complete without a script: a script sorts, filters and unfolds it.

    Parameters
    ----------
    sections
        Its bodies.
    pages
        Cell id to the address of its page: the numbers of a row with one record lead there.
    """
    groups = {
        kind: [column for column in COLUMNS if column.kind == kind] for kind in dict.fromkeys(c.kind for c in COLUMNS)
    }
    method = element("th", element("span", "Method", class_="heading"), scope="col", data_sort="method", rowspan="2")
    above = (_above(kind, columns) for kind, columns in groups.items())
    headings = (_heading(column) for column in COLUMNS)
    device = element("th", element("span", "Device", class_="heading"), scope="col", rowspan="2", class_="device")
    head = element("thead", element("tr", method, *above, device), element("tr", *headings))
    bodies = (_body(index, section, pages) for index, section in enumerate(sections))
    caption = element("caption", "Means over categories. Best in bold, among rows that may be compared.")
    table = element("table", caption, head, *bodies, id="board")
    return element(
        "div", table, class_="scroll board", tabindex="0", role="region", aria_label="Table of the leaderboard"
    )


def _select(
    name: str, heading: str, values: Sequence[str], texts: Mapping[str, str | None], chosen: str = ""
) -> Element:
    options = [element("option", texts.get(value) or value, value=value, selected=value == chosen) for value in values]
    chooser = element("select", *options, id=f"filter-{name}", data_filter=name)
    return element("div", element("label", heading, for_=f"filter-{name}"), chooser)


def _above(kind: str, columns: Sequence[BoardColumn]) -> Element:
    return element("th", kind, scope="colgroup", colspan=len(columns), class_="kind", data_kind=kind)


def _heading(column: BoardColumn) -> Element:
    lines = column.metric.heading.split("\n")
    text = element("span", _lines(lines), class_="heading")
    return element(
        "th",
        text,
        scope="col",
        class_="number",
        title=column.help,
        data_col=column.id,
        data_kind=column.kind,
        data_sort=column.id,
        data_lowest=column.metric.lowest,
        data_machine=column.metric.of_machine,
        hidden=not column.shown,
    )


def _lines(lines: Sequence[str]) -> Iterator[Child]:
    for index, line in enumerate(lines):
        yield element("br") if index else None
        yield line


def _body(index: int, section: Section, pages: Mapping[str, str]) -> Element:
    keys = {f"data_{name}": str(getattr(section, name)) for name in _FILTERS}
    told: list[Child] = [element("strong", section.title)]
    if section.warning:
        told.append(element("span", f" {section.warning}", class_="warning"))
    span = len(COLUMNS) + 2
    title = element("tr", element("th", element("div", *told), colspan=span, scope="rowgroup"), class_="setting")
    rows = (_row(line_id(index, number), line, section, pages) for number, line in enumerate(section.lines))
    return element("tbody", title, *rows, id=section_id(index), data_measured=section.measured, **keys)


def _row(name: str, line: Line, section: Section, pages: Mapping[str, str]) -> Element:
    label: list[Child] = [element("span", line.label, class_="label")]
    if line.published:
        label.append(element("span", "published", class_="badge"))
    elif line.categories < len(section.categories):
        label.append(element("small", f"{line.categories} of {len(section.categories)} categories"))
    records = list(line.method.records.values()) if line.method else []
    page = pages[records[0].cell.id] if len(records) == 1 else None
    cells = (_cell(value, column, page) for value, column in zip(line.values, COLUMNS, strict=True))
    return element(
        "tr",
        element("th", *label, scope="row"),
        *cells,
        element("td", line.device or "-", class_="device"),
        id=name,
        class_="published" if line.published else None,
        data_label=line.label,
        data_device=line.device,
        data_source="published" if line.published else "measured",
        tabindex="-1",
    )


def _cell(value: Value, column: BoardColumn, page: str | None) -> Element:
    text: Child = value.text
    told: str | None = None
    if value.number is None:
        text, told = "\u2013", value.note
    elif value.place == 1:
        text = element("b", value.text)
    elif value.tied:
        text, told = f"{TIE_MARK}{value.text}", "tied: can't be told from the best of its column"
    if page and value.number is not None:
        text = element("a", text, href=page)
    return element(
        "td",
        text,
        class_="number",
        title=told,
        data_col=column.id,
        data_value=None if value.number is None else repr(value.number),
        hidden=not column.shown,
    )
