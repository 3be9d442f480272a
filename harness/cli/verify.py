"""``harness verify``: whether methods, and readers of datasets, keep their contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import Duration, data_option, device_option, json_option, names_argument, names_option
from harness.cli.output import console, echo_notes, listing, print_json
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from harness.conformance import Verdict
    from harness.running.events import Event

__all__ = ["command"]

_STYLES = {"pass": "green", "fail": "bold red", "skip": "yellow"}


@click.command("verify")
@names_argument()
@names_option("--dataset", "-d", help="Datasets whose readers are verified, on the files that --data names.")
@data_option
@device_option
@click.option(
    "--timeout", type=Duration(), default="30m", show_default=True, help="Time a method may take: 90s, 30m, 2h."
)
@json_option
def command(
    names: tuple[str, ...], dataset: tuple[str, ...], data: Path | None, device: str, timeout: float, as_json: bool
) -> int:
    """Run the conformance suite on methods NAMES: names, globs, name[parameter=value], all; or on datasets' readers.

    Each method is fitted twice on five samples of the toy dataset, with random weights and the preset 'quick', in a
    process of its own, so a crash is a failed check. Exits with 3 where a check fails, with 5 where none fails but a
    method can't run here at all, for example because a package is missing.

    \b
    harness verify cfm-t
    harness verify 'cfm-t[epochs=2]' my-method --json
    harness verify --dataset folder --data ~/parts
    """
    from harness import registry
    from harness.running.devices import choose_device

    if not names and not dataset:
        raise UsageError("Nothing is named: give methods, as in 'harness verify cfm-t', or a dataset with --dataset.")
    methods = [str(spec) for spec in registry.parse(names)] if names else []
    verdicts = _verify(methods, choose_device(device), timeout) if methods else []
    verdicts += [_verify_reader(name, data) for name in dataset]
    if as_json:
        print_json([verdict.to_json() for verdict in verdicts])
    else:
        for verdict in verdicts:
            _print(verdict)
    return _exit_code(verdicts)


def _exit_code(verdicts: Sequence[Verdict]) -> ExitCode:
    echo_notes([f"{v.kind.title()} '{v.name}' can't run here: {v.cannot_run}" for v in verdicts if v.cannot_run])
    if any(verdict.with_status("fail") for verdict in verdicts):
        return ExitCode.CELL_NOT_OK
    return ExitCode.OK if all(verdict.passed for verdict in verdicts) else ExitCode.PREREQUISITE


def _verify(methods: Sequence[str], device: str, timeout: float) -> list[Verdict]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from harness.conformance import CHECKS, verify_method
    from harness.report.console import stderr

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True) as bars:
        verdicts = []
        for method in methods:
            bar = _Bar(bars, method, len(CHECKS))
            verdicts.append(verify_method(method, device=device, timeout=timeout, on_event=bar.on_event))
            bar.remove()
    return verdicts


def _verify_reader(name: str, data: Path | None) -> Verdict:
    from rich.status import Status

    from harness.conformance import verify_reader
    from harness.report.console import stderr

    with Status(f"{name}: starting", console=stderr) as status:
        return verify_reader(name, data, on_check=lambda check: status.update(f"{name}: {check.name}"))


class _Bar:
    """How far the checks of one method are, and within them how far fitting is."""

    def __init__(self, bars: Progress, method: str, total: int) -> None:
        self._bars, self._method = bars, method
        self._task = bars.add_task(f"{method}: starting", total=total)
        self._started, self._stage = 0, "starting"

    def on_event(self, event: Event) -> None:
        """Move the bar; called from a thread."""
        steps = ""
        if event.kind == "stage":
            self._started, self._stage = self._started + 1, event.stage
        elif event.kind == "progress":
            steps = f" ({event.stage} {event.done} of {event.total})"
        description = f"{self._method}: {self._stage}{steps}"
        self._bars.update(self._task, description=description, completed=max(0, self._started - 1))

    def remove(self) -> None:
        """Take the bar off the screen."""
        self._bars.remove_task(self._task)


def _print(verdict: Verdict) -> None:
    from rich.text import Text

    table = listing(("check", "result", "what"))
    for outcome in verdict.outcomes:
        table.add_row(outcome.check, Text(outcome.status, _STYLES[outcome.status]), outcome.sentence)
    numbers = {status: len(verdict.with_status(status)) for status in ("pass", "fail", "skip")}
    counts = ", ".join(f"{number} {status}" for status, number in numbers.items() if number)
    facts = f": {counts} ({verdict.seconds:.0f} s, {verdict.device})"
    console().print(Text.assemble((verdict.name, "bold"), facts))
    console().print(table)
    console().print()
