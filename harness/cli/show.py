"""``harness show``: maps of methods beside their samples."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from harness.cli.options import NameList, data_option, join, results_option
from harness.errors import ExitCode

__all__ = ["command"]


@click.command("show", short_help="Draw anomaly maps beside image, cloud and ground truth.")
@click.option("--methods", "-m", type=NameList(), multiple=True, help="Names, globs, or name[parameter=value].")
@click.option("--dataset", "-d", default="toy", show_default=True, help="toy, mvtec3d or eyecandies.")
@data_option
@click.option("--categories", "-c", type=NameList(), multiple=True, help="Names or globs.")
@click.option("--samples", type=NameList(), multiple=True, help="Ids: test/crack/001, or bagel/test/crack/001.")
@click.option("--defects", type=NameList(), multiple=True, help="One sample of each: crack, hole, good.")
@click.option("--worst", type=click.IntRange(1), help="So many samples that the first method's score separates worst.")
@click.option("--best", type=click.IntRange(1), help="So many that it separates best.")
@click.option("--shots", "-n", help="5, 10, 50, full: which run, where there are several.")
@click.option("--split", help="Few-shot list of the run: first, 0 to 4.")
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
@results_option
def command(
    methods: tuple[tuple[str, ...], ...],
    dataset: str,
    data: Path | None,
    categories: tuple[tuple[str, ...], ...],
    samples: tuple[tuple[str, ...], ...],
    defects: tuple[tuple[str, ...], ...],
    worst: int | None,
    best: int | None,
    shots: str | None,
    split: str | None,
    number: Literal["5", "6"],
    scale: Literal["shared", "image"],
    to: Path | None,
    results: Path,
) -> int:
    """Draw the maps that 'harness run --save-maps' kept; by default of one sample of each defect.

    \b
    harness run --methods cfm,cfm-t --save-maps
    harness show --methods cfm,cfm-t --to maps.pdf
    harness show --methods cfm --figure 6 --categories bump --worst 3
    """
    from harness.cli.output import warn
    from harness.data.splits import parse_shots
    from harness.report.figures.files import figure_format, write_figure
    from harness.report.pictures.choose import choose
    from harness.report.pictures.runs import ShowRequest
    from harness.report.pictures.show import draw_features, draw_methods
    from harness.store.store import Store

    path = to or Path(f"figure{number}.png")
    figure_format(path)
    request = ShowRequest(
        methods=join(methods),
        dataset=dataset,
        categories=join(categories),
        samples=join(samples),
        defects=join(defects),
        worst=worst,
        best=best,
        shots=None if shots is None else parse_shots(shots),
        split=split,
        figure=6 if number == "6" else 5,
    )
    choice = choose(Store(results), request, data)
    if choice.others:
        warn(f"Shown: {choice.title}. Also kept, for --shots and --split: {'; '.join(choice.others)}.")
    draw = draw_features if number == "6" else draw_methods
    write_figure(draw(choice, scale), path)
    rows = "1 sample" if len(choice.samples) == 1 else f"{len(choice.samples)} samples"
    click.echo(f"figure {path}: {rows}, {', '.join(method.label for method in choice.methods)}")
    return ExitCode.OK
