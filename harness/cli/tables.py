"""``harness tables``: measured numbers beside published ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from harness.cli.options import NameList, join, json_option, results_option
from harness.errors import ExitCode

if TYPE_CHECKING:
    from harness.report.grid import Grid
    from harness.report.tables import Request, Source
    from harness.report.uncertainty import Uncertainty
    from harness.store.published import Published
    from harness.store.record import Record

__all__ = ["command"]

_Format = Literal["rich", "markdown", "latex", "csv", "json", "html"]
_AS_ABOVE = "Not comparable with published numbers, for the reason above."
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
@click.option(
    "--table",
    "tables",
    type=NameList(),
    multiple=True,
    help="1 to 7 of the paper; exact, defects, timing, memory, rank, seeds, categories, costs, differences.  "
    "[default: all but the last three]",
)
@click.option(
    "--metric", "metrics", type=NameList(), multiple=True, help="Accuracy metrics; those of each table by default."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["rich", "markdown", "latex", "csv", "json", "html"]),
    default="rich",
    show_default=True,
    help="For a terminal, a page, a paper, a spreadsheet, a program or a browser.",
)
@json_option
@results_option
def command(
    dataset: str | None,
    methods: tuple[tuple[str, ...], ...],
    source: Source,
    tables: tuple[tuple[str, ...], ...],
    metrics: tuple[tuple[str, ...], ...],
    form: _Format,
    as_json: bool,
    results: Path,
) -> int:
    """Print the paper's tables with measured numbers beside published ones, and tables of our own.

    What may not be compared with the paper stands in a table of the same layout that says why. Where nothing is
    measured yet, the paper's tables are printed. Best in bold, runner-up underlined, ties marked.

    \b
    harness tables
    harness tables --table 1,4 --dataset mvtec3d --methods 'cfm*' --format latex
    harness tables --table timing,memory --source measured
    harness tables --table differences --metric i_auroc,aupro_1
    """
    from harness.report.tables import Request
    from harness.store.published import read_published
    from harness.store.store import Store

    published = read_published()
    records = Store(results).all()
    request = Request(dataset, join(methods), join(metrics), join(tables))
    request.check(records, published)
    grids = _grids(records, published, request, source, results)
    _print(grids, "json" if as_json else form)
    return ExitCode.OK


def _grids(
    records: Sequence[Record], published: Published, request: Request, source: Source, results: Path
) -> list[Grid]:
    from harness.report.console import stderr
    from harness.report.tables import NothingMeasuredError, measured_grids, published_grids, select

    if source == "published":
        return published_grids(published, request)
    chosen = select(records, request)
    if any(record.status == "ok" for record in chosen):
        with stderr.status("Comparing methods on test images drawn anew ..."):
            beside, intervals = published if source == "both" else None, _intervals(results)
            grids = measured_grids(chosen, beside, request, intervals.tied, intervals)
        if grids:
            return grids
        raise NothingMeasuredError(_nothing_for(request))
    nothing = _nothing(chosen, request, results)
    ours = bool(request.tables) and not request.numbered
    if source == "measured" or ours or not (request.dataset is None or published.has(request.dataset)):
        raise NothingMeasuredError(nothing)
    grids = published_grids(published, request)
    click.echo(f"harness: {nothing} These are the published tables.", err=True)
    return grids


def _intervals(results: Path) -> Uncertainty:
    """Return what tells ties and differences: the bootstrap over the counts that cells leave beside their records."""
    from harness.report.uncertainty import Uncertainty
    from harness.store.store import Store

    return Uncertainty(Store(results))


def _nothing(chosen: Sequence[Record], request: Request, results: Path) -> str:
    if chosen:
        states = ", ".join(sorted({record.status for record in chosen}))
        return f"None of the {len(chosen)} cells in {results / 'cells'} is ok ({states}): see 'harness run --dry-run'."
    about = f" on {request.dataset}" if request.dataset else ""
    about += " by these methods" if request.methods else ""
    return f"Nothing is measured{about} in {results / 'cells'}: start with '{_START}', or name another --results DIR."


def _nothing_for(request: Request) -> str:
    asked = f"table {', '.join(request.tables)} shows" if request.tables else "these tables show"
    return f"No measured cell has what {asked}: measure more with 'harness run', or leave out --table or --metric."


def _print(grids: Sequence[Grid], form: _Format) -> None:
    from harness.report.console import stdout
    from harness.report.legend import legend
    from harness.report.render.latex import as_latex
    from harness.report.render.page import as_html
    from harness.report.render.text import as_csv, as_json, as_markdown, as_rich

    told = legend(grids)
    if form == "rich":
        for grid in _warned_once(grids):
            stdout.print(as_rich(grid))
        for sentence in told:
            stdout.print(sentence, style="dim", markup=False)
    elif form in ("latex", "html"):
        click.echo((as_latex if form == "latex" else as_html)(grids, told))
    elif form == "markdown":
        click.echo("\n\n".join(filter(None, (as_markdown(grids), *told))))
    else:
        click.echo(as_csv(grids) if form == "csv" else as_json(grids))


def _warned_once(grids: Sequence[Grid]) -> Iterator[Grid]:
    """Yield tables whose warning is short where the table above has the same."""
    before = ""
    for grid in grids:
        yield replace(grid, warning=_AS_ABOVE) if grid.warning and grid.warning == before else grid
        before = grid.warning or before
