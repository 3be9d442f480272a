"""Lists of records: those that went wrong with their reasons, and all with links to their pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.report.html.markup import Child, Element, element
from harness.report.html.parts import headed_table, section
from harness.report.html.sections import Section
from harness.store.record import Record

__all__ = ["all_records", "wrong_records"]


def wrong_records(sections: Sequence[Section], pages: Mapping[str, str]) -> Element | None:
    """Return every cell that is not ok, and every category without a cell; None where there is neither."""
    rows: list[Sequence[Child]] = []
    for one in sections:
        for line in one.lines:
            records = line.method.records if line.method else {}
            wrong = [record for record in records.values() if record.status != "ok"]
            rows += [_wrong(line.label, record, one, pages) for record in wrong]
            absent = [category for category in one.categories if category not in records] if records else []
            if absent:
                rows.append((line.label, "not run", ", ".join(absent), one.title, "no record"))
    if not rows:
        return None
    table = headed_table("Cells without numbers", ("method", "status", "category", "setting", "reason"), rows)
    return section("missing", "What is missing", table)


def all_records(sections: Sequence[Section], pages: Mapping[str, str]) -> Element | None:
    """Return links to all record pages, folded away by setting; None where nothing is measured."""
    parts = []
    for one in sections:
        items = [_links(line.label, line.method.records, pages) for line in one.lines if line.method]
        if items:
            parts.append(element("details", element("summary", one.title), element("ul", *items)))
    return section("records", "All records", *parts) if parts else None


def _wrong(label: str, record: Record, one: Section, pages: Mapping[str, str]) -> tuple[Child, ...]:
    link = element("a", record.cell.category, href=pages[record.cell.id])
    state = element("span", record.status, class_="status bad")
    return label, state, link, one.title, record.reason or "no reason is recorded"


def _links(label: str, records: Mapping[str, Record], pages: Mapping[str, str]) -> Element:
    links: list[Child] = []
    for category, record in records.items():
        links += [", " if links else None, element("a", category, href=pages[record.cell.id])]
        links.append(f" ({record.status})" if record.status != "ok" else None)
    return element("li", element("span", label, class_="label"), ": ", *links)
