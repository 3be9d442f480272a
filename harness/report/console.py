"""What a person sees in the terminal while and after cells run."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.cell import Cell
from harness.plan import Plan
from harness.store import Record

__all__ = ["print_outcome", "print_plan", "print_summary", "stderr", "stdout"]

stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False)

_SHOWN = (
    ("i_auroc", "I-AUROC"),
    ("p_auroc", "P-AUROC"),
    ("aupro_30", "AUPRO@30%"),
    ("aupro_1", "AUPRO@1%"),
    ("aupro_30_official", "AUPRO@30%\nofficial"),
    ("aupro_1_official", "AUPRO@1%\nofficial"),
)


def print_plan(plan: Plan) -> None:
    """Print every planned cell and why it runs or is skipped."""
    table = Table(title=f"{len(plan.to_run)} of {len(plan.cells)} cells to run", title_justify="left")
    for heading in ("method", "dataset", "category", "shots", "split", "preset", "weights", "action", "why"):
        table.add_column(heading)
    for planned in plan.cells:
        cell = planned.job.cell
        table.add_row(
            escape(cell.label),
            cell.dataset,
            cell.category,
            str(cell.shots),
            cell.split,
            cell.protocol.preset,
            cell.protocol.weights,
            planned.action,
            escape(planned.why),
        )
    for note in plan.notes:
        stderr.print(f"[bold yellow]{escape(note)}[/]")
    stdout.print(table)


def print_outcome(cell: Cell, record: Record) -> None:
    """Print one line for a finished cell."""
    name = escape(f"{cell.label} {cell.category} {cell.shots}-shot {cell.split}")
    if record.status == "ok":
        seconds = sum(record.seconds.values())
        stderr.print(f"[green]ok[/] {name}: I-AUROC {_number(record.metrics.get('i_auroc'))}, {seconds:.0f} s")
    else:
        stderr.print(f"[red]{record.status}[/] {name}: {escape(record.reason)}")


def print_summary(records: Sequence[Record]) -> None:
    """Print metrics, speed and memory of every record, and means where a method has several categories."""
    if not records:
        return
    cell = records[0].cell
    table = Table(
        title=f"{cell.dataset}, preset {cell.protocol.preset}, {cell.protocol.weights} weights", title_justify="left"
    )
    for heading in ("method", "category", "shots", "split"):
        table.add_column(heading)
    for _, heading in _SHOWN:
        table.add_column(heading, justify="right")
    for heading in ("infer ms\n(device)", "end to\nend ms", "state\nMB"):
        table.add_column(heading, justify="right")
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.cell.label, str(record.cell.shots), record.cell.split), []).append(record)
    for group in groups.values():
        for record in group:
            table.add_row(*_row(record))
        if len(group) > 1:
            table.add_row(*_mean_row(group), style="bold", end_section=True)
    stdout.print(table)


def _row(record: Record) -> list[str]:
    cell = record.cell
    start = [escape(cell.label), cell.category, str(cell.shots), cell.split]
    if record.status != "ok":
        return [*start, f"[red]{record.status}[/]"]
    return [
        *start,
        *(_number(record.metrics.get(name)) for name, _ in _SHOWN),
        _number(record.latency.get("device", {}).get("median_ms"), 1),
        _number(record.latency.get("end_to_end", {}).get("median_ms"), 1),
        _number(record.memory.get("paper_mb"), 1),
    ]


def _mean_row(group: Sequence[Record]) -> list[str]:
    cell = group[0].cell
    start = [escape(cell.label), f"mean of {len(group)}", str(cell.shots), cell.split]
    bad = [record.cell.category for record in group if record.status != "ok"]
    if bad:
        return [*start, f"- ({', '.join(bad)} not ok)"]
    values = [[record.metrics.get(name) for record in group] for name, _ in _SHOWN]
    return [*start, *(_number(mean(v)) if None not in v else "-" for v in values)]  # type: ignore[type-var]


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
