"""``harness verify``: whether methods keep the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from harness.cli.options import Duration, NameList, device_option, join, json_option
from harness.errors import ExitCode

if TYPE_CHECKING:
    from rich.progress import Progress

    from harness.conformance import Verdict
    from harness.running.events import Event

__all__ = ["command"]

_STYLES = {"pass": "green", "fail": "bold red", "skip": "yellow"}


@click.command("verify", short_help="Check that methods keep the contract; exit 3 if one does not.")
@click.argument("names", type=NameList(), nargs=-1, required=True)
@device_option
@click.option(
    "--timeout", type=Duration(), default="30m", show_default=True, help="Time a method may take: 90s, 30m, 2h."
)
@json_option
def command(names: tuple[tuple[str, ...], ...], device: str, timeout: float, as_json: bool) -> int:
    """Run the conformance suite on methods NAMES: names, globs, name[parameter=value], all.

    Each method is fitted twice on five samples of the toy dataset, with random weights and the preset 'quick', in a
    process of its own, so a crash is a failed check. Exits with 3 where a check fails, with 5 where none fails but a
    method can't run here at all, for example for want of a package.

    \b
    harness verify cfm-t
    harness verify 'cfm-t[epochs=2]' my-method --json
    """
    from harness import registry
    from harness.running.devices import choose_device

    methods = [str(spec) for spec in registry.parse(join(names))]
    verdicts = _verify(methods, choose_device(device), timeout)
    if as_json:
        from harness.cli.output import print_json

        print_json([verdict.to_json() for verdict in verdicts])
    else:
        for verdict in verdicts:
            _print(verdict)
    return _exit_code(verdicts)


def _exit_code(verdicts: Sequence[Verdict]) -> ExitCode:
    for verdict in verdicts:
        if verdict.cannot_run:
            click.echo(f"harness: Method '{verdict.method}' can't run here: {verdict.cannot_run}", err=True)
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


class _Bar:
    """How far the checks of one method are, and within them how far fitting is."""

    def __init__(self, bars: Progress, method: str, total: int) -> None:
        self._bars, self._method = bars, method
        self._task = bars.add_task(f"{method}: starting", total=total)
        self._begun, self._stage = 0, "starting"

    def on_event(self, event: Event) -> None:
        """Move the bar; called from a thread."""
        steps = ""
        if event.kind == "stage":
            self._begun, self._stage = self._begun + 1, event.stage
        elif event.kind == "progress":
            steps = f" ({event.stage} {event.done} of {event.total})"
        description = f"{self._method}: {self._stage}{steps}"
        self._bars.update(self._task, description=description, completed=max(0, self._begun - 1))

    def remove(self) -> None:
        """Take the bar off the screen."""
        self._bars.remove_task(self._task)


def _print(verdict: Verdict) -> None:
    from rich.markup import escape

    from harness.cli.output import listing
    from harness.report.console import stdout

    table = listing(("check", "result", "what"))
    for outcome in verdict.outcomes:
        result = f"[{_STYLES[outcome.status]}]{outcome.status}[/]"
        table.add_row(outcome.check, result, escape(outcome.sentence))
    counts = ", ".join(
        f"{len(found)} {status}" for status in ("pass", "fail", "skip") if (found := verdict.with_status(status))
    )
    stdout.print(f"[bold]{escape(verdict.method)}[/]: {counts} ({verdict.seconds:.0f} s, {verdict.device})")
    stdout.print(table)
    stdout.print()
