"""``harness run``: plan, run, and end with a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from harness.cli.options import (
    NameList,
    Seconds,
    data_option,
    devices_option,
    join,
    results_option,
    weights_dir_option,
)
from harness.errors import ExitCode
from harness.splits import parse_shots

__all__ = ["command"]


@click.command("run", short_help="Run methods on a dataset; ends with a table.")
@click.option(
    "--methods", "-m", type=NameList(), multiple=True, required=True, help="Names, globs, name[parameter=value], all."
)
@click.option("--dataset", "-d", default="toy", show_default=True, help="toy, mvtec3d or eyecandies.")
@data_option
@click.option("--categories", "-c", type=NameList(), multiple=True, help="Names or globs; all that are found.")
@click.option(
    "--shots",
    "-n",
    type=NameList(),
    multiple=True,
    help="5, 10, 50, full.  [default: 10; full with --checkpoint]",
)
@click.option(
    "--split",
    "splits",
    type=NameList(),
    multiple=True,
    default=[("first",)],
    help="Few-shot lists: first (as the paper's authors did), 0 to 4.  [default: first]",
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
@click.option("--unverified", is_flag=True, help="Take weight files that differ from the published ones.")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of released trained weights, evaluated without training.",
)
@click.option("--save-fitted", is_flag=True, help="Keep each fitted method in RESULTS/fitted, for 'harness predict'.")
@click.option("--no-cache", is_flag=True, help="Extract everything anew: neither read nor fill 'harness cache'.")
@devices_option
@click.option("--timeout", type=Seconds(), envvar="HARNESS_TIMEOUT", help="Time a cell may take: 90s, 30m, 2h.")
@click.option(
    "--rerun",
    type=NameList(),
    multiple=True,
    help="failed: only cells that went wrong; all: every cell; METHOD: its cells too, measured or not.",
)
@click.option(
    "--write-jobs",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a file for each cell, for 'harness worker' elsewhere, and run nothing.",
)
@results_option
@click.option("--dry-run", is_flag=True, help="Print the plan and why each cell runs or is skipped.")
def command(
    methods: tuple[tuple[str, ...], ...],
    dataset: str,
    data: Path | None,
    categories: tuple[tuple[str, ...], ...],
    shots: tuple[tuple[str, ...], ...],
    splits: tuple[tuple[str, ...], ...],
    preset: str | None,
    weights: Literal["auto", "pretrained", "random"],
    device: tuple[str, ...],
    timeout: float | None,
    rerun: tuple[tuple[str, ...], ...],
    write_jobs: Path | None,
    results: Path,
    dry_run: bool,
    save_fitted: bool,
    **where: Any,
) -> int:
    """Run every chosen method on every chosen category, one record for each cell.

    A cell that is measured already is skipped, so the same command goes on where it was interrupted; cells that went
    wrong run again.

    \b
    harness run --methods cfm,cfm-t --shots 10
    harness run --methods 'cfm*,cfm[aggregate=2d]' --dataset mvtec3d --data ~/data --shots 5,10,50,full
    """
    from harness.cache import cache_limit
    from harness.cli.running import execute, write_jobs_to
    from harness.launch.device import choose_devices
    from harness.plan import Selection, make_plan
    from harness.report.console import print_plan
    from harness.store import Store

    selection = Selection(
        methods=join(methods),
        dataset=dataset,
        data=data,
        categories=join(categories),
        shots=tuple(parse_shots(text) for text in join(shots) or ("full" if where["checkpoint"] else "10",)),
        splits=join(splits),
        preset=preset,
        weights=weights,
        weights_dir=where["weights_dir"],
        unverified=where["unverified"],
        checkpoint=where["checkpoint"],
        save_fitted=save_fitted,
        rerun=join(rerun),
        cache=not where["no_cache"],
    )
    cache_limit()
    devices = choose_devices(device)
    store = Store(results)
    plan = make_plan(selection, store)
    if dry_run:
        print_plan(plan)
        return ExitCode.OK
    if write_jobs is not None:
        return write_jobs_to(write_jobs, plan, store, device=devices[0], save_fitted=save_fitted)
    store.ensure_writable()
    return execute(plan, store, devices=devices, timeout=timeout, save_fitted=save_fitted)
