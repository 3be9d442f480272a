"""``harness data``: download a dataset, or read every file of one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import NameList, join, json_option
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from harness.data.base import Split
    from harness.data.fetch import FetchProgress
    from harness.data.verify import CountRow, VerifyProgress, VerifyReport

__all__ = ["command"]

_SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@click.group("data", short_help="Download a dataset, or check one.")
def command() -> None:
    """Download a dataset, or check one."""


@command.command("verify", short_help="Count and read every file of a dataset.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--dataset", "-d", help="Its name; found out by its content by default.")
@click.option("--fast", is_flag=True, help="Look at names only, read no file.")
@json_option
def verify(folder: Path, dataset: str | None, fast: bool, as_json: bool) -> int:
    """Count the samples of FOLDER against the published counts and name every file that can't be used.

    Exits with 0 where the dataset is complete and usable, else with 5.

    \b
    harness data verify ~/data/mvtec3d
    """
    from harness.cli.output import print_json
    from harness.data.verify import verify_dataset

    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: name the one with the categories' folders in it.")
    with _reading() as progress:
        report = verify_dataset(folder, dataset, fast=fast, progress=progress)
    if as_json:
        print_json(report.to_json())
    else:
        _print_report(report, fast=fast)
    return ExitCode.OK if report.ok else ExitCode.PREREQUISITE


@command.command("fetch", short_help="Download, verify and unpack a dataset.")
@click.argument("name", metavar="mvtec3d|eyecandies")
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="HARNESS_DATA",
    show_envvar=True,
    default=Path("data"),
    show_default=True,
    help="Folder that is given to other verbs with --data.",
)
@click.option("--categories", "-c", type=NameList(), multiple=True, help="Leave out archives that hold none of these.")
@click.option("--yes", is_flag=True, help="Accept the licence without being asked.")
def fetch(name: str, to: Path, categories: tuple[tuple[str, ...], ...], yes: bool) -> None:
    """Show a dataset's licence, then download it, verify what has a published checksum, and unpack it.

    An interrupted download goes on where it stopped.

    \b
    harness data fetch mvtec3d --to ~/data
    harness data fetch eyecandies --to ~/data --categories CandyCane --yes
    """
    from harness.data.fetch import fetch_dataset

    def confirm(notice: str) -> bool:
        click.echo(notice, err=True)
        if yes or not sys.stdin.isatty():
            return yes
        return click.confirm("Do you accept the licence and want to download it?", err=True)

    with _downloading() as progress:
        result = fetch_dataset(name, to, confirm=confirm, progress=progress, categories=join(categories) or None)
    for note in result.notes:
        click.echo(note)
    click.echo(f"Check it with: harness data verify {result.folder}")


@contextmanager
def _reading() -> Iterator[VerifyProgress]:
    """Show a bar of samples on standard error."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from harness.report.console import stderr

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True) as bars:
        task = bars.add_task("reading", total=None)
        yield lambda category, done, total: bars.update(task, description=category, completed=done, total=total)


@contextmanager
def _downloading() -> Iterator[FetchProgress]:
    """Show a bar for every file that is downloaded or unpacked on standard error; none before the first byte."""
    from harness.cli.transfer import transfer_bars

    with transfer_bars() as show:
        yield show


def _print_report(report: VerifyReport, *, fast: bool) -> None:
    from rich.markup import escape

    from harness.cli.output import listing
    from harness.data.base import DATASETS
    from harness.report.console import stdout

    stdout.print(f"[bold]{DATASETS[report.dataset].title}[/] in {escape(str(report.root))}", soft_wrap=True)
    stdout.print("samples found, and the published number where it differs\n", style="dim")
    table = listing(("category", *_SPLITS), numbers=_SPLITS)
    for category in dict.fromkeys(row.category for row in report.counts):
        rows = {row.split: row for row in report.counts if row.category == category}
        table.add_row(category, *(_count(rows.get(split)) for split in _SPLITS))
    for category in report.missing_categories:
        table.add_row(category, "[red]missing[/]")
    stdout.print(table)
    for problem in report.problems:
        stdout.print(f"[red]{problem.category} {problem.split}[/]: {escape(problem.message)}", soft_wrap=True)
    looked = "names only, no file was read" if fast else f"{report.decoded} samples were read"
    verdict = "[green]complete and usable[/]" if report.ok else f"[red]not usable as it is[/]: {_faults(report)}"
    stdout.print(f"\n{verdict} ({looked})")


def _count(row: CountRow | None) -> str:
    if row is None:
        return "-"
    return str(row.found) if row.ok else f"[red]{row.found} of {row.published}[/]"


def _faults(report: VerifyReport) -> str:
    faults = (
        (len(report.missing_categories), "category is missing", "categories are missing"),
        (sum(not row.ok for row in report.counts), "count differs", "counts differ"),
        (len(report.problems), "file can't be used", "files can't be used"),
    )
    return ", ".join(f"{number} {one if number == 1 else many}" for number, one, many in faults if number)
