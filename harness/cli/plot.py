"""``harness plot``: figures for papers, measured beside published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import NameList, join, results_option
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from harness.report.figures.style import Width
    from harness.report.tables import Source

__all__ = ["command"]


@click.command("plot", short_help="Draw figures for a paper.")
@click.argument("kind", default="speed", metavar="[KIND]")
@click.option(
    "--to", type=click.Path(path_type=Path, dir_okay=False), help="File: .png, .svg, .pdf.  [default: KIND.png]"
)
@click.option("--metric", default="aupro_30_official", show_default=True, help="Accuracy metric of speed and shots.")
@click.option("--dataset", "-d", help="One dataset.")
@click.option("--methods", "-m", type=NameList(), multiple=True, help="Names, globs, or name[parameter=value].")
@click.option("--categories", "-c", type=NameList(), multiple=True, help="Those that means cover; all by default.")
@click.option("--shots", help="5, 10, 50 or full.")
@click.option("--split", help="first, or a seed from 0 to 4.")
@click.option("--preset", help="paper or quick.")
@click.option("--weights", type=click.Choice(["pretrained", "random"]), help="Weights of pretrained networks.")
@click.option(
    "--source",
    type=click.Choice(["measured", "published", "both"]),
    default="both",
    show_default=True,
    help="What to show.",
)
@click.option(
    "--width",
    type=click.Choice(["column", "page"]),
    default="column",
    show_default=True,
    help="3.3 or 6.9 inch: one column or both of a two-column paper.",
)
@click.option("--title/--no-title", default=True, show_default=True, help="Say above what holds for all of it.")
@results_option
def command(
    kind: str,
    to: Path | None,
    metric: str,
    dataset: str | None,
    methods: tuple[tuple[str, ...], ...],
    categories: tuple[tuple[str, ...], ...],
    shots: str | None,
    split: str | None,
    preset: str | None,
    weights: str | None,
    source: Source,
    width: Width,
    title: bool,
    results: Path,
) -> int:
    """Draw a figure and print its file's name. Hollow markers are published numbers, filled ones are measured.

    \b
    speed     accuracy against frame rate, area is memory: the paper's Figure 1
    shots     accuracy by number of training samples, with intervals over splits
    pro       curves of per-region overlap, to 30% and to 1% false positives
    roc       curves of pixels
    latency   distributions of raw times

    Where nothing is measured, speed and shots show the published numbers. Records that can't share a figure (another
    dataset, preset, weights, number of training samples or split) are chosen by the options of these names.

    \b
    harness plot --source published --to figure1.pdf
    harness plot shots --dataset mvtec3d --metric i_auroc --width page
    """
    from harness.registry import nearest_names
    from harness.report.figures.files import figure_format, write_figure
    from harness.report.figures.kinds import KINDS, draw_kind
    from harness.report.figures.request import FigureRequest
    from harness.store.published import read_published
    from harness.store.store import Store

    if kind not in KINDS:
        raise UsageError(f"There is no kind of figure '{kind}': {nearest_names(kind, KINDS)}")
    path = to or Path(f"{kind}.png")
    figure_format(path)
    request = FigureRequest(metric, dataset, preset, shots, split, weights, join(methods), join(categories), source)
    drawn = draw_kind(kind, Store(results), read_published(), request, width, title=title)
    for note in drawn.notes:
        click.echo(f"harness: {note}", err=True)
    write_figure(drawn.figure, path)
    click.echo(path)
    return ExitCode.OK
