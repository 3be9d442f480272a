"""``harness weights``: pretrained files that methods need, and what is there of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import NameList, join, json_option, weights_dir_option
from harness.errors import ExitCode, HarnessError, UsageError

if TYPE_CHECKING:
    from harness.contract import WeightFile
    from harness.data.weights import WeightStatus, WeightStore

__all__ = ["command"]


@click.group("weights", invoke_without_command=True, short_help="List or download pretrained weights.")
@weights_dir_option
@json_option
@click.pass_context
def command(ctx: click.Context, weights_dir: Path | None, as_json: bool) -> None:
    """List every pretrained file: which methods use it, its size, digest and licence, and whether it is there.

    \b
    harness weights
    harness weights fetch
    """
    ctx.obj = weights_dir
    if ctx.invoked_subcommand is None:
        _list(weights_dir, as_json)


@command.command("fetch", short_help="Download and verify weight files.")
@click.argument("names", type=NameList(), nargs=-1)
@weights_dir_option
@click.pass_obj
def fetch(outer_dir: Path | None, names: tuple[tuple[str, ...], ...], weights_dir: Path | None) -> int:
    """Download the files with NAMES (of files or of methods; all by default) and verify their sha256.

    An interrupted download goes on where it stopped; a file that is there is left alone.
    """
    from harness.cli.transfer import transfer_bars
    from harness.data.weights import WeightStore

    files = _chosen(_files(), join(names))
    store = WeightStore(weights_dir or outer_dir)
    for file in files:
        click.echo(f"{file.name}: licence {file.licence}, from {file.url}", err=True)
    failures: list[HarnessError] = []
    with transfer_bars() as show:
        for file in files:
            try:
                store.fetch(file, partial(show, file.name))
            except HarnessError as error:
                failures.append(error)
    for file in files:
        _print_outcome(file, store.status(file))
    for failure in failures:
        click.echo(f"harness: {failure}", err=True)
    return failures[0].exit_code if failures else ExitCode.OK


def _print_outcome(file: WeightFile, status: WeightStatus) -> None:
    checked = "its sha256 is the published one" if status.verified else "no sha256 of it is published"
    if status.state == "present":
        click.echo(f"{status.path}: {checked}")


def _files() -> dict[WeightFile, list[str]]:
    """Return all files that methods declare and the names of these methods; a broken plugin is a warning."""
    from harness import registry
    from harness.cli.output import warn

    found: dict[WeightFile, list[str]] = {}
    for name in registry.method_names():
        try:
            files = registry.load(name).meta.weights
        except UsageError as error:
            warn(str(error))
            continue
        for file in files:
            found.setdefault(file, []).append(name)
    return found


def _chosen(files: Mapping[WeightFile, Sequence[str]], names: Sequence[str]) -> list[WeightFile]:
    from harness.registry import nearest_names

    chosen: dict[WeightFile, None] = {} if names else dict.fromkeys(files)
    for name in names:
        matching = [file for file, methods in files.items() if name == file.name or name in methods]
        if not matching:
            known = {file.name for file in files} | {method for methods in files.values() for method in methods}
            raise UsageError(f"There is no weight file, and no method with one, '{name}': {nearest_names(name, known)}")
        chosen.update(dict.fromkeys(matching))
    return list(chosen)


def _list(weights_dir: Path | None, as_json: bool) -> None:
    from harness.cli.output import print_json
    from harness.data.weights import WeightStore

    store = WeightStore(weights_dir)
    found = [_describe(file, methods, store.status(file)) for file, methods in _files().items()]
    if as_json:
        print_json({"folder": str(store.folder), "files": found})
    else:
        _print(found, store)


def _describe(file: WeightFile, methods: Sequence[str], status: WeightStatus) -> dict[str, Any]:
    return {
        "name": file.name,
        "methods": list(methods),
        "size": file.size,
        "sha256": file.sha256,
        "licence": file.licence,
        "url": file.url,
        "alternatives": list(file.alternatives),
        "state": status.state,
        "verified": status.verified,
        "path": None if status.path is None else str(status.path),
        "found_sha256": status.sha256,
    }


_STATES = {
    ("present", True): "[green]present, verified[/]",
    ("present", False): "[green]present[/], no sha256 of it is published",
    ("unverified", False): "[red]differs from the published file[/]: fetch it again, or run with --unverified",
    ("missing", False): "[yellow]missing[/]: harness weights fetch",
}


def _print(found: Sequence[dict[str, Any]], store: WeightStore) -> None:
    from rich.markup import escape
    from rich.table import Table

    from harness.report.console import stdout

    stdout.print(f"folder {escape(str(store.folder))}\n", soft_wrap=True)
    for file in found:
        stdout.print(f"[bold]{file['name']}[/]  {_STATES[file['state'], file['verified']]}")
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim")
        table.add_column(overflow="fold")
        table.add_row("    used by", ", ".join(file["methods"]))
        table.add_row("    size", f"{file['size']:,} bytes" if file["size"] else "not published")
        table.add_row("    sha256", file["sha256"] or "not published")
        table.add_row("    licence", file["licence"])
        table.add_row("    from", file["url"])
        if file["alternatives"]:
            table.add_row("    or", ", ".join(file["alternatives"]))
        if file["path"]:
            table.add_row("    path", escape(file["path"]))
        stdout.print(table)
        stdout.print()
