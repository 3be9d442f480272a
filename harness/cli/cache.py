"""``harness cache``: features that cells share, and how to be rid of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import json_option

if TYPE_CHECKING:
    from harness.files.array_cache import ArrayCache, Entry

    _Number = click.ParamType[float]
else:  # generic only in recent versions of click
    _Number = click.ParamType

__all__ = ["command"]

_SECONDS = {"m": 60, "h": 3600, "d": 86400}


class _Age(_Number):
    """An age in seconds: ``90m``, ``12h``, ``30d``."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse a text; pass a number on."""
        if isinstance(value, int | float):
            return float(value)
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([mhd])", value.strip())
        if found is None:
            self.fail(f"'{value}' is no age: write 90m, 12h or 30d.", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


@click.group("cache", invoke_without_command=True, short_help="Show or clear features that cells share.")
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show what lies in the cache of extracted features, by method family, dataset and category.

    'harness run' fills it and reads it, unless --no-cache is given. HARNESS_CACHE_LIMIT is its limit, 20GB by default;
    what was not used for the longest time goes first.

    \b
    harness cache
    harness cache clear --older-than 30d
    """
    if ctx.invoked_subcommand is None:
        _show(as_json)


@command.command("clear", short_help="Remove entries.")
@click.option("--older-than", type=_Age(), help="Only what was not used for this time: 90m, 12h, 30d.")
@json_option
def clear(older_than: float | None, as_json: bool) -> None:
    """Remove all entries but those that a running cell has used. They are made again where they are needed."""
    from time import time

    from harness.cli.output import bytes_text, print_json
    from harness.errors import PrerequisiteError
    from harness.files.array_cache import ArrayCache

    cache = ArrayCache()
    try:
        gone = cache.clear() if older_than is None else cache.clear(time() - older_than)
    except OSError as error:
        raise PrerequisiteError(f"{cache.folder} can't be cleared ({error}): check its permissions.") from error
    size, kept = sum(entry.size for entry in gone), len(cache.entries())
    if as_json:
        print_json({"folder": str(cache.folder), "removed": len(gone), "removed_bytes": size, "kept": kept})
    else:
        click.echo(f"{_entries(len(gone))} removed ({bytes_text(size)}), {kept} kept, in {cache.folder}")


def _show(as_json: bool) -> None:
    from harness.cli.output import print_json
    from harness.files.array_cache import ArrayCache

    cache = ArrayCache()
    entries = cache.entries()
    groups = _groups(entries)
    if as_json:
        held = {"entries": len(entries), "bytes": sum(entry.size for entry in entries), "limit": cache.limit}
        print_json({"folder": str(cache.folder), **held, "groups": groups})
    else:
        _print(cache, entries, groups)


def _groups(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Add up the entries of each family, dataset and category, in this order."""
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    for entry in entries:
        about = entry.about()
        names = {name: about.get(name, "") for name in ("family", "dataset", "category")}
        group = groups.setdefault(tuple(names.values()), {**names, "entries": 0, "bytes": 0, "used": 0.0})
        group["entries"] += 1
        group["bytes"] += entry.size
        group["used"] = max(group["used"], entry.used)
    return [groups[key] for key in sorted(groups)]


def _print(cache: ArrayCache, entries: Sequence[Entry], groups: Sequence[dict[str, Any]]) -> None:
    from datetime import datetime

    from harness.cli.output import bytes_text, listing
    from harness.report.console import stdout

    size = bytes_text(sum(entry.size for entry in entries))
    click.echo(f"folder {cache.folder}")
    click.echo(f"{_entries(len(entries))}, {size} of at most {bytes_text(cache.limit)}")
    if not groups:
        return
    table = listing(("family", "dataset", "category", "entries", "size", "last used"), numbers=("entries", "size"))
    for group in groups:
        used = datetime.fromtimestamp(group["used"]).strftime("%Y-%m-%d %H:%M")
        named = (group[name] or "-" for name in ("family", "dataset", "category"))
        table.add_row(*named, str(group["entries"]), bytes_text(group["bytes"]), used)
    click.echo()
    stdout.print(table)


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"
