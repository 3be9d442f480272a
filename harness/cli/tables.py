"""``harness tables``: measured numbers next to published ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import click

from harness.cli.options import choice_option, json_option, names_option, source_option
from harness.cli.output import console, echo, echo_html, echo_json, echo_notes, listing, print_json
from harness.cli.query_options import contended_option, folders_to_name, nothing_measured, query_options
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.report.grid import Grid
    from harness.report.tables import Source, TableRequest
    from harness.store.published import Published
    from harness.store.query import RecordQuery
    from harness.store.record import Record
    from harness.store.store import Store

__all__ = ["command"]

_Format = Literal["rich", "markdown", "latex", "csv", "json", "html"]
_AS_ABOVE = "Not comparable with published numbers, for the reason above."


@click.command("tables")
@names_option(
    "--table", "tables", help="Names in --list, or all; one screen of the newest or fullest setting by default."
)
@click.option("--list", "list_tables", is_flag=True, help="List the tables, and print none.")
@names_option("--metric", "metrics", help="Accuracy metrics; those of each table by default.")
@source_option
@choice_option(
    "--format",
    "form",
    choices=("rich", "markdown", "latex", "csv", "json", "html"),
    help="For a terminal, a page, a paper, a spreadsheet, a program or a browser.",
)
@click.option("--percent", is_flag=True, help="Print accuracies in percent: 95.4 for 0.954.")
@click.option("--no-differences", is_flag=True, help="Leave out the rows of measured minus published.")
@json_option
@contended_option
@query_options
def command(
    tables: tuple[str, ...],
    list_tables: bool,
    metrics: tuple[str, ...],
    source: Source,
    form: _Format,
    percent: bool,
    no_differences: bool,
    as_json: bool,
    query: RecordQuery,
    store: Store,
) -> None:
    """Print who is best, and the paper's tables with measured numbers next to published ones.

    Without --table, one screen shows the newest or fullest setting and names the others. What may not be compared with
    the paper is printed as a table of the same layout that says why. Where nothing is measured yet, the paper's tables
    are printed. Best in bold, runner-up underlined, ties marked.

    \b
    harness tables
    harness tables --table all
    harness tables --table 1,4 --dataset mvtec3d --methods 'cfm*' --format latex --percent --no-differences
    harness tables --table timing,memory --source measured
    harness tables --table stress --metric i_auroc
    harness tables --table literature --dataset mvtec3d
    """
    from harness.report.tables import LITERATURE, TableRequest, published_grids
    from harness.store.published import read_published

    form = "json" if as_json else form
    if percent and form in ("csv", "json"):
        raise UsageError(f"--percent is for tables that people read: leave it out with --format {form}.")
    look = partial(_changed, percent=percent, no_differences=no_differences)
    if list_tables:
        _list(form)
        return
    published = read_published()
    records = store.all()
    request = TableRequest(query, tables, metrics)
    request.check(records, published)
    chosen = query.select(records)
    if chosen and request.wants("stress"):  # of all conditions, whatever other tables show
        chosen = replace(query, conditions=()).select(records)
    measured = any(record.status == "ok" for record in chosen)
    if source == "published" or (source == "both" and not measured and set(tables) == {LITERATURE}):
        _print(look(published_grids(published, request)), form)
    elif not measured:
        _print(look(_published_instead(chosen, published, request, source, store)), form)
    elif not tables and not metrics and form == "rich":
        _print_overview(chosen, query, store, percent)
    else:
        _print(look(_measured(chosen, published if source == "both" else None, request, store)), form)
        if form == "rich":
            _print_hint(chosen, query, store)


def _list(form: _Format) -> None:
    from harness.report.tables import TABLES

    if form == "json":
        print_json([{"name": table.name, "help": table.help} for table in TABLES.values()])
        return
    rows = listing(("table", "what it shows"))
    for table in TABLES.values():
        rows.add_row(table.name, table.help)
    console().print(rows)
    console().print("Print one with 'harness tables --table NAME', all with '--table all'.", style="dim")


def _changed(grids: Sequence[Grid], *, percent: bool, no_differences: bool) -> list[Grid]:
    from harness.report.presentation import in_percent, without_differences

    kept = without_differences(grids) if no_differences else list(grids)
    return in_percent(kept) if percent else kept


def _measured(
    records: Sequence[Record], published: Published | None, request: TableRequest, store: Store
) -> list[Grid]:
    from harness.report.console import COMPARING, counting
    from harness.report.tables import NothingMeasuredError, measured_grids
    from harness.report.uncertainty import Uncertainty

    with counting(COMPARING) as progress:
        grids = measured_grids(records, published, request, Uncertainty(store, progress=progress), store.elsewhere)
    if grids:
        return grids
    tables = f"table {', '.join(request.tables)} shows" if request.tables else "these tables show"
    raise NothingMeasuredError(
        f"No measured cell has what {tables}: measure more with 'harness run', or leave out --table or --metric."
    )


def _published_instead(
    records: Sequence[Record], published: Published, request: TableRequest, source: Source, store: Store
) -> list[Grid]:
    """Return the published tables where no record is ok; raise NothingMeasuredError where they are not an answer."""
    from harness.report.tables import published_grids

    query = request.query
    error = nothing_measured(query, store, records)
    ours = bool(request.named) and not any(name.isdecimal() for name in request.named)
    if source == "measured" or ours or not any(map(query.keeps_published, published.rows)):
        raise error
    grids = published_grids(published, request)
    echo_notes([f"{error} These are the published tables."])
    return grids


def _print_overview(records: Sequence[Record], query: RecordQuery, store: Store, percent: bool) -> None:
    """Print one table that says who is best in the newest or fullest setting, and the commands that show more."""
    from harness.report.console import COMPARING, counting, print_grid
    from harness.report.legend import legend
    from harness.report.overview import overview
    from harness.report.presentation import hundredfold
    from harness.report.uncertainty import Uncertainty

    with counting(COMPARING) as progress:
        screen = overview(records, query, Uncertainty(store, progress=progress), folders_to_name(store))
    print_grid(*_changed([screen.grid], percent=percent, no_differences=False))
    console().print(hundredfold(screen.verdict) if percent else screen.verdict)
    for sentence in legend([screen.grid]):
        console().print(sentence, style="dim")
    console().print()
    for sentence in screen.others:
        console().print(sentence, style="dim", soft_wrap=True)


def _print_hint(records: Sequence[Record], query: RecordQuery, store: Store) -> None:
    from harness.report.console import stderr
    from harness.report.overview import compare_hint

    if hint := compare_hint(records, query, folders_to_name(store)):
        stderr.print(hint, style="dim", soft_wrap=True)


def _print(grids: Sequence[Grid], form: _Format) -> None:
    from harness.report.console import print_grid
    from harness.report.legend import legend
    from harness.report.render.data import as_csv, as_json
    from harness.report.render.latex import as_latex
    from harness.report.render.page import as_html
    from harness.report.render.text import as_markdown

    explanations = legend(grids)
    if form == "rich":
        for grid in _warned_once(grids):
            print_grid(grid)
        for sentence in explanations:
            console().print(sentence, style="dim")
    elif form == "latex":
        echo(as_latex(grids, explanations))
    elif form == "html":
        echo_html(as_html(grids, explanations))
    elif form == "markdown":
        echo("\n\n".join(filter(None, (as_markdown(grids), *explanations))))
    elif form == "csv":
        echo(as_csv(grids))
    else:
        echo_json(as_json(grids))


def _warned_once(grids: Sequence[Grid]) -> Iterator[Grid]:
    """Yield tables whose warning is short where the table above has the same."""
    before = ""
    for grid in grids:
        yield replace(grid, warning=_AS_ABOVE) if grid.warning and grid.warning == before else grid
        before = grid.warning or before
