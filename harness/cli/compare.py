"""``harness compare``: which method is best on these data, by how much, and at what cost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import click

from harness.cli.options import choice_option, json_option, names_argument
from harness.cli.output import console, echo, print_json
from harness.cli.query_options import contended_option, nothing_measured, query_options

if TYPE_CHECKING:
    from harness.report.answer.answer import Answer
    from harness.store.query import RecordQuery
    from harness.store.store import Store

__all__ = ["command"]


@click.command("compare")
@names_argument()
@click.option("--metric", default="", help="Accuracy metric; by default AUPRO@1%, or I-AUROC where masks are missing.")
@choice_option("--format", "form", choices=("text", "json", "markdown"), help="For a person, a program or a page.")
@json_option
@contended_option
@query_options
def command(
    names: tuple[str, ...],
    metric: str,
    form: Literal["text", "json", "markdown"],
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
    harness compare 'cfm*' --metric i_auroc --format markdown
    """
    from harness.registry import method_names
    from harness.report.answer.make import answers
    from harness.report.console import COMPARING, counting
    from harness.report.tables import NothingMeasuredError
    from harness.report.uncertainty import Uncertainty

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
    if as_json or form == "json":
        print_json([answer.to_json() for answer in given])
    elif form == "markdown":
        echo("\n\n".join(map(_markdown, given)))
    else:
        for answer in given:
            _print(answer)


def _markdown(answer: Answer) -> str:
    from harness.report.answer.table import answer_grid
    from harness.report.render.text import as_markdown, escape_markdown

    texts = map(escape_markdown, answer.paragraphs)
    return "\n\n".join((f"## {escape_markdown(answer.title)}", *texts, as_markdown([answer_grid(answer)])))


def _print(answer: Answer) -> None:
    from harness.report.answer.table import answer_grid
    from harness.report.console import print_grid

    console().print(answer.title, style="bold")
    for paragraph in answer.paragraphs:
        console().print(paragraph)
    console().print()
    print_grid(answer_grid(answer))
