"""``harness cancel``: end the pullers that were submitted to a cluster."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import results_option
from harness.cli.output import echo

__all__ = ["command"]


@click.command("cancel")
@results_option
def command(results: Path) -> None:
    """End the pullers that 'harness run --launcher slurm' has submitted for a results folder, and wait until they end.

    Finished cells are kept. The others stay planned: the same 'harness run' command submits pullers for them again.
    """
    from harness.slurm.launch import cancel_all

    jobs = cancel_all(results)
    ids = ", ".join(map(str, jobs))
    echo(f"Ended the pullers of jobs {ids}." if jobs else f"No puller runs or waits for {results}.")
