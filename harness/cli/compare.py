"""``harness compare``: which method is best on these data, by how much, and at what cost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import click

from harness.cli.options import choice_option, json_option, names_argument
from harness.cli.output import console, echo, print_json
from harness.cli.query_options import contended_option, nothing_measured, query_options
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.report.answer.answer import Answer
    from harness.report.grid import Grid
    from harness.store.query import RecordQuery
    from harness.store.store import Store

__all__ = ["command"]


@click.command("compare")
@names_argument()
@click.option("--metric", default="", help="Accuracy metric; by default AUPRO@1%, or I-AUROC where masks are missing.")
@choice_option("--format", "form", choices=("text", "json", "markdown"), help="For a person, a program or a page.")
@click.option("--percent", is_flag=True, help="Print accuracies in percent: 95.4 for 0.954.")
@json_option
@contended_option
@query_options
def command(
    names: tuple[str, ...],
    metric: str,
    form: Literal["text", "json", "markdown"],
    percent: bool,
    as_json: bool,
    query: RecordQuery,
    store: Store,
) -> None:
    """Say which of the METHODS is best, by how much, whether that is a tie, and what it costs.

    NAMES are methods: names, globs or name[parameter=value]; all that are measured where none is named. Each setting
    (dataset, training samples, list, preset, weights) has an answer of its own, and costs are compared on one machine
    only. Means are over the categories that the compared methods share.

    Exits with 0 where anything is answered, also where it is a tie or a single method; with 2 for an unknown name, with
    6 where nothing is measured.

    \b
    harness compare
    harness compare cfm cfm-t btf --dataset toy
    harness compare 'cfm*' --metric i_auroc --format markdown --percent
    """
    from harness.registry import method_names
    from harness.report.answer.make import answers
    from harness.report.console import COMPARING, counting
    from harness.report.tables import NothingMeasuredError
    from harness.report.uncertainty import Uncertainty

    form = "json" if as_json else form
    if percent and form == "json":
        raise UsageError("--percent is for answers that people read: leave it out with --format json.")
    query = replace(query, methods=tuple(dict.fromkeys((*names, *query.methods))))
    records = store.all()
    query.check(records, method_names())
    chosen = query.select(records)
    if not any(record.status == "ok" for record in chosen):
        raise nothing_measured(query, store, chosen)
    with counting(COMPARING) as progress:
        given = answers(chosen, query, Uncertainty(store, progress=progress), metric, store.elsewhere)
    if not any(answer.methods for answer in given):
        raise NothingMeasuredError(" ".join(answer.paragraphs[0] for answer in given))
    if form == "json":
        print_json([answer.to_json() for answer in given])
    elif form == "markdown":
        echo("\n\n".join(_markdown(answer, percent) for answer in given))
    else:
        for answer in given:
            _print(answer, percent)


def _markdown(answer: Answer, percent: bool) -> str:
    from harness.report.render.text import as_markdown, escape_markdown

    paragraphs, grid = _parts(answer, percent)
    return "\n\n".join((f"## {escape_markdown(answer.title)}", *map(escape_markdown, paragraphs), as_markdown([grid])))


def _print(answer: Answer, percent: bool) -> None:
    from harness.report.console import print_grid

    paragraphs, grid = _parts(answer, percent)
    console().print(answer.title, style="bold")
    for paragraph in paragraphs:
        console().print(paragraph)
    console().print()
    print_grid(grid)


def _parts(answer: Answer, percent: bool) -> tuple[tuple[str, ...], Grid]:
    """Return the words and the table of an answer."""
    from harness.report.answer.table import answer_grid
    from harness.report.presentation import hundredfold, in_percent

    grid = answer_grid(answer)
    if not percent:
        return answer.paragraphs, grid
    return tuple(map(hundredfold, answer.paragraphs)), in_percent([grid])[0]
