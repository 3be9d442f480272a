"""``harness tables``: measured numbers beside published ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from harness.cli.options import NameList, join, json_option, results_option
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from harness.report.grid import Grid
    from harness.report.published import Published
    from harness.report.tables import Request, Source
    from harness.store import Record

__all__ = ["command"]

_Format = Literal["rich", "markdown", "csv", "json"]
_START = "harness run --methods cfm,cfm-t --shots 10"


@click.command("tables", short_help="Print measured numbers beside published ones.")
@click.option("--dataset", "-d", help="One dataset; all by default.")
@click.option("--methods", "-m", type=NameList(), multiple=True, help="Names, globs, or name[parameter=value].")
@click.option(
    "--source",
    type=click.Choice(["measured", "published", "both"]),
    default="both",
    show_default=True,
    help="What to show.",
)
@click.option("--table", "number", type=click.IntRange(1, 7), help="One table of the paper.")
@click.option(
    "--metric",
    "metrics",
    type=NameList(),
    multiple=True,
    default=[("i_auroc", "aupro_30")],
    help="Metrics of the tables by defect.  [default: i_auroc,aupro_30]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["rich", "markdown", "csv", "json"]),
    default="rich",
    show_default=True,
    help="For a terminal, a page, a spreadsheet or a program.",
)
@json_option
@results_option
def command(
    dataset: str | None,
    methods: tuple[tuple[str, ...], ...],
    source: Source,
    number: int | None,
    metrics: tuple[tuple[str, ...], ...],
    form: _Format,
    as_json: bool,
    results: Path,
) -> int:
    """Print accuracy, accuracy by defect, speed and memory of measured cells, beside what is published.

    Where nothing is measured yet, the paper's tables are printed. Best in bold, runner-up underlined.

    \b
    harness tables
    harness tables --dataset mvtec3d --methods 'cfm*' --format markdown
    harness tables --table 1
    """
    from harness.report.published import read_published
    from harness.report.tables import Request
    from harness.store import Store

    if number is not None and source == "measured":
        raise UsageError("The paper's tables hold published numbers: leave out --table or --source measured.")
    published = read_published()
    records = Store(results).all()
    request = Request(dataset, join(methods), join(metrics))
    request.check(records, published)
    grids = _grids(records, published, request, "published" if number else source, number, results)
    _print(grids, "json" if as_json else form)
    return ExitCode.OK


def _grids(
    records: Sequence[Record], published: Published, request: Request, source: Source, number: int | None, results: Path
) -> list[Grid]:
    from harness.report.tables import NothingMeasuredError, measured_grids, published_grids, select

    chosen = select(records, request)
    if source != "published" and any(record.status == "ok" for record in chosen):
        return measured_grids(chosen, published if source == "both" else None, request)
    if source != "published":
        nothing = _nothing(chosen, request, results)
        if source == "measured" or not (request.dataset is None or published.has(request.dataset)):
            raise NothingMeasuredError(nothing)
        click.echo(f"harness: {nothing} These are the published tables.", err=True)
    return published_grids(published, request, number)


def _nothing(chosen: Sequence[Record], request: Request, results: Path) -> str:
    if chosen:
        states = ", ".join(sorted({record.status for record in chosen}))
        return f"None of the {len(chosen)} cells in {results / 'cells'} is ok ({states}): see 'harness run --dry-run'."
    about = f" on {request.dataset}" if request.dataset else ""
    about += " by these methods" if request.methods else ""
    return f"Nothing is measured{about} in {results / 'cells'}: start with '{_START}', or name another --results DIR."


def _print(grids: Sequence[Grid], form: _Format) -> None:
    from harness.report.console import stdout
    from harness.report.render import as_csv, as_json, as_markdown, as_rich
    from harness.report.tables import LEGEND

    legend = LEGEND if any("AUPRO" in f"{grid.title}{grid.columns}" for grid in grids) else ""
    if form == "rich":
        for grid in grids:
            stdout.print(as_rich(grid))
        stdout.print(legend, style="dim")
    elif form == "markdown":
        click.echo("\n\n".join(filter(None, (as_markdown(grids), legend))))
    else:
        click.echo(as_csv(grids) if form == "csv" else as_json(grids))
