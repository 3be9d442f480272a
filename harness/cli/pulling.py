"""``harness run --write-plan`` and ``--plan``: a plan that several processes measure, on one machine or on many."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import Duration, was_typed
from harness.cli.output import counted
from harness.cli.query_options import tell_left_out
from harness.errors import ExitCode, PrerequisiteError, UsageError

if TYPE_CHECKING:
    from harness.plan.planning import Plan
    from harness.running.puller import Puller
    from harness.store.store import Store

    _Number = click.ParamType[float]
else:
    _Number = click.ParamType

__all__ = ["Moment", "pull", "refuse_beside_plan", "write_plan_file"]

_BESIDE_PLAN = {
    "plan": "--plan",
    "results": "--results",
    "device": "--devices",
    "until": "--until",
    "most": "--max-cells",
    "verbosity": "-v and -q",
}
_END_VARIABLE = "SLURM_JOB_END_TIME"


class Moment(_Number):
    """A time: ``8h`` from now, ISO 8601, or seconds since the epoch; seconds since the epoch is what it becomes."""

    name = "time"
    _FIRST = 1e9
    """A smaller number is a duration."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse a text; pass a number on."""
        text = str(value).strip()
        if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII) and len(text) < 20 and float(text) >= self._FIRST:
            return float(text)
        try:
            if re.match(r"\d{4}-", text, re.ASCII):
                return datetime.fromisoformat(text).timestamp()
            return time.time() + Duration().convert(text, param, ctx)
        except (ValueError, OverflowError, OSError, click.BadParameter):
            self.fail(f"'{value}' is not a valid time: write 8h for 8 hours from now, or 2030-01-31T18:00.", param, ctx)


def refuse_beside_plan(ctx: click.Context) -> None:
    """Raise UsageError where an option is typed that a plan has decided."""
    beside = ", ".join(option for name, option in _BESIDE_PLAN.items() if name != "plan")
    for param in ctx.command.params:
        if param.name not in _BESIDE_PLAN and was_typed(ctx, param.name or ""):
            raise UsageError(
                f"{param.opts[0]} can't be combined with --plan; only {beside} can: write a new plan with "
                "'harness run --methods NAME --write-plan FILE'."
            )


def write_plan_file(path: Path, plan: Plan, store: Store, *, devices: Sequence[str], **settings: Any) -> ExitCode:
    """Write the file of a plan, and tell 'harness status' of its cells."""
    from harness.plan.plan_file import plan_file_of, write_plan
    from harness.report.console import print_notes, stderr
    from harness.store.pending import save_pending

    print_notes(plan)
    tell_left_out(store)
    file = plan_file_of(plan, store, devices=devices, **settings)
    write_plan(path, file)
    if file.entries:
        save_pending(store.folder, [cell for entry in file.entries for cell in entry.job.cells])
    start = f": start any number of 'harness run --plan {path}', then 'harness status'." if file.entries else "."
    stderr.print(f"{counted(file.cells, 'cell')} to run in {path}{start}", soft_wrap=True)
    return ExitCode.OK


def pull(
    path: Path,
    results: Path | None,
    devices: Sequence[str],
    until: float | None,
    most: int | None,
    verbosity: int = 0,
) -> ExitCode:
    """Measure what nobody has claimed of a plan; report in the end who has measured what.

    Parameters
    ----------
    path
        File of the plan.
    results
        Results folder in place of the plan's.
    devices
        Names of devices in place of the plan's; empty for these.
    until
        Seconds since the epoch; None: when the job of Slurm ends, if this is one.
    most
        Number of cells that are taken at most.
    verbosity
        As for :func:`harness.report.progress.run_with_progress`.
    """
    from harness.files.lock_test import lock_problem
    from harness.plan.plan_file import read_plan
    from harness.report.console import stderr
    from harness.report.progress import run_with_progress
    from harness.running.devices import choose_devices
    from harness.running.interrupts import end_with_signals
    from harness.running.puller import Puller
    from harness.store.pending import drop_finished
    from harness.store.store import Store

    plan = read_plan(path)
    folder = results or plan.results
    chosen = choose_devices(devices or plan.devices)
    Store(folder).ensure_writable()
    if problem := lock_problem(folder / "locks"):
        raise PrerequisiteError(problem)
    puller = Puller(plan, folder, devices=chosen, until=until or _end_of_job(), most=most)
    end_with_signals()
    run_with_progress(puller.run, plan.cells, chosen, lambda: len(puller.elsewhere), verbosity=verbosity)
    drop_finished(folder)
    stderr.print(_summary(puller), soft_wrap=True)
    return ExitCode.OK if all(record.status == "ok" for record in puller.measured) else ExitCode.CELL_NOT_OK


def _end_of_job() -> float | None:
    """Return when the job of Slurm ends in which this runs, seconds since the epoch; None where it is unknown."""
    text = os.environ.get(_END_VARIABLE, "")
    return float(text) if re.fullmatch(r"\d{10,12}", text, re.ASCII) else None


def _summary(puller: Puller) -> str:
    wrong = sum(record.status != "ok" for record in puller.measured)
    here = f"{len(puller.measured)} measured here" + (f" ({wrong} not ok)" if wrong else "")
    parts = [here, f"{len(puller.elsewhere)} elsewhere"]
    if puller.held:
        by = dict.fromkeys(str(holder) for holder in puller.holders_of_held())
        parts.append(f"{len(puller.held)} being measured by others" + (f" ({'; '.join(by)})" if by else ""))
    if puller.left:
        parts.append(f"{len(puller.left)} not taken: the time or the number of cells that was given is used up")
    more = f"; {puller.plan.measured} more were measured before the plan" if puller.plan.measured else ""
    return f"{counted(puller.plan.cells, 'cell')} in the plan: {', '.join(parts)}{more}."
