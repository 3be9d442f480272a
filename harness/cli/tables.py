"""``harness tables``: measured numbers beside published ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import click

from harness.cli.options import NameList, join, json_option
from harness.cli.query_options import folders_to_name, query_options
from harness.errors import ExitCode

if TYPE_CHECKING:
    from harness.report.grid import Grid
    from harness.report.tables import Source, TableRequest
    from harness.report.uncertainty import Uncertainty
    from harness.store.published import Published
    from harness.store.query import RecordQuery
    from harness.store.record import Record
    from harness.store.store import Store

__all__ = ["command"]

_Format = Literal["rich", "markdown", "latex", "csv", "json", "html"]
_AS_ABOVE = "Not comparable with published numbers, for the reason above."
_START = "harness run --methods cfm,cfm-t --shots 10"


@click.command("tables", short_help="Print measured numbers beside published ones.")
@click.option(
    "--table",
    "tables",
    type=NameList(),
    multiple=True,
    help="Names as of --list, or all; one screen of the newest or fullest setting by default.",
)
@click.option("--list", "listing", is_flag=True, help="List the tables, and show none.")
@click.option(
    "--metric", "metrics", type=NameList(), multiple=True, help="Accuracy metrics; those of each table by default."
)
@click.option(
    "--source",
    type=click.Choice(["measured", "published", "both"]),
    default="both",
    show_default=True,
    help="What to show.",
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
@query_options
def command(
    tables: tuple[tuple[str, ...], ...],
    listing: bool,
    metrics: tuple[tuple[str, ...], ...],
    source: Source,
    form: _Format,
    as_json: bool,
    query: RecordQuery,
    store: Store,
) -> int:
    """Print who is best, and the paper's tables with measured numbers beside published ones.

    Without --table, one screen shows the newest or fullest setting and names the others. What may not be compared with
    the paper stands in a table of the same layout that says why. Where nothing is measured yet, the paper's tables are
    printed. Best in bold, runner-up underlined, ties marked.

    \b
    harness tables
    harness tables --table all
    harness tables --table 1,4 --dataset mvtec3d --methods 'cfm*' --format latex
    harness tables --table timing,memory --source measured
    """
    from harness.report.tables import TableRequest
    from harness.store.published import read_published

    if listing:
        return _list("json" if as_json else form)
    published = read_published()
    records = store.all()
    request = TableRequest(query, join(tables), join(metrics))
    request.check(records, published)
    form = "json" if as_json else form
    if not request.tables and not request.metrics and source != "published" and form == "rich":
        return _overview(records, published if source == "both" else None, request, store)
    _print(_grids(records, published, request, source, store), form)
    return ExitCode.OK


def _list(form: _Format) -> int:
    from harness.cli.output import listing, print_json
    from harness.report.console import stdout
    from harness.report.tables import TABLES

    if form == "json":
        print_json([{"name": table.name, "help": table.help} for table in TABLES.values()])
        return ExitCode.OK
    rows = listing(("table", "what it shows"))
    for table in TABLES.values():
        rows.add_row(table.name, table.help)
    stdout.print(rows)
    stdout.print("Print one with 'harness tables --table NAME', all with '--table all'.", style="dim")
    return ExitCode.OK


def _grids(
    records: Sequence[Record], published: Published, request: TableRequest, source: Source, store: Store
) -> list[Grid]:
    from harness.report.console import stderr
    from harness.report.tables import NothingMeasuredError, measured_grids, published_grids

    if source == "published":
        return published_grids(published, request)
    query = request.query
    chosen = query.select(records)
    if any(record.status == "ok" for record in chosen):
        with stderr.status("Comparing methods on test images drawn at random ..."):
            beside = published if source == "both" else None
            grids = measured_grids(chosen, beside, request, _intervals(store))
        if grids:
            return grids
        raise NothingMeasuredError(_nothing_for(request))
    nothing = _nothing(chosen, request, store)
    ours = bool(request.named) and not any(name.isdecimal() for name in request.named)
    if source == "measured" or ours or not (not query.dataset or published.has(query.dataset)):
        raise NothingMeasuredError(nothing)
    grids = published_grids(published, request)
    click.echo(f"harness: {nothing} These are the published tables.", err=True)
    return grids


def _overview(records: Sequence[Record], published: Published | None, request: TableRequest, store: Store) -> int:
    """Print one table that says who is best in the newest or fullest setting, and the commands that show more."""
    from harness.report.console import stderr, stdout
    from harness.report.legend import legend
    from harness.report.overview import overview
    from harness.report.render.text import as_rich

    if not any(record.status == "ok" for record in request.query.select(records)):
        grids = _grids(records, published, request, "both", store) if published else []
        if not grids:
            from harness.report.tables import NothingMeasuredError

            raise NothingMeasuredError(_nothing(request.query.select(records), request, store))
        _print(grids, "rich")
        return ExitCode.OK
    with stderr.status("Comparing methods on test images drawn at random ..."):
        screen = overview(records, request.query, _intervals(store), folders_to_name(store))
    stdout.print(as_rich(screen.grid))
    for sentence in (screen.verdict, *legend([screen.grid])):
        stdout.print(sentence, style="" if sentence == screen.verdict else "dim", markup=False)
    stdout.print()
    for sentence in screen.others:
        stdout.print(sentence, style="dim", markup=False, soft_wrap=True)
    return ExitCode.OK


def _intervals(store: Store) -> Uncertainty:
    """Return what decides ties and differences: the bootstrap over the counts beside the records."""
    from harness.report.uncertainty import Uncertainty

    return Uncertainty(store)


def _nothing(chosen: Sequence[Record], request: TableRequest, store: Store) -> str:
    if chosen:
        states = ", ".join(sorted({record.status for record in chosen}))
        return f"None of the {len(chosen)} cells in {store.cells} is ok ({states}): see 'harness run --dry-run'."
    about = f" on {request.query.dataset}" if request.query.dataset else ""
    about += " by these methods" if request.query.methods else ""
    return f"Nothing is measured{about} in {store.cells}: start with '{_START}', or name another --results DIR."


def _nothing_for(request: TableRequest) -> str:
    asked = f"table {', '.join(request.tables)} shows" if request.tables else "these tables show"
    return f"No measured cell has what {asked}: measure more with 'harness run', or leave out --table or --metric."


def _print(grids: Sequence[Grid], form: _Format) -> None:
    from harness.report.console import stdout
    from harness.report.legend import legend
    from harness.report.render.latex import as_latex
    from harness.report.render.page import as_html
    from harness.report.render.text import as_csv, as_json, as_markdown, as_rich

    explanations = legend(grids)
    if form == "rich":
        for grid in _warned_once(grids):
            stdout.print(as_rich(grid))
        for sentence in explanations:
            stdout.print(sentence, style="dim", markup=False)
    elif form in ("latex", "html"):
        click.echo((as_latex if form == "latex" else as_html)(grids, explanations))
    elif form == "markdown":
        click.echo("\n\n".join(filter(None, (as_markdown(grids), *explanations))))
    else:
        click.echo(as_csv(grids) if form == "csv" else as_json(grids))


def _warned_once(grids: Sequence[Grid]) -> Iterator[Grid]:
    """Yield tables whose warning is short where the table above has the same."""
    before = ""
    for grid in grids:
        yield replace(grid, warning=_AS_ABOVE) if grid.warning and grid.warning == before else grid
        before = grid.warning or before
