"""Writing the report: the front page, a page for each record, and what they share; or all of it in one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.errors import PrerequisiteError, UsageError
from harness.files.atomic import replacing
from harness.report.groups import MethodRecords
from harness.report.html.gallerysection import GallerySetting, embedded, samples_of
from harness.report.html.page import front_page
from harness.report.html.recordpage import record_page, record_texts
from harness.report.html.sections import Section
from harness.report.html.templating import asset
from harness.report.uncertainty import Uncertainty
from harness.store.details import read_details
from harness.store.store import Store

__all__ = ["SINGLE", "check_page", "write_report", "write_single_file"]

SINGLE = "report.html"
"""Name of a report in one file."""

_MARK = b'content="harness report"'
_Gallery = Callable[[Path], Sequence[GallerySetting]]


def check_page(page: Path) -> None:
    """Raise UsageError where there is a page that is not a report's."""
    try:
        foreign = page.exists() and _MARK not in page.read_bytes()[:2000]
    except OSError as error:
        raise UsageError(f"{page} can't be read ({error.strerror}): name another folder with --to DIR.") from error
    if foreign:
        raise UsageError(f"{page} is not written by 'harness report': name another folder with --to DIR.")


def write_report(
    folder: Path,
    sections: Sequence[Section],
    gallery: _Gallery | None = None,
    store: Store | None = None,
    intervals: Uncertainty | None = None,
) -> Path:
    """Write a report and return the path of its front page, which is written last.

    Parameters
    ----------
    folder
        Made where it is missing. Pages of an earlier report are replaced.
    sections
        Of the leaderboard; the records of their rows get a page each.
    gallery
        Draws pictures below the folder and returns what they show; None leaves them out.
    store
        Where counts lie; None leaves out PRO and ROC curves.
    intervals
        Of that folder; None leaves out comparisons of two methods.

    Raises
    ------
    UsageError
        Where the folder holds a front page that is not a report's.
    PrerequisiteError
        Where it can't be written.
    """
    index = folder / "index.html"
    check_page(index)
    pages = {}
    with _telling_where(folder):
        (folder / "cells").mkdir(parents=True, exist_ok=True)
        _write(folder / "report.css", asset("report.css"))
        _write(folder / "record.js", asset("theme.js") + asset("copy.js"))
        drawn = gallery(folder) if gallery else ()
        for place, line in _lines(sections):
            names = {category: f"{record.cell.stem}.html" for category, record in line.records.items()}
            for category, record in line.records.items():
                siblings = {other: name for other, name in names.items() if other != category}
                details = read_details(store, record) if store else None
                pages[record.cell.id] = f"cells/{names[category]}"
                page = record_page(record, line.label, siblings, details, samples_of(drawn, place, category))
                _write(folder / pages[record.cell.id], page)
        _write(index, front_page(sections, pages, drawn, store, intervals))
    return index


def write_single_file(
    folder: Path,
    sections: Sequence[Section],
    gallery: _Gallery | None = None,
    store: Store | None = None,
    intervals: Uncertainty | None = None,
) -> Path:
    """Write a report as one file, which holds its pictures and all records, and return its path.

    Parameters
    ----------
    folder
        Made where it is missing; the file in it is :data:`SINGLE`.
    sections, gallery, store, intervals
        As in :func:`write_report`; pictures are drawn in a temporary folder.

    Raises
    ------
    UsageError, PrerequisiteError
        As in :func:`write_report`.
    """
    single = folder / SINGLE
    check_page(single)
    addresses, pages = {}, []
    with _telling_where(folder), TemporaryDirectory() as drawing:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = embedded(gallery(Path(drawing)), Path(drawing)) if gallery else ()
        for _, line in _lines(sections):
            inside = {category: f"record-{record.cell.id}-" for category, record in line.records.items()}
            for category, record in line.records.items():
                siblings = {other: f"#{prefix}page" for other, prefix in inside.items() if other != category}
                details = read_details(store, record) if store else None
                addresses[record.cell.id] = f"#{inside[category]}page"
                pages.append(record_texts(record, line.label, siblings, details, prefix=inside[category]))
        _write(single, front_page(sections, addresses, drawn, store, intervals, pages))
    return single


@contextmanager
def _telling_where(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PrerequisiteError(
            f"The report can't be written to {folder} ({error.strerror}): "
            "free some space or make it writable, or name another folder with --to DIR."
        ) from error


def _lines(sections: Sequence[Section]) -> Iterator[tuple[int, MethodRecords]]:
    """Yield every measured row with the place of its setting."""
    for place, section in enumerate(sections):
        for line in section.lines:
            if line.method is not None:
                yield place, line.method


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
