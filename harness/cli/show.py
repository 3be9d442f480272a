"""``harness show``: maps of methods beside their samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from harness.cli.options import NameList, data_option, join
from harness.cli.query_options import query_options
from harness.errors import ExitCode

if TYPE_CHECKING:
    from harness.store.query import RecordQuery
    from harness.store.store import Store

__all__ = ["command"]


@click.command("show", short_help="Draw anomaly maps beside image, cloud and ground truth.")
@data_option
@click.option("--samples", type=NameList(), multiple=True, help="Ids: test/crack/001, or bagel/test/crack/001.")
@click.option("--defects", type=NameList(), multiple=True, help="One sample of each: crack, hole, good.")
@click.option("--worst", type=click.IntRange(1), help="So many samples that the first method's score separates worst.")
@click.option("--best", type=click.IntRange(1), help="So many that it separates best.")
@click.option(
    "--figure",
    "number",
    type=click.Choice(["5", "6"]),
    default="5",
    show_default=True,
    help="5: methods side by side; 6: features of CFM, and how its map comes about.",
)
@click.option(
    "--scale",
    type=click.Choice(["shared", "image"]),
    default="shared",
    show_default=True,
    help="Colours: one scale a method for all samples, or one for each map.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File: .png, .svg or .pdf.  [default: figure5.png or figure6.png]",
)
@query_options
def command(
    data: Path | None,
    samples: tuple[tuple[str, ...], ...],
    defects: tuple[tuple[str, ...], ...],
    worst: int | None,
    best: int | None,
    number: Literal["5", "6"],
    scale: Literal["shared", "image"],
    to: Path | None,
    query: RecordQuery,
    store: Store,
) -> int:
    """Draw the maps that 'harness run --save-maps' kept; by default of one sample of each defect of the toy dataset.

    \b
    harness run --methods cfm,cfm-t --save-maps
    harness show --methods cfm,cfm-t --to maps.pdf
    harness show --methods cfm --figure 6 --categories bump --worst 3
    """
    from harness.cli.output import warn
    from harness.report.figures.files import figure_format, write_figure
    from harness.report.pictures.choose import choose
    from harness.report.pictures.runs import ShowRequest
    from harness.report.pictures.show import draw_features, draw_methods

    path = to or Path(f"figure{number}.png")
    figure_format(path)
    request = ShowRequest(
        query=query if query.dataset else replace(query, dataset="toy"),
        samples=join(samples),
        defects=join(defects),
        worst=worst,
        best=best,
        figure=6 if number == "6" else 5,
    )
    choice = choose(store, request, data)
    if choice.others:
        warn(f"Shown: {choice.title}. Also kept, for --shots and --split: {'; '.join(choice.others)}.")
    draw = draw_features if number == "6" else draw_methods
    write_figure(draw(choice, scale), path)
    rows = "1 sample" if len(choice.samples) == 1 else f"{len(choice.samples)} samples"
    click.echo(f"figure {path}: {rows}, {', '.join(method.label for method in choice.methods)}")
    return ExitCode.OK
