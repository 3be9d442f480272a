"""``harness run``: plan, run, and end with a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.completion import complete
from harness.cli.launching import LaunchRequest, collect_submitted, launch_options, launch_plan
from harness.cli.options import (
    FILE,
    FOLDER,
    Duration,
    data_option,
    devices_option,
    names_option,
    results_option,
    unverified_option,
    was_typed,
    weights_dir_option,
)
from harness.cli.output import counted, echo_notes, print_json
from harness.cli.pulling import Moment, pull, refuse_beside_plan, write_plan_file
from harness.cli.query_options import folders_to_name, tell_left_out
from harness.data.conditions import NONE
from harness.data.registry import DEFAULT_DATASET
from harness.data.splits import parse_shots
from harness.errors import ExitCode, PrerequisiteError, UsageError

if TYPE_CHECKING:
    from harness.plan.planning import Plan
    from harness.plan.selection import Selection
    from harness.report.results import Results
    from harness.store.store import Store

__all__ = ["command"]


@click.command("run")
@names_option(
    "--methods",
    "-m",
    help="Names, globs, name[parameter=value], FILE.py:CLASS, all; with --suite: only these of its methods.",
)
@names_option(
    "--suite",
    "suites",
    help="What a table of the paper needs: table1 to table7, all. --categories and --shots narrow it.",
)
@click.option(
    "--dataset",
    "-d",
    shell_complete=complete,
    help="A name in 'harness datasets'; with --suite toy rehearses it.  [default: what --data holds, else toy, or that "
    "of the suite]",
)
@data_option
@names_option("--categories", "-c", help="Names or globs; all categories on disk by default.")
@names_option(
    "--shots",
    "-n",
    help="Training samples: 1, 2, ..., full.  [default: 10, or those of the suite; full with --checkpoint]",
)
@names_option(
    "--split",
    "splits",
    default="first",
    help="Few-shot lists: first (as the paper's authors did), 0 to 4.  [default: first]",
)
@names_option(
    "--condition",
    "conditions",
    help="Change test samples, one fit for all: none, rgb-shift:2, rgb-rotate:1, xyz-noise:0.5mm, xyz-dropout:0.3, "
    "light:0.7, blur:1, missing:rgb, missing:xyz:0.5. Pixels are those of samples as they are read, before maps are "
    "resized to 224.  [default: none]",
)
@names_option(
    "--contaminate",
    "shares",
    help="Put anomalies of the test set into training: shares of the training list; 0.1:no-overlap removes them from "
    "the test set.",
)
@click.option("--preset", envvar="HARNESS_PRESET", help="paper or quick.  [default: quick on toy, else paper]")
@click.option(
    "--weights",
    type=click.Choice(["auto", "pretrained", "random"]),
    envvar="HARNESS_WEIGHTS",
    default="auto",
    show_default=True,
    help="auto: pretrained, or random on the toy dataset where they are missing.",
)
@weights_dir_option
@unverified_option
@click.option("--checkpoint", type=FOLDER, help="Folder of released trained weights, evaluated without training.")
@click.option("--save-fitted", is_flag=True, help="Keep each fitted method in RESULTS/fitted, for 'harness predict'.")
@click.option("--no-cache", is_flag=True, help="Compute every feature: neither read nor fill 'harness cache'.")
@click.option("--save-maps", is_flag=True, help="Keep the maps of all test images in RESULTS/maps, for 'harness show'.")
@click.option(
    "--log", type=FOLDER, help="Write training logs as they come: CSV, TensorBoard and loggers that are installed."
)
@devices_option
@click.option("--timeout", type=Duration(), envvar="HARNESS_TIMEOUT", help="Time a cell may take: 90s, 30m, 2h.")
@names_option(
    "--rerun",
    help="failed: only cells whose last attempt failed; all: every cell; METHOD: also this method's measured cells.",
)
@click.option(
    "--write-plan", type=FILE, help="Write the plan to a file, for any number of 'run --plan', and run nothing."
)
@click.option(
    "--plan",
    type=FILE,
    help="Measure the unclaimed cells of a plan file (--write-plan); exit when none is left.",
)
@click.option(
    "--until",
    type=Moment(),
    help="With --plan: take no cell whose --timeout ends later; 8h from now, or 2030-01-31T18:00.  [default: the end "
    "of the job of Slurm, if this is one]",
)
@click.option("--max-cells", "most", type=click.IntRange(1), help="With --plan: measure at most this many cells.")
@launch_options
@results_option
@click.option(
    "-v", "--verbose", "verbosity", type=int, flag_value=1, default=0, help="Print a line for each stage, too."
)
@click.option(
    "-q", "--quiet", "verbosity", type=int, flag_value=-1, help="Print no bars, and no lines of cells that are ok."
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the plan, why each cell runs or is skipped, and an estimate of the time from earlier records; "
    "with --suite also where the dataset is missing.",
)
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print the plan as JSON.")
def command(
    methods: tuple[str, ...],
    suites: tuple[str, ...],
    dataset: str | None,
    shots: tuple[str, ...],
    checkpoint: Path | None,
    device: tuple[str, ...],
    timeout: float | None,
    write_plan: Path | None,
    plan: Path | None,
    until: float | None,
    most: int | None,
    results: Path,
    verbosity: int,
    dry_run: bool,
    as_json: bool,
    no_cache: bool,
    launching: LaunchRequest,
    conditions: tuple[str, ...],
    shares: tuple[str, ...],
    **chosen: Any,
) -> int:
    """Run every chosen method on every chosen category, one record for each cell.

    A cell that is measured already is skipped, so the same command continues an interrupted run. Cells that failed, and
    those whose code or data have changed since, run again. Where a measured cell fails when it is run again, its
    earlier numbers are kept; later runs skip it, with a notice, until --rerun names it.

    \b
    harness run --methods cfm,cfm-t --shots 10
    harness run --methods 'cfm*,cfm[aggregate=2d]' --dataset mvtec3d --data ~/data --shots 5,10,50,full
    harness run --methods cfm --log logs              losses as they come, in a file for each cell
    harness run --suite table6 --data ~/data --dry-run
    harness run --methods all --data ~/data --timeout 2h --write-plan plan.json
    harness run --plan plan.json                      on every machine that shares the folders; as often as you like
    harness run --methods all --data ~/data --launcher slurm --workers 8 --slurm partition=gpu,gres=gpu:1,time=8h
    """
    from harness.files.array_cache import cache_limit
    from harness.measure.environment import machine_of
    from harness.plan.selection import Selection
    from harness.report.console import stderr
    from harness.running.devices import check_device_names, choose_devices
    from harness.store.store import Store

    context = click.get_current_context()
    if plan is not None:
        refuse_beside_plan(context)
        typed = {name: was_typed(context, name) for name in ("results", "device")}
        folder, named = results if typed["results"] else None, device if typed["device"] else ()
        return pull(plan, folder, named, until, most, verbosity)
    if until is not None or most is not None:
        raise UsageError("--until and --max-cells are for a run that takes cells of a plan: give --plan FILE, too.")
    launching.check(context)
    store = Store(results)
    if launching.collect:
        store.ensure_writable()
        return _print_results(*collect_submitted(launching, store), store=store)
    if as_json and not dry_run:
        raise UsageError("--json prints a plan: give --dry-run too, or see 'harness status --json' after the run.")
    if not (methods or suites):
        raise UsageError("Nothing is chosen: give --methods, such as '--methods cfm,cfm-t', or '--suite table6'.")
    cache_limit()
    check_device_names(device)
    elsewhere = write_plan is not None or launching.on_slurm
    devices = device if elsewhere else choose_devices(device)
    sizes = shots or _default_shots(suites, checkpoint)
    base = (NONE,) if shares or not conditions else ()
    selection = Selection(
        methods=methods,
        dataset=dataset or (_found_dataset(chosen["data"]) if not suites else DEFAULT_DATASET),
        shots=tuple(map(parse_shots, sizes)),
        checkpoint=checkpoint,
        conditions=(*base, *conditions, *(f"contaminate:{share}" for share in shares)),
        cache=not no_cache,
        machines=() if elsewhere else tuple(map(machine_of, devices)),
        **chosen,
    )
    if dry_run and suites and _outlined(selection, suites, dataset, as_json=as_json):
        return ExitCode.OK
    with stderr.status("Comparing the selection with existing records …"):
        planned = _plan(selection, store, suites, dataset)
    if dry_run:
        return _show(planned, store, devices, as_json=as_json)
    keep = {"save_fitted": selection.save_fitted, "save_maps": selection.save_maps}
    if write_plan is not None:
        return write_plan_file(write_plan, planned, store, devices=devices, timeout=timeout, **keep)
    store.ensure_writable()
    return _execute(planned, store, launching, verbosity, devices=devices, timeout=timeout, **keep)


def _execute(
    plan: Plan,
    store: Store,
    launching: LaunchRequest,
    verbosity: int,
    *,
    devices: tuple[str, ...],
    timeout: float | None,
    **keep: bool,
) -> int:
    """Run the cells of a plan, print the table of all cells of the plan, and return the exit code."""
    from harness.api import run_plan
    from harness.report.console import print_notes, stderr

    print_notes(plan)
    tell_left_out(store)
    if not plan.to_run:
        stderr.print(f"Nothing to do: {_why_nothing(plan)}, in {store.cells}.")
    _tell_skipped_failures(plan)
    if launching.on_slurm:
        return _print_results(
            *launch_plan(launching, plan, store, devices=devices, timeout=timeout, **keep), store=store
        )
    records = run_plan(plan, store, devices=devices, timeout=timeout, verbosity=verbosity, **keep)
    return _print_results(records, store=store)


def _print_results(records: Results, unmeasured: int = 0, *, store: Store) -> int:
    """Print the table of all cells of a run, and return the exit code."""
    from harness.report.console import print_failed_attempts, print_summary, stderr
    from harness.report.overview import compare_hint
    from harness.store.query import RecordQuery

    print_summary(records)
    print_failed_attempts(records.failed)
    if hint := compare_hint(records, RecordQuery(), folders_to_name(store)):
        stderr.print(hint, style="dim", soft_wrap=True)
    all_ok = all(record.status == "ok" for record in (*records, *records.failed))
    return ExitCode.OK if all_ok and not unmeasured else ExitCode.CELL_NOT_OK


def _tell_skipped_failures(plan: Plan) -> None:
    """Say which cells are skipped although the last attempt at them went wrong: their earlier numbers stay."""
    from harness.store.store import Store

    skipped = [planned.job for planned in plan.cells if planned.action == "skip"]
    if number := sum(Store(job.results).failed_path(job.cell).exists() for job in skipped):
        what = f"{counted(number, 'cell')} went wrong when measured again; the earlier numbers are kept"
        echo_notes([f"{what}: 'harness status --failed' says why, --rerun failed tries again."])


def _why_nothing(plan: Plan) -> str:
    never_run = sum(planned.why == "no record yet" for planned in plan.cells)
    if not never_run:
        return f"all {len(plan.cells)} cells are measured already"
    return f"none of the {len(plan.cells)} cells went wrong ({never_run} were never run: leave out --rerun failed)"


def _found_dataset(data: Path | None) -> str:
    """Return the dataset in the folder that --data names; without the option toy, whatever a variable says."""
    from harness.data.open import dataset_in

    typed = was_typed(click.get_current_context(), "data")
    return dataset_in(data) if typed and data is not None else DEFAULT_DATASET


def _default_shots(suites: Sequence[object], checkpoint: Path | None) -> tuple[str, ...]:
    if checkpoint is not None:
        return ("full",)
    return () if suites else ("10",)


def _plan(selection: Selection, store: Store, suites: Sequence[str], dataset: str | None) -> Plan:
    """Plan a selection, narrowed by suites where there are some; note the size of the maps where they are kept."""
    from harness.plan.planning import join_plans, make_plan
    from harness.plan.suites import suite_selections
    from harness.store.maps import size_note

    if suites:
        selections, notes = suite_selections(suites, selection, dataset)
        plan = join_plans([make_plan(part, store) for part in selections], notes)
    else:
        plan = make_plan(selection, store)
    running = [(planned.job.cell.method, planned.test_samples) for planned in plan.cells if planned.action == "run"]
    note = size_note(running) if selection.save_maps else ""
    return replace(plan, notes=(*plan.notes, note)) if note else plan


def _outlined(selection: Selection, suites: Sequence[str], dataset: str | None, *, as_json: bool) -> bool:
    """Print the outline of suites where one of their datasets is missing; return whether that is so."""
    from harness.plan.planning import Plan
    from harness.plan.suites import suite_outline, suite_selections
    from harness.report.console import print_notes, print_outline

    selections, notes = suite_selections(suites, selection, dataset)
    missing = tuple(reason for reason in map(_without_data, selections) if reason)
    if not missing:
        return False
    rows, notes = suite_outline(selections), (*notes, *missing)
    if as_json:
        print_notes(Plan((), notes))
        print_json({"outline": rows, "notes": notes})
    else:
        print_outline(rows, notes)
    return True


def _without_data(selection: Selection) -> str:
    """Return what a user must do to get the dataset of a selection; empty where it is there."""
    from harness.data.open import open_dataset

    try:
        open_dataset(selection.dataset, selection.data)
    except PrerequisiteError as error:
        return str(error)
    return ""


def _show(plan: Plan, store: Store, devices: Sequence[str], *, as_json: bool) -> int:
    """Print what would run, and how long it takes by earlier records."""
    from harness.plan.estimate import estimate
    from harness.report.console import print_notes, print_plan

    time = estimate(plan, store.all(), devices)
    tell_left_out(store)
    if as_json:
        print_notes(plan)
        return print_json({**plan.to_json(), "time": time.to_json()})
    print_plan(plan, time)
    return ExitCode.OK
