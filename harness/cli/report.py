"""``harness report``: all results as a folder of HTML pages."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from harness.cli.options import FOLDER, choice_option, data_option
from harness.cli.output import echo
from harness.cli.query_options import contended_option, query_options, query_text, start_advice, tell_elsewhere

if TYPE_CHECKING:
    from harness.store.query import RecordQuery
    from harness.store.store import Store

__all__ = ["command"]


@click.command("report")
@click.option("--to", type=FOLDER, help="Folder of the pages.  [default: RESULTS/report]")
@data_option
@choice_option(
    "--open",
    "opening",
    choices=("auto", "yes", "no"),
    help="Open it in a browser; auto: from a terminal on a desktop.",
)
@click.option("--single-file", is_flag=True, help="Write one file, report.html, with all pictures and records in it.")
@contended_option
@query_options
def command(
    to: Path | None,
    data: Path | None,
    opening: Literal["auto", "yes", "no"],
    single_file: bool,
    query: RecordQuery,
    store: Store,
) -> None:
    """Write a leaderboard with plots, comparisons and a gallery, and a page for every record.

    The pages need no server and no network: open index.html. Thumbnails need maps ('harness run --save-maps') and the
    dataset.

    \b
    harness report
    harness report --dataset mvtec3d --data ~/data --to ~/report --open no
    harness report --single-file --to ~/report
    """
    from harness.report.console import COMPARING, counting
    from harness.report.html.gallerysection import gallery_section
    from harness.report.html.sections import make_sections
    from harness.report.html.writing import SINGLE, check_page, write_report, write_single_file
    from harness.report.tables import NothingMeasuredError
    from harness.report.uncertainty import Uncertainty
    from harness.store.published import read_published

    folder = to or store.folder / "report"
    check_page(folder / (SINGLE if single_file else "index.html"))
    write = write_single_file if single_file else write_report
    records, published = store.all(), read_published()
    query.check(records, published.methods)
    with counting(COMPARING) as progress:
        intervals = Uncertainty(store, progress=progress)
        sections = make_sections(records, published, query, intervals)
        if not sections:
            raise NothingMeasuredError(
                f"Nothing is measured or published{query_text(query)} in {store.cells}: {start_advice(query)}"
            )
        index = write(folder, sections, lambda where: gallery_section(store, sections, where, data), store, intervals)
    tell_elsewhere(store, query)
    echo(index)
    if opening == "yes" or (opening == "auto" and _on_a_desktop()):
        click.launch(str(index.resolve()))


def _on_a_desktop() -> bool:
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return (sys.platform in ("darwin", "win32") or bool(display)) and sys.stdout.isatty()
