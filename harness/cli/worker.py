"""``harness worker``: one cell, in this process."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import FILE

__all__ = ["command"]


@click.command("worker")
@click.argument("cell", type=FILE)
def command(cell: Path) -> int:
    """Run the cell in the file CELL and write its record; the exit code is 3 where it is not ok.

    Standard output carries one JSON object a line: stages, progress, and how it ended. Files of cells are written by
    'harness run --write-jobs DIR'; they name absolute folders, so any machine that sees these can run them.
    """
    from harness.running.worker import main

    return main(cell)
