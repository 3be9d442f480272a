"""How verbs print: JSON, tables and sentences. rich is imported where something is printed, so that help stays fast."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

import click

from harness.errors import ExitCode
from harness.files.names import capped
from harness.report.printable import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = [
    "WarningLines",
    "bytes_text",
    "console",
    "counted",
    "echo",
    "echo_html",
    "echo_json",
    "echo_notes",
    "fact_table",
    "listing",
    "print_json",
    "warn",
]


def console() -> Console:
    """Return the console of standard output."""
    from harness.report.console import stdout

    return stdout


def echo(text: object, *, err: bool = False) -> None:
    """Print text on standard output or standard error, as that can take it (:func:`printable`)."""
    click.echo(printable(str(text), _encoding(err=err)), err=err)


def echo_json(text: str) -> None:
    """Print JSON on standard output; where that lacks a character, or one steers a terminal, in ASCII alone."""
    if printable(text, _encoding()) != text:
        text = "".join(c if " " <= c <= "~" or c == "\n" else _json_escape(c) for c in text)
    click.echo(text)


def echo_html(page: str) -> None:
    """Print a page, which says that it is UTF-8, on standard output; elsewhere in ASCII alone."""
    if printable(page, _encoding()) != page or (_encoding() or "utf-8").lower() not in ("utf-8", "utf8"):
        page = page.encode("ascii", "xmlcharrefreplace").decode("ascii")
    click.echo(page)


def _json_escape(letter: str) -> str:
    return json.dumps(letter)[1:-1] if letter > "\x7f" else f"\\u{ord(letter):04x}"


def _encoding(*, err: bool = False) -> str | None:
    return getattr(sys.stderr if err else sys.stdout, "encoding", None)


class WarningLines(logging.Handler):
    """Prints what is logged as lines of this program on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one entry of the log."""
        echo_notes([record.getMessage()])


def print_json(value: object) -> ExitCode:
    """Print a value as JSON on standard output: plain values, dataclasses (by their fields) and paths; return OK."""
    from msgspec import to_builtins

    plain = to_builtins(value, enc_hook=_plain)
    echo_json(json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False))
    return ExitCode.OK


def _plain(value: object) -> str:
    if isinstance(value, PurePath):
        return str(value)
    raise NotImplementedError(f"{type(value)} has no JSON form")


def warn(message: str) -> None:
    """Print a warning on standard error."""
    from rich.text import Text

    from harness.report.console import stderr

    stderr.print(Text.assemble(("warning:", "bold yellow"), " ", message))


def echo_notes(notes: Sequence[object]) -> None:
    """Print sentences on standard error, each as one line of this program."""
    for note in notes:
        echo(f"harness: {' '.join(capped(str(note)).splitlines())}", err=True)


def listing(headings: Sequence[str], *, numbers: Sequence[str] = ()) -> Table:
    """Return an empty table in the style of this command line.

    Parameters
    ----------
    headings
        Of all columns.
    numbers
        Those of columns that are aligned to the right and never broken.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, header_style="bold")
    for heading in headings:
        number = heading in numbers
        table.add_column(heading, justify="right" if number else "left", overflow="fold", no_wrap=number)
    return table


def fact_table(style: str, facts: Sequence[tuple[str, str]]) -> Table:
    """Return a table of names, in a style, and their texts."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style=style)
    table.add_column(overflow="fold")
    for name, text in facts:
        table.add_row(name, text)
    return table


def bytes_text(size: int | None) -> str:
    """Return a number of bytes in MB or GB of 1000 steps, ``-`` where it is not known."""
    if size is None:
        return "-"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def counted(count: int, singular: str, plural: str = "") -> str:
    """Return a count with its noun; the plural ends with s where none is given."""
    return f"{count} {singular if count == 1 else plural or f'{singular}s'}"
