"""What a person sees in the terminal while and after cells run."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.cell import Cell
from harness.plan import Plan
from harness.report.render import as_rich
from harness.report.summary import summary_grids
from harness.store import Record

__all__ = ["print_notes", "print_outcome", "print_plan", "print_summary", "stderr", "stdout"]

stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False)


def print_plan(plan: Plan) -> None:
    """Print every planned cell and why it runs or is skipped."""
    settings = sorted({f"preset {p.job.cell.protocol.preset}, {p.job.cell.protocol.weights}" for p in plan.cells})
    title = f"{len(plan.to_run)} of {len(plan.cells)} cells to run ({'; '.join(settings)} weights)"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("method", "dataset", "category", "shots", "split", "action", "why"):
        table.add_column(heading, overflow="fold")
    for planned in plan.cells:
        cell = planned.job.cell
        named = (escape(cell.label), cell.dataset, cell.category, str(cell.shots), cell.split)
        table.add_row(*named, planned.action, escape(planned.why))
    print_notes(plan)
    stdout.print(table)


def print_notes(plan: Plan) -> None:
    """Print what a user should read before the cells run."""
    for note in plan.notes:
        stderr.print(f"[bold yellow]{escape(note)}[/]")


def print_outcome(cell: Cell, record: Record) -> None:
    """Print one line for a finished cell."""
    name = escape(f"{cell.label} {cell.category} {cell.shots}-shot {cell.split}")
    if record.status == "ok":
        seconds = record.wall_seconds
        stderr.print(f"[green]ok[/] {name}: I-AUROC {_number(record.metrics.get('i_auroc'))}, {seconds:.0f} s")
    else:
        stderr.print(f"[red]{record.status}[/] {name}: {escape(record.reason)}")


def print_summary(records: Sequence[Record]) -> None:
    """Print accuracy, speed and memory of every record, and means where a method has several categories."""
    for grid in summary_grids(records):
        stdout.print(as_rich(grid))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
