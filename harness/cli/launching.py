"""``harness run --launcher slurm``: pullers on a cluster, followed from here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import was_typed
from harness.cli.output import counted, echo_notes
from harness.cli.settings import read_slurm_table
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.plan.planning import Plan
    from harness.report.results import Results
    from harness.slurm.follow import Follower
    from harness.slurm.settings import SlurmSettings
    from harness.store.record import Record
    from harness.store.store import Store

__all__ = ["LaunchRequest", "collect_submitted", "launch_options", "launch_plan"]

_OPTIONS = (
    click.option(
        "--launcher",
        type=click.Choice(["local", "slurm"]),
        default="local",
        show_default=True,
        help="slurm: submit pullers to the cluster and follow them; docs/how-to/clusters.md.",
    ),
    click.option(
        "--workers",
        "pullers",
        type=click.IntRange(1),
        help="With a launcher: how many pullers share the cells.  [default: 4]",
    ),
    click.option(
        "--slurm",
        "options",
        multiple=True,
        metavar="KEY=VALUE[,...]",
        help="Options of sbatch: partition=gpu,gres=gpu:1,time=8h; cpu.KEY for methods that use no GPU.",
    ),
    click.option("--setup", multiple=True, metavar="LINE", help="Line of shell before each puller; may be repeated."),
    click.option("--collect", is_flag=True, help="Follow what was submitted before; submit again what was lost."),
)

_BESIDE_COLLECT = ("collect", "launcher", "results", "pullers", "options")


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """Where and how cells are to be run.

    Parameters
    ----------
    launcher
        ``local`` or ``slurm``.
    pullers
        Number of pullers; None where it is not given.
    options
        Of ``sbatch``, as typed.
    setup
        Lines of shell before each puller.
    collect
        Whether earlier pullers are followed, and nothing is planned.
    """

    launcher: str
    pullers: int | None
    options: tuple[str, ...]
    setup: tuple[str, ...]
    collect: bool

    @property
    def on_slurm(self) -> bool:
        """Whether cells run on a cluster."""
        return self.launcher == "slurm"

    def settings(self) -> SlurmSettings:
        """Return what to tell Slurm, by the project and the command line; raise UsageError where that is wrong."""
        from harness.slurm.settings import read_slurm_settings

        return read_slurm_settings(read_slurm_table(), self.options, self.setup, self.pullers)

    def check(self, ctx: click.Context) -> None:
        """Raise UsageError for options that are wrong or don't go together.

        Parameters
        ----------
        ctx
            Of ``harness run``.
        """
        for param in ctx.command.params:
            typed = was_typed(ctx, param.name or "")
            if typed and self.collect and param.name not in _BESIDE_COLLECT:
                raise UsageError(f"{param.opts[0]} was decided at submission: leave it out, or --collect.")
            if typed and not (self.collect or self.on_slurm) and param.name in ("pullers", "options", "setup"):
                raise UsageError(f"{param.opts[0]} is for pullers on a cluster: give '--launcher slurm', too.")
        if self.on_slurm or self.collect:
            self.settings()


def launch_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of launchers; the function gets them as ``launching``."""

    @functools.wraps(function)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        request = LaunchRequest(**{name: options.pop(name) for name in LaunchRequest.__dataclass_fields__})
        return function(*arguments, launching=request, **options)

    for option in reversed(_OPTIONS):
        wrapper = option(wrapper)
    return wrapper


def launch_plan(
    request: LaunchRequest, plan: Plan, store: Store, *, devices: tuple[str, ...], timeout: float | None, **keep: bool
) -> tuple[Results, int]:
    """Submit pullers for a plan, follow them, and return the records of all its cells, and how many have none.

    Parameters
    ----------
    request
        What to submit.
    plan
        As checked.
    store
        Where records are written.
    devices
        Names, which the pullers resolve.
    timeout
        Seconds that a cell may take.
    keep
        ``save_fitted`` and ``save_maps``.
    """
    from harness.plan.plan_file import plan_file_of
    from harness.report.results import Results
    from harness.slurm.follow import Follower
    from harness.slurm.launch import launch
    from harness.store.pending import drop_finished, save_pending

    settings = request.settings()
    file = plan_file_of(plan, store, devices=devices, timeout=timeout, **keep)
    with Follower(settings.poll_seconds, settings.look_again_seconds) as follower:
        if file.entries:
            save_pending(store.folder, [cell for entry in file.entries for cell in entry.job.cells])
            launch(follower, file, settings, store.all())
        followed = _follow(follower)
    drop_finished(store.folder)
    records, failed = [], []
    for planned in plan.cells:
        present, written = store.read(planned.job.cell), followed.get(planned.job.cell.id)
        if written is not None and written.status != "ok" and present is not None and present.status == "ok":
            failed.append(written)
            written = present
        records.append(written or present)
    return Results(filter(None, records), store, failed), len(follower.unmeasured)


def collect_submitted(request: LaunchRequest, store: Store) -> tuple[Results, int]:
    """Follow what was submitted before for a results folder; return its records, and how many cells have none.

    Raises
    ------
    NothingMeasuredError
        Where nothing was submitted that has not come to its end.
    """
    from harness.report.results import Results
    from harness.report.tables import NothingMeasuredError
    from harness.slurm.follow import Follower
    from harness.slurm.launch import collect
    from harness.store.pending import drop_finished

    settings = request.settings()
    with Follower(settings.poll_seconds, settings.look_again_seconds) as follower:
        collect(follower, store.folder, settings.pullers)
        if not follower.submissions:
            raise NothingMeasuredError(
                f"No puller has anything left to do for {store.folder}: see 'harness status', or name another folder "
                "with --results DIR."
            )
        followed = _follow(follower)
    drop_finished(store.folder)
    return Results(followed.values(), store), len(follower.unmeasured)


def _follow(follower: Follower) -> dict[str, Record]:
    """Follow pullers behind a bar until they have come to their end; return what they have written, by cell."""
    from harness.report.console import stderr
    from harness.report.progress import follow_with_progress

    if not follower.submissions:
        return {}
    ids = " ".join(str(job) for submission in follower.submissions for job in submission.jobs)
    folders = ", ".join(dict.fromkeys(str(submission.folder.parent) for submission in follower.submissions))
    cells = counted(follower.cells, "cell")
    stderr.print(f"{cells} for pullers of Slurm, jobs {ids}; what they print is in {folders}.", soft_wrap=True)
    try:
        followed = follow_with_progress(follower)
    except KeyboardInterrupt:
        echo_notes(
            [f"the pullers go on: 'harness run --collect' follows them, 'harness cancel' or 'scancel {ids}' ends them."]
        )
        raise
    if follower.unmeasured:
        words = next(filter(None, (submission.last_words() for submission in follower.submissions)), "")
        echo_notes(
            [
                f"{counted(len(follower.unmeasured), 'cell')} without a record, and no puller is left"
                f"{f' ({words})' if words else ''}: the same command, or 'harness run --collect', submits others."
            ]
        )
    return followed
