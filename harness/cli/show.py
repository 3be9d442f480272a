"""``harness show``: maps of methods next to their samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from harness.cli.options import FILE, choice_option, data_option, names_option
from harness.cli.output import counted, echo, warn
from harness.cli.query_options import query_options
from harness.data.registry import DEFAULT_DATASET

if TYPE_CHECKING:
    from harness.store.query import RecordQuery
    from harness.store.store import Store

__all__ = ["command"]


@click.command("show")
@data_option
@names_option("--samples", help="Ids: test/crack/001, or bagel/test/crack/001.")
@names_option("--defects", help="One sample of each: crack, hole, good.")
@click.option(
    "--worst",
    type=click.IntRange(1),
    help="N samples that the first method's score ranks worst against images of the other class.",
)
@click.option("--best", type=click.IntRange(1), help="N samples that it ranks best.")
@choice_option(
    "--figure",
    choices=("5", "6"),
    help="5: methods side by side; 6: features of CFM, and how they give its map.",
)
@choice_option(
    "--scale",
    choices=("shared", "image"),
    help="Colour scale: one for all samples of a method, or one for each map.",
)
@click.option("--to", type=FILE, help="File: .png, .svg or .pdf.  [default: figure5.png or figure6.png]")
@query_options
def command(
    data: Path | None,
    samples: tuple[str, ...],
    defects: tuple[str, ...],
    worst: int | None,
    best: int | None,
    figure: Literal["5", "6"],
    scale: Literal["shared", "image"],
    to: Path | None,
    query: RecordQuery,
    store: Store,
) -> None:
    """Draw the maps that 'harness run --save-maps' kept; by default of one sample of each defect of the toy dataset.

    \b
    harness run --methods cfm,cfm-t --save-maps
    harness show --methods cfm,cfm-t --to maps.pdf
    harness show --methods cfm --figure 6 --categories bump --worst 3
    """
    from harness.report.figures.files import figure_format, write_figure
    from harness.report.pictures.choose import choose
    from harness.report.pictures.runs import ShowRequest
    from harness.report.pictures.show import draw_features, draw_methods

    path = to or Path(f"figure{figure}.png")
    figure_format(path)
    if not query.dataset:
        query = replace(query, dataset=DEFAULT_DATASET)
    choice = choose(store, ShowRequest(query, samples, defects, worst, best, 6 if figure == "6" else 5), data)
    if choice.others:
        warn(f"Shown: {choice.title}. Also kept, for --shots and --split: {'; '.join(choice.others)}.")
    draw = draw_features if figure == "6" else draw_methods
    write_figure(draw(choice, scale), path)
    labels = ", ".join(method.label for method in choice.methods)
    echo(f"figure {path}: {counted(len(choice.samples), 'sample')}, {labels}")
