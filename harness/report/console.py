"""What a person sees in the terminal while and after cells run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from harness.cell import Cell
from harness.data.conditions import NONE
from harness.data.registry import dataset_title
from harness.plan.estimate import Basis, Estimate, duration_text
from harness.plan.planning import Plan
from harness.report.grid import Grid
from harness.report.groups import group_records
from harness.report.own_tables import summary_grid
from harness.report.printable import printable
from harness.report.render.text import as_rich
from harness.store.record import Record

if TYPE_CHECKING:
    from harness.plan.suites import OutlineRow

__all__ = [
    "COMPARING",
    "SafeConsole",
    "counting",
    "print_failed_attempts",
    "print_grid",
    "print_notes",
    "print_outcome",
    "print_outline",
    "print_plan",
    "print_summary",
    "stderr",
    "stdout",
]


class SafeConsole(Console):
    """A console that shows every text as it is: no markup, nothing that steers the terminal or that it can't print."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"highlight": False, "markup": False, "emoji": False, **settings})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is printed; only what rich itself makes may steer the terminal."""
        encoding = self.encoding
        for segment in super().render(renderable, options):
            shown = segment.text if segment.control else printable(segment.text, encoding)
            yield segment if shown is segment.text else segment._replace(text=shown)

    def render_str(self, text: str, **settings: Any) -> Text:
        """Return what is to be laid out, with the width that it will have."""
        return super().render_str(printable(text, self.encoding), **settings)

    def on_broken_pipe(self) -> None:
        """Leave a closed pipe to who called: to rich it is a failure."""
        raise BrokenPipeError


stderr = SafeConsole(stderr=True)
stdout = SafeConsole()

COMPARING = "Comparing methods on test images drawn at random"
"""What takes time where numbers are compared for the first time."""


@contextmanager
def counting(description: str, *, show: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while something is done piece by piece.

    Parameters
    ----------
    description
        What is done.
    show
        Whether there is a bar in a terminal.

    Yields
    ------
    callable
        To be called with how many pieces are done, and how many there are.
    """
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not (show and stderr.is_terminal)) as bars:
        task = bars.add_task(description, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


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
    stdout.print(_plan_title(plan), style="bold")
    stdout.print(_plan_table(plan))
    _print_time(time)


def _plan_title(plan: Plan) -> str:
    """Return how much runs, and what is the same for all cells."""
    cells = [planned.job.cell for planned in plan.cells]
    datasets, splits = (dict.fromkeys(getattr(cell, name) for cell in cells) for name in ("dataset", "split"))
    settings = sorted({f"preset {cell.protocol.preset}, {cell.protocol.weights} weights" for cell in cells})
    shared = ", ".join(["; ".join(settings), *(f"split {split}" for split in splits if len(splits) == 1)])
    return f"{plan.cells_to_run} of {len(cells)} cells to run on {' and '.join(datasets)} ({shared})"


def _plan_table(plan: Plan) -> Table:
    """Return a table of all cells; a column that would say the same of all is left to the title."""
    cells = [planned.job.cell for planned in plan.cells]
    datasets = {cell.dataset: {other.category for other in cells if other.dataset == cell.dataset} for cell in cells}
    several_splits = len({cell.split for cell in cells}) > 1
    shown = {"method": True, "dataset": len(datasets) > 1, "category": True, "shots": True, "split": several_splits}
    shown["condition"] = any(cell.protocol.condition != NONE for cell in cells)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading, show in {**shown, "action": True, "why": True}.items():
        if show:
            table.add_column(heading, overflow="fold")
    lines: dict[tuple[str, ...], list[str]] = {}
    for planned in plan.cells:
        cell = planned.job.cell
        own = (cell.label, cell.dataset, str(cell.shots), cell.split, cell.protocol.condition)
        lines.setdefault((*own, planned.action, planned.why), []).append(cell.category)
    for (label, dataset, shots, split, condition, *end), categories in lines.items():
        whole = len(categories) > _NAMED and len(categories) == len(datasets[dataset])
        names = f"all {len(categories)}" if whole else ", ".join(categories)
        values = zip((label, dataset, names, shots, split, condition), shown.values(), strict=True)
        table.add_row(*(value for value, show in values if show), *end)
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
    table.add_column("cells", str(len(time.cells)), justify="right", no_wrap=True)
    table.add_column("time", f"{least}{duration_text(time.seconds)}", no_wrap=True)
    table.add_column("estimated from", overflow="fold")
    for method in time.by_method:
        least = "at least " if method.unknown else "about "
        known = f"{least}{duration_text(method.seconds)}" if method.unknown < method.cells else "not known"
        basis = "; ".join(f"{_BASES[kind]} ({count})" for kind, count in method.basis.items())
        table.add_row(method.label, str(method.cells), known, basis)
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
    titles = " and ".join(map(dataset_title, datasets))
    total = sum(row.cells for row in rows)
    stdout.print(f"Cells of {titles} that would be planned: {total}", style="bold")
    several_splits = any(len(row.splits) > 1 for row in rows)
    shown = {"method": True, "dataset": len(datasets) > 1, "shots": True, "split": several_splits}
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_footer=True)
    for heading, show in shown.items():
        if show:
            table.add_column(heading, "all" if heading == "method" else "", overflow="fold")
    table.add_column("categories", justify="right", no_wrap=True)
    table.add_column("cells", str(total), justify="right", no_wrap=True)
    for row in rows:
        texts = (row.method, row.dataset, ", ".join(map(str, row.shots)), ", ".join(row.splits))
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
    stderr.print(note, style="bold yellow")


def print_outcome(cell: Cell, record: Record) -> None:
    """Print one line for a finished cell."""
    under = "" if cell.protocol.condition == NONE else f" {cell.protocol.condition}"
    name = f" {cell.label} {cell.category} {cell.shots}-shot {cell.split}{under}: "
    if record.status == "ok":
        how = f"I-AUROC {_number(record.metrics.get('i_auroc'))}, {record.wall_seconds:.0f} s"
        stderr.print(Text.assemble(("ok", "green"), name, how))
    else:
        stderr.print(Text.assemble((record.status, "red"), name, record.reason))


def print_summary(records: Sequence[Record]) -> None:
    """Print accuracy, speed and memory of every record, and means where a method has several categories."""
    for group in group_records(records):
        print_grid(summary_grid(group))


def print_grid(grid: Grid) -> None:
    """Print a table; where not even one column of numbers fits, lines are longer than the terminal is wide."""
    stdout.print(as_rich(grid), crop=False)


def print_failed_attempts(attempts: Sequence[Record]) -> None:
    """Print which cells went wrong when they were measured again; their earlier numbers stay."""
    for attempt in attempts:
        cell = attempt.cell
        name = f"{cell.label} {cell.category} {cell.shots}-shot {cell.split}"
        _print_note(f"{name} was {attempt.status} when measured again: its earlier numbers are kept. {attempt.reason}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
