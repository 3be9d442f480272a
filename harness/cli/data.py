"""``harness data``: download a dataset, or read every file of one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.completion import complete
from harness.cli.options import FOLDER, json_option, names_option, variable_option
from harness.cli.output import console, counted, echo, listing, print_json
from harness.cli.own_data import describe, show
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from rich.text import Text

    _Text = click.ParamType[str]

    from harness.data.verify import CountRow, VerifyProgress, VerifyReport
    from harness.dataset_contract import Split

else:  # generic only in recent versions of click
    _Text = click.ParamType

__all__ = ["command"]

_SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class _Fetchable(_Text):
    """Name of a dataset that can be downloaded; whether it is one is found out by who downloads it."""

    name = "dataset"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return how help shows the value."""
        from harness.data.fetch import fetchable

        return "|".join(fetchable())


@click.group("data")
def command() -> None:
    """Download a dataset, describe or show own data, or check a dataset."""


@command.command("verify", short_help="Count and read every file of a dataset.")
@click.argument("folder", type=FOLDER)
@click.option(
    "--dataset", "-d", shell_complete=complete, help="Name of the dataset; recognized by its content by default."
)
@names_option("--categories", "-c", help="These alone; all of the dataset by default.")
@click.option("--fast", is_flag=True, help="Check the names of files only; read none.")
@json_option
def verify(folder: Path, dataset: str | None, categories: tuple[str, ...], fast: bool, as_json: bool) -> int:
    """Compare the number of samples in FOLDER with the published one, and name every file that can't be used.

    Exits with 0 where the dataset, or what was asked of it, is complete and usable, else with 5.

    \b
    harness data verify ~/data/mvtec3d
    harness data verify ~/data/mvtec3d --categories tire,rope
    """
    from harness.data.verify import verify_dataset

    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: name the one with the categories' folders in it.")
    with _reading() as progress:
        report = verify_dataset(folder, dataset, categories=categories, fast=fast, progress=progress)
    if as_json:
        print_json(report.to_json())
    else:
        _print_report(report, fast=fast)
    return ExitCode.OK if report.ok else ExitCode.PREREQUISITE


@command.command("fetch", short_help="Download, verify and unpack a dataset.")
@click.argument("name", type=_Fetchable())
@variable_option(
    "--to",
    type=FOLDER,
    variable="HARNESS_DATA",
    default=Path("data"),
    help="Folder that other verbs take as --data.",
)
@names_option("--categories", "-c", help="Unpack these alone, and leave out archives that hold none of them.")
@click.option(
    "--from",
    "source",
    metavar="URL|FILE",
    help="URL of a mirror, or path of an archive on disk. A folder, or a URL that ends in a slash, holds several "
    "archives under their published names.",
)
@click.option("--md5", metavar="HEX", help="Digest of the archive; the published one by default.")
@click.option("--yes", is_flag=True, help="Accept the licence without a question.")
def fetch(name: str, to: Path, categories: tuple[str, ...], source: str | None, md5: str | None, yes: bool) -> None:
    """Show a dataset's licence and what it takes, then download it, compare its checksum, and unpack it.

    Sizes that nobody has published are asked of the server. An interrupted download is resumed.

    \b
    harness data fetch mvtec3d --to ~/data
    harness data fetch eyecandies --to ~/data --categories CandyCane --yes
    harness data fetch mvtec3d --to ~/data --categories tire --from ~/Downloads/mvtec_3d_anomaly_detection.tar.xz
    """
    from harness.cli.transfer import transfer_bars
    from harness.data.fetch import fetch_dataset

    def confirm(notice: str) -> bool:
        echo(notice, err=True)
        if yes or not sys.stdin.isatty():
            return yes
        return click.confirm("Do you accept the licence and want to download it?", err=True)

    with transfer_bars() as progress:
        result = fetch_dataset(
            name, to, confirm=confirm, progress=progress, categories=categories or None, source=source, md5=md5
        )
    for note in result.notes:
        echo(note)
    part = f" --categories {','.join(categories)}" if categories else ""
    echo(f"Check it with: harness data verify {result.folder}{part}")


command.add_command(describe)
command.add_command(show)


@contextmanager
def _reading() -> Iterator[VerifyProgress]:
    """Show a bar of samples on standard error."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from harness.report.console import stderr

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True) as bars:
        task = bars.add_task("reading", total=None)
        yield lambda category, done, total: bars.update(task, description=category, completed=done, total=total)


def _print_report(report: VerifyReport, *, fast: bool) -> None:
    from rich.text import Text

    from harness.data.registry import dataset_title

    title = (dataset_title(report.dataset), "bold")
    console().print(Text.assemble(title, f" in {report.root}"), soft_wrap=True)
    published = any(row.published is not None for row in report.counts)
    beside = ", and the published one where it differs" if published else ""
    console().print(f"number of samples{beside}\n", style="dim")
    table = listing(("category", *_SPLITS), numbers=_SPLITS)
    for category in dict.fromkeys(row.category for row in report.counts):
        rows = {row.split: row for row in report.counts if row.category == category}
        table.add_row(category, *(_count_text(rows.get(split)) for split in _SPLITS))
    for category in report.missing_categories:
        table.add_row(category, Text("missing", "red"))
    for category in report.unofficial:
        table.add_row(category, Text("not an official category", "yellow"))
    console().print(table)
    for row in (row for row in report.defects if not row.ok):
        place = (f"{row.category} {row.split}", "red")
        console().print(Text.assemble(place, f": {row.found} of {row.published} samples of {row.defect}"))
    for note in report.notes:
        place = (f"{note.category} {note.split}", "yellow")
        console().print(Text.assemble(place, f": {note.message}"), soft_wrap=True)
    for problem in report.problems:
        place = (f"{problem.category} {problem.split}", "red")
        console().print(Text.assemble(place, f": {problem.message}"), soft_wrap=True)
    scope = "names only, no file was read" if fast else f"{report.decoded} samples were read"
    verdict = ("complete and usable", "green") if report.ok else ("not usable as it is", "red")
    faults = "" if report.ok else f": {_faults(report)}"
    console().print(Text.assemble("\n", verdict, f"{faults} ({scope})"))


def _count_text(row: CountRow | None) -> str | Text:
    from rich.text import Text

    if row is None:
        return "-"
    return str(row.found) if row.ok else Text(f"{row.found} of {row.published}", "red")


def _faults(report: VerifyReport) -> str:
    faults = (
        (len(report.missing_categories), "category is missing", "categories are missing"),
        (sum(not row.ok for row in (*report.counts, *report.defects)), "count differs", "counts differ"),
        (len(report.problems), "file can't be used", "files can't be used"),
    )
    return ", ".join(counted(*fault) for fault in faults if fault[0])
