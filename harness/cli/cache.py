"""``harness cache``: what lies on disk only to save time, and how to clear it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import Duration, NameList, join, json_option

if TYPE_CHECKING:
    from harness.files.caches import Cache, Entry

__all__ = ["command"]


@click.group("cache", invoke_without_command=True, short_help="Show or clear what can be made again.")
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show every cache: what it holds, its size and when it was last used.

    HARNESS_CACHE moves them all. HARNESS_CACHE_LIMIT is the limit of features, 20GB by default: those that were not
    used for the longest time are removed first.

    \b
    harness cache
    harness cache show features
    harness cache clear features --older-than 30d
    """
    if ctx.invoked_subcommand is None:
        _list(as_json)


@command.command("show", short_help="Show one cache.")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show where a cache lies and how it is made again; of features also the size by family, dataset and category."""
    from harness.cli.output import bytes_text, listing, print_json
    from harness.report.console import stdout

    (cache,) = _named((name,))
    entries = cache.entries()
    facts = _facts(cache, entries)
    groups = _groups(entries) if cache.name == "features" else []
    if as_json:
        print_json({**facts, "groups": groups} if cache.name == "features" else facts)
        return
    limit = f" of at most {bytes_text(facts['limit'])}" if facts["limit"] is not None else ""
    click.echo(f"{cache.path}: {cache.holds}, made again by {cache.remade}")
    click.echo(f"{_count(entries)}, {bytes_text(facts['bytes'])}{limit}")
    if groups:
        table = listing(("family", "dataset", "category", "entries", "size", "last used"), numbers=("entries", "size"))
        for group in groups:
            keys = (group[key] or "-" for key in ("family", "dataset", "category"))
            table.add_row(*keys, str(group["entries"]), bytes_text(group["bytes"]), _date(group["used"]))
        click.echo()
        stdout.print(table)


@command.command("clear", short_help="Remove entries.")
@click.argument("names", type=NameList(), nargs=-1)
@click.option("--older-than", type=Duration(), help="Only what was not used for this time: 90m, 12h, 30d.")
@json_option
def clear(names: tuple[tuple[str, ...], ...], older_than: float | None, as_json: bool) -> None:
    """Remove the entries of the caches NAMES; by default of all that are made again without a download.

    Features that a running cell has used stay, and while one runs so does the toy dataset.
    """
    from time import time

    from harness.cli.output import bytes_text, print_json
    from harness.errors import PrerequisiteError

    cleared = []
    for cache in _named(join(names)) if names else [cache for cache in _caches() if not cache.downloaded]:
        try:
            gone = cache.clear() if older_than is None else cache.clear(time() - older_than)
        except OSError as error:
            raise PrerequisiteError(f"{cache.path} can't be cleared ({error}): check its permissions.") from error
        size, kept = sum(entry.size for entry in gone), len(cache.entries())
        cleared.append({"name": cache.name, "removed": len(gone), "removed_bytes": size, "kept": kept})
        if not as_json:
            click.echo(f"{cache.name}: {_count(gone)} removed ({bytes_text(size)}), {kept} kept, in {cache.path}")
    if as_json:
        print_json({"caches": cleared})


def _list(as_json: bool) -> None:
    from harness.cli.output import bytes_text, listing, print_json
    from harness.files.cache_dir import cache_dir
    from harness.report.console import stdout

    rows = [_facts(cache, cache.entries()) for cache in _caches()]
    total = sum(row["bytes"] for row in rows)
    if as_json:
        print_json({"folder": str(cache_dir()), "bytes": total, "caches": rows})
        return
    if not any(row["entries"] for row in rows):
        click.echo(f"Nothing is cached in {cache_dir()}.")
        return
    click.echo(f"{cache_dir()}: {bytes_text(total)}\n")
    table = listing(("cache", "entries", "size", "last used", "holds"), numbers=("entries", "size"))
    for row in rows:
        used = "-" if row["used"] is None else _date(row["used"])
        holds = row["holds"] + (", downloaded" if row["downloaded"] else "")
        table.add_row(row["name"], str(row["entries"]), bytes_text(row["bytes"]), used, holds)
    stdout.print(table)


def _caches() -> list[Cache]:
    """Return all caches; raise PrerequisiteError where a file lies in their folder's place."""
    from harness.errors import PrerequisiteError
    from harness.files.cache_dir import cache_dir
    from harness.files.caches import CACHES

    if cache_dir().exists() and not cache_dir().is_dir():
        raise PrerequisiteError(f"{cache_dir()} is no folder: set HARNESS_CACHE to a folder that can be written.")
    return list(CACHES.values())


def _named(names: Sequence[str]) -> list[Cache]:
    from harness.errors import UsageError
    from harness.registry import nearest_names

    caches = {cache.name: cache for cache in _caches()}
    for name in names:
        if name not in caches:
            raise UsageError(f"There is no cache '{name}': {nearest_names(name, caches)}")
    return [caches[name] for name in names]


def _facts(cache: Cache, entries: Sequence[Entry]) -> dict[str, Any]:
    from harness.files.array_cache import cache_limit

    return {
        "name": cache.name,
        "path": str(cache.path),
        "holds": cache.holds,
        "remade": cache.remade,
        "downloaded": cache.downloaded,
        "entries": len(entries),
        "bytes": sum(entry.size for entry in entries),
        "limit": cache_limit() if cache.name == "features" else None,
        "used": max((entry.used for entry in entries), default=None),
    }


def _groups(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Add up the entries of each family, dataset and category, in this order."""
    from harness.files.array_cache import facts_of

    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    for entry in entries:
        facts = facts_of(entry)
        keys = {key: facts.get(key, "") for key in ("family", "dataset", "category")}
        group = groups.setdefault(tuple(keys.values()), {**keys, "entries": 0, "bytes": 0, "used": 0.0})
        group["entries"] += 1
        group["bytes"] += entry.size
        group["used"] = max(group["used"], entry.used)
    return [groups[key] for key in sorted(groups)]


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


def _count(entries: Sequence[Entry]) -> str:
    return "1 entry" if len(entries) == 1 else f"{len(entries)} entries"
