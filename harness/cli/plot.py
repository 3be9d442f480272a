"""``harness plot``: figures for papers, measured next to published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import FILE, choice_option, source_option
from harness.cli.output import echo, echo_notes
from harness.cli.query_options import contended_option, query_options, tell_elsewhere
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.report.figures.style import Width
    from harness.report.tables import Source
    from harness.store.query import RecordQuery
    from harness.store.store import Store

__all__ = ["command"]


@click.command("plot")
@click.argument("kind", default="speed", metavar="[KIND]")
@click.option("--to", type=FILE, help="File: .png, .svg, .pdf.  [default: KIND.png]")
@click.option("--metric", default="aupro_30_official", show_default=True, help="Accuracy of speed, shots and stress.")
@source_option
@choice_option(
    "--width",
    choices=("column", "page"),
    help="3.3 or 6.9 inch: one column or both of a two-column paper.",
)
@click.option("--title/--no-title", default=True, show_default=True, help="Print the common settings as a title.")
@contended_option
@query_options
def command(
    kind: str,
    to: Path | None,
    metric: str,
    source: Source,
    width: Width,
    title: bool,
    query: RecordQuery,
    store: Store,
) -> None:
    """Draw a figure and print its file's name. Hollow markers are published numbers, filled ones are measured.

    \b
    speed     accuracy against frame rate, area is memory: the paper's Figure 1
    shots     accuracy by number of training samples, with intervals over splits
    pro       curves of per-region overlap, to 30% and to 1% false positives
    roc       curves of pixels
    latency   distributions of raw times
    stress    accuracy by the level of a condition, with intervals of the differences to none

    For speed and shots, --source published draws the published numbers alone. A figure shows one dataset, preset and
    weights, and, except for shots, one number of training samples and one split: select them with the options of the
    same names.

    \b
    harness plot --source published --to figure1.pdf
    harness plot shots --dataset mvtec3d --metric i_auroc --width page
    """
    from harness.registry import nearest_names
    from harness.report.figures.files import figure_format, write_figure
    from harness.report.figures.kinds import KINDS, draw_kind
    from harness.store.published import read_published

    if kind not in KINDS:
        raise UsageError(f"There is no kind of figure '{kind}': {nearest_names(kind, KINDS)}")
    path = to or Path(f"{kind}.png")
    figure_format(path)
    drawn = draw_kind(kind, store, read_published(), query, metric=metric, source=source, width=width, title=title)
    echo_notes(drawn.notes)
    if source != "published":
        tell_elsewhere(store, query)
    write_figure(drawn.figure, path)
    echo(path)
