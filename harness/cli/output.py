"""How reading verbs print: JSON, listings and warnings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from harness.report.console import stderr

__all__ = ["bytes_text", "listing", "print_json", "warn"]


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def warn(message: str) -> None:
    """Print a warning on standard error."""
    stderr.print(f"[bold yellow]warning:[/] {escape(message)}")


def listing(headings: Sequence[str], *, numbers: Sequence[str] = ()) -> Table:
    """Return an empty table in the style of this command line.

    Parameters
    ----------
    headings
        Of all columns.
    numbers
        Those of columns that are aligned to the right.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in numbers else "left", overflow="fold")
    return table


def bytes_text(size: int | None) -> str:
    """Return a number of bytes in MB or GB of 1000 steps, ``-`` where it is not known."""
    if size is None:
        return "-"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
