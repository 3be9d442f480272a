"""What a person sees in the terminal while and after cells run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.cell import Cell
from harness.data.base import DATASETS
from harness.plan.estimate import Basis, Estimate, duration_text
from harness.plan.planning import Plan
from harness.report.groups import group_records
from harness.report.own_tables import summary_grid
from harness.report.render.text import as_rich
from harness.store.record import Record

if TYPE_CHECKING:
    from harness.plan.suites import OutlineRow

__all__ = ["print_notes", "print_outcome", "print_outline", "print_plan", "print_summary", "stderr", "stdout"]

stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False)

_NAMED = 2
"""Categories that are named instead of counted."""

_BASES: dict[Basis, str] = {
    "category": "the same category",
    "dataset": "the same dataset",
    "method": "another dataset",
    "epochs": "other epochs, scaled",
    "parameters": "other parameters, not scaled",
    "": "none",
}


def print_plan(plan: Plan, time: Estimate) -> None:
    """Print what runs and what is skipped, why, and how long it takes.

    Parameters
    ----------
    plan
        Cells that share all but the category are one line.
    time
        Of the same plan.
    """
    print_notes(plan)
    stdout.print(_plan_title(plan), style="bold", markup=False)
    stdout.print(_plan_table(plan))
    _print_time(time)


def _plan_title(plan: Plan) -> str:
    """Return how much runs, and what is the same for all cells."""
    cells = [planned.job.cell for planned in plan.cells]
    datasets, splits = (dict.fromkeys(getattr(cell, name) for cell in cells) for name in ("dataset", "split"))
    settings = sorted({f"preset {cell.protocol.preset}, {cell.protocol.weights} weights" for cell in cells})
    shared = ", ".join(["; ".join(settings), *(f"split {split}" for split in splits if len(splits) == 1)])
    return f"{len(plan.to_run)} of {len(cells)} cells to run on {' and '.join(datasets)} ({shared})"


def _plan_table(plan: Plan) -> Table:
    """Return a table of all cells; a column that would say the same of all is left to the title."""
    cells = [planned.job.cell for planned in plan.cells]
    datasets = {cell.dataset: {other.category for other in cells if other.dataset == cell.dataset} for cell in cells}
    several_splits = len({cell.split for cell in cells}) > 1
    shown = {"method": True, "dataset": len(datasets) > 1, "category": True, "shots": True, "split": several_splits}
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading, show in {**shown, "action": True, "why": True}.items():
        if show:
            table.add_column(heading, overflow="fold")
    lines: dict[tuple[str, ...], list[str]] = {}
    for planned in plan.cells:
        cell = planned.job.cell
        key = (cell.label, cell.dataset, str(cell.shots), cell.split, planned.action, planned.why)
        lines.setdefault(key, []).append(cell.category)
    for (label, dataset, shots, split, *end), categories in lines.items():
        whole = len(categories) > _NAMED and len(categories) == len(datasets[dataset])
        names = f"all {len(categories)}" if whole else ", ".join(categories)
        values = zip((escape(label), dataset, names, shots, split), shown.values(), strict=True)
        table.add_row(*(value for value, show in values if show), *map(escape, end))
    return table


def _print_time(time: Estimate) -> None:
    """Print the times of a plan's methods, and of all of it on its devices."""
    if not time.cells:
        return
    where = ", ".join(time.devices)
    if time.unknown == len(time.cells):
        kind = time.devices[0].partition(":")[0]
        stdout.print(f"Time: not known, as there is no record of these methods with this preset on {kind}.")
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_footer=len(time.by_method) > 1)
    least = "at least " if time.unknown else "about "
    table.add_column("method", "all", overflow="fold")
    table.add_column("cells", str(len(time.cells)), justify="right")
    table.add_column("time", f"{least}{duration_text(time.seconds)}")
    table.add_column("estimated from", overflow="fold")
    for method in time.by_method:
        least = "at least " if method.unknown else "about "
        known = f"{least}{duration_text(method.seconds)}" if method.unknown < method.cells else "not known"
        basis = "; ".join(f"{_BASES[kind]} ({count})" for kind, count in method.basis.items())
        table.add_row(escape(method.label), str(method.cells), known, basis)
    stdout.print(table)
    least = "at least" if time.unknown else "about"
    stdout.print(f"Time on {where}: {least} {duration_text(time.elapsed_seconds)}", end="")
    stdout.print(f"; {time.unknown} of {len(time.cells)} cells have no record to go by." if time.unknown else ".")


def print_outline(rows: Sequence[OutlineRow], notes: Sequence[str]) -> None:
    """Print what would be planned if the datasets were there.

    Parameters
    ----------
    rows
        Of all methods.
    notes
        What is left out, and how to get the datasets.
    """
    datasets = {row.dataset: row.categories for row in rows}
    titles = " and ".join(DATASETS[name].title for name in datasets)
    total = sum(row.cells for row in rows)
    stdout.print(f"Cells of {titles} that would be planned: {total}", style="bold", markup=False)
    several_splits = any(len(row.splits) > 1 for row in rows)
    shown = {"method": True, "dataset": len(datasets) > 1, "shots": True, "split": several_splits}
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_footer=True)
    for heading, show in shown.items():
        if show:
            table.add_column(heading, "all" if heading == "method" else "", overflow="fold")
    table.add_column("categories", justify="right")
    table.add_column("cells", str(total), justify="right")
    for row in rows:
        texts = (escape(row.method), row.dataset, ", ".join(map(str, row.shots)), ", ".join(row.splits))
        values = (value for value, show in zip(texts, shown.values(), strict=True) if show)
        table.add_row(*values, str(row.categories), str(row.cells))
    stdout.print(table)
    stdout.print(
        "Once the files are there, the plan also says which of them are measured and how long the others take."
    )
    for note in notes:
        _print_note(note)


def print_notes(plan: Plan) -> None:
    """Print what a user should read before the cells run."""
    for note in plan.notes:
        _print_note(note)


def _print_note(note: str) -> None:
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
    for group in group_records(records):
        stdout.print(as_rich(summary_grid(group)))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
