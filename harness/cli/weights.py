"""``harness weights``: pretrained files that methods need, and which of them are present."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option, names_argument, weights_dir_option
from harness.cli.output import console, echo, echo_notes, fact_table, print_json
from harness.distribution import install_command
from harness.errors import ExitCode, HarnessError, UsageError

if TYPE_CHECKING:
    from harness.contract import WeightFile
    from harness.data.weights import WeightStatus

__all__ = ["command"]

_STATES = {
    ("present", True): ("present, verified", "green", ""),
    ("present", False): ("present", "green", ", no sha256 of it is published"),
    ("unverified", False): ("differs from the published file", "red", ": fetch it again, or run with --unverified"),
    ("missing", False): ("missing", "yellow", ": harness weights fetch"),
}


@click.group("weights", invoke_without_command=True)
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
@names_argument()
@weights_dir_option
@click.pass_obj
def fetch(outer_dir: Path | None, names: tuple[str, ...], weights_dir: Path | None) -> int:
    """Download the files with NAMES (of files or of methods; all by default) and verify their sha256.

    An interrupted download is resumed; a file that is there is left alone. What a Python package ships is installed
    with it instead: 'harness weights' names the command.
    """
    from harness.cli.transfer import transfer_bars
    from harness.data.weights import WeightStore

    files = _chosen(_files(), names)
    store = WeightStore(weights_dir or outer_dir)
    for file in files:
        echo(f"{file.name}: licence {file.licence}, from {file.url}", err=True)
    failures: list[HarnessError] = []
    with transfer_bars() as show:
        for file in files:
            try:
                store.fetch(file, partial(show, file.name))
            except HarnessError as error:
                failures.append(error)
    for status in map(store.status, files):
        if status.state == "present":
            digest = "its sha256 is the published one" if status.verified else "no sha256 of it is published"
            echo(f"{status.path}: {digest}")
    echo_notes(failures)
    return failures[0].exit_code if failures else ExitCode.OK


def _files() -> dict[WeightFile, list[str]]:
    """Return all files that methods declare and the names of these methods."""
    from harness import registry

    users: dict[WeightFile, list[str]] = {}
    for name in registry.usable_names():
        for file in registry.load(name).meta.weights:
            users.setdefault(file, []).append(name)
    return users


def _chosen(files: Mapping[WeightFile, Sequence[str]], names: Sequence[str]) -> list[WeightFile]:
    from harness.registry import nearest_names

    chosen: dict[WeightFile, None] = {} if names else dict.fromkeys(file for file in files if not file.shipped)
    for name in names:
        matching = [file for file, methods in files.items() if name == file.name or name in methods]
        if not matching:
            known = {file.name for file in files} | {method for methods in files.values() for method in methods}
            raise UsageError(
                f"'{name}' is neither a weight file nor a method with weights: {nearest_names(name, known)}"
            )
        chosen.update(dict.fromkeys(matching))
    return list(chosen)


def _list(weights_dir: Path | None, as_json: bool) -> None:
    from rich.text import Text

    from harness.data.weights import WeightStore

    store = WeightStore(weights_dir)
    files = [(file, methods, store.status(file)) for file, methods in _files().items()]
    if as_json:
        print_json({"folder": store.folder, "files": [_plain(*file) for file in files]})
        return
    console().print(f"folder {store.folder}\n", soft_wrap=True)
    for file, methods, status in files:
        facts = {
            "used by": ", ".join(methods),
            "size": f"{file.size:,} bytes" if file.size else "not published",
            "sha256": file.sha256 or "not published",
            "licence": file.licence,
            "from": file.url,
            "or": ", ".join(file.alternatives),
            "by": install_command(file.extra) if file.shipped else "",
            "path": str(status.path or ""),
        }
        state, style, more = _STATES[status.state, status.verified]
        more = "" if file.shipped and status.state == "missing" else more
        console().print(Text.assemble((file.name, "bold"), "  ", (state, style), more))
        console().print(fact_table("dim", [(f"    {name}", fact) for name, fact in facts.items() if fact]))
        console().print()


def _plain(file: WeightFile, methods: Sequence[str], status: WeightStatus) -> dict[str, object]:
    state = {"state": status.state, "verified": status.verified, "path": status.path, "found_sha256": status.sha256}
    return {**asdict(file), "methods": methods, **state}
