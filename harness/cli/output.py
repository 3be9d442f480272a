"""How verbs print: JSON, tables and sentences. rich is imported where something is printed, so that help stays fast."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

import click

from harness.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["bytes_text", "console", "counted", "echo_notes", "fact_table", "listing", "print_json", "warn"]


def console() -> Console:
    """Return the console of standard output."""
    from harness.report.console import stdout

    return stdout


def print_json(value: object) -> ExitCode:
    """Print a value as JSON on standard output: plain values, dataclasses (by their fields) and paths; return OK."""
    from msgspec import to_builtins

    plain = to_builtins(value, enc_hook=_plain)
    click.echo(json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False))
    return ExitCode.OK


def _plain(value: object) -> str:
    if isinstance(value, PurePath):
        return str(value)
    raise NotImplementedError(f"{type(value)} has no JSON form")


def warn(message: str) -> None:
    """Print a warning on standard error."""
    from rich.markup import escape

    from harness.report.console import stderr

    stderr.print(f"[bold yellow]warning:[/] {escape(message)}")


def echo_notes(notes: Sequence[object]) -> None:
    """Print sentences on standard error, each as one line of this program."""
    for note in notes:
        click.echo(f"harness: {note}", err=True)


def listing(headings: Sequence[str], *, numbers: Sequence[str] = ()) -> Table:
    """Return an empty table in the style of this command line.

    Parameters
    ----------
    headings
        Of all columns.
    numbers
        Those of columns that are aligned to the right.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in numbers else "left", overflow="fold")
    return table


def fact_table(style: str, facts: Sequence[tuple[str, str]]) -> Table:
    """Return a table of names, in a style, and their texts, which are printed as they are."""
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style=style)
    table.add_column(overflow="fold")
    for name, text in facts:
        table.add_row(name, escape(text))
    return table


def bytes_text(size: int | None) -> str:
    """Return a number of bytes in MB or GB of 1000 steps, ``-`` where it is not known."""
    if size is None:
        return "-"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def counted(count: int, singular: str, plural: str = "") -> str:
    """Return a count with its noun; the plural ends with s where none is given."""
    return f"{count} {singular if count == 1 else plural or f'{singular}s'}"
