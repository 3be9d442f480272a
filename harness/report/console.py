"""What a person sees in the terminal while and after cells run."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.cell import Cell
from harness.plan import Plan
from harness.store import Record

__all__ = ["print_outcome", "print_plan", "print_summary", "stderr", "stdout"]

stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False)

_ACCURACY = (
    ("i_auroc", "I-\nAUROC"),
    ("p_auroc", "P-\nAUROC"),
    ("aupro_30", "AUPRO\n@30%"),
    ("aupro_1", "AUPRO\n@1%"),
    ("aupro_30_official", "@30%\nofficial"),
    ("aupro_1_official", "@1%\nofficial"),
)
_COSTS = ("infer\nms", "end to\nend ms", "infer\nfps", "weights +\nbank MB", "peak\nMB", "cell\ns")


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
    """Print accuracy, then speed and memory of every record, with means where a method has several categories."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.cell.label, str(record.cell.shots), record.cell.split), []).append(record)
    if not groups:
        return
    cell = records[0].cell
    title = f"{cell.dataset}, preset {cell.protocol.preset}, {cell.protocol.weights} weights"
    accuracy = _table(f"Accuracy: {title}", [heading for _, heading in _ACCURACY])
    costs = _table(f"Speed and memory: {_hardware(records)}", _COSTS)
    for group in groups.values():
        for record in group:
            accuracy.add_row(*_start(record), *_accuracy(record))
            costs.add_row(*_start(record), *_cost(record))
        if len(group) > 1:
            accuracy.add_row(*_start(group[0])[:1], f"mean of {len(group)}", "", *_means(group), style="bold")
        accuracy.add_section()
        costs.add_section()
    stdout.print(accuracy)
    stdout.print(costs)


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for heading in ("method", "category", "shots"):
        table.add_column(heading, overflow="fold", min_width=len(heading), no_wrap=heading == "category")
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _hardware(records: Sequence[Record]) -> str:
    names = {str(name) for record in records if (name := record.environment.get("device_name"))}
    return ", ".join(sorted(names)) or "-"


def _start(record: Record) -> list[str]:
    cell = record.cell
    return [escape(cell.label), cell.category, f"{cell.shots}" + ("" if cell.split == "first" else f" ({cell.split})")]


def _accuracy(record: Record) -> list[str]:
    if record.status != "ok":
        return [f"[red]{record.status}[/]"]
    return [_number(record.metrics.get(name)) for name, _ in _ACCURACY]


def _cost(record: Record) -> list[str]:
    if record.status != "ok":
        return [f"[red]{record.status}[/]"]
    device = record.latency.get("device", {})
    return [
        _number(device.get("median_ms"), 1),
        _number(record.latency.get("end_to_end", {}).get("median_ms"), 1),
        _number(device.get("fps"), 2),
        _number(record.memory.get("paper_mb"), 1),
        _number(record.memory.get("peak_score", {}).get("mb"), 0),
        _number(sum(record.seconds.values()), 0),
    ]


def _means(group: Sequence[Record]) -> list[str]:
    bad = [record.cell.category for record in group if record.status != "ok"]
    if bad:
        return [f"- ({', '.join(bad)})"]
    return [_mean([record.metrics.get(name) for record in group]) for name, _ in _ACCURACY]


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return _number(mean(known)) if len(known) == len(values) else "-"


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
