"""``harness cache``: files that only save time, and how to clear them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import Duration, json_option, names_argument
from harness.cli.output import bytes_text, counted, listing, print_json
from harness.errors import PrerequisiteError, UsageError

if TYPE_CHECKING:
    from harness.files.caches import Cache, Entry

__all__ = ["command"]


@click.group("cache", invoke_without_command=True)
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
    from harness.report.console import stdout

    (cache,) = _named((name,))
    entries = cache.entries()
    size = _size(cache, entries)
    groups = _groups(entries) if cache.name == "features" else []
    if as_json:
        print_json({**asdict(size), "groups": groups} if cache.name == "features" else size)
        return
    limit = "" if size.limit is None else f" of at most {bytes_text(size.limit)}"
    click.echo(f"{cache.path}: {cache.holds}, made again by {cache.remade}")
    click.echo(f"{_count(size.entries)}, {bytes_text(size.bytes)}{limit}")
    if groups:
        table = listing(("family", "dataset", "category", "entries", "size", "last used"), numbers=("entries", "size"))
        for group in groups:
            keys = (key or "-" for key in (group.family, group.dataset, group.category))
            table.add_row(*keys, str(group.entries), bytes_text(group.bytes), _date(group.used))
        click.echo()
        stdout.print(table)


@command.command("clear", short_help="Remove entries.")
@names_argument()
@click.option("--older-than", type=Duration(), help="Only entries that were not used for this time: 90m, 12h, 30d.")
@json_option
def clear(names: tuple[str, ...], older_than: float | None, as_json: bool) -> None:
    """Remove the entries of the caches NAMES; by default of all that are made again without a download.

    Features that a running cell has used stay, and so does the toy dataset while a cell runs.
    """
    from time import time

    cleared = []
    for cache in _named(names) if names else [cache for cache in _caches() if not cache.downloaded]:
        try:
            removed = cache.clear() if older_than is None else cache.clear(time() - older_than)
        except OSError as error:
            raise PrerequisiteError(f"{cache.path} can't be cleared ({error}): check its permissions.") from error
        size, kept = sum(entry.size for entry in removed), len(cache.entries())
        cleared.append({"name": cache.name, "removed": len(removed), "removed_bytes": size, "kept": kept})
        if not as_json:
            removal = f"{_count(len(removed))} removed ({bytes_text(size)})"
            click.echo(f"{cache.name}: {removal}, {kept} kept, in {cache.path}")
    if as_json:
        print_json({"caches": cleared})


def _list(as_json: bool) -> None:
    from harness.files.cache_dir import cache_dir
    from harness.report.console import stdout

    sizes = [_size(cache, cache.entries()) for cache in _caches()]
    total = sum(size.bytes for size in sizes)
    if as_json:
        print_json({"folder": cache_dir(), "bytes": total, "caches": sizes})
        return
    if not any(size.entries for size in sizes):
        click.echo(f"Nothing is cached in {cache_dir()}.")
        return
    click.echo(f"{cache_dir()}: {bytes_text(total)}\n")
    table = listing(("cache", "entries", "size", "last used", "holds"), numbers=("entries", "size"))
    for size in sizes:
        used = "-" if size.used is None else _date(size.used)
        holds = size.holds + (", downloaded" if size.downloaded else "")
        table.add_row(size.name, str(size.entries), bytes_text(size.bytes), used, holds)
    stdout.print(table)


def _caches() -> list[Cache]:
    """Return all caches; raise PrerequisiteError where a file lies in their folder's place."""
    from harness.files.cache_dir import cache_dir
    from harness.files.caches import CACHES

    if cache_dir().exists() and not cache_dir().is_dir():
        raise PrerequisiteError(f"{cache_dir()} is no folder: set HARNESS_CACHE to a folder that can be written.")
    return list(CACHES.values())


def _named(names: Sequence[str]) -> list[Cache]:
    from harness.registry import nearest_names

    caches = {cache.name: cache for cache in _caches()}
    for name in names:
        if name not in caches:
            raise UsageError(f"There is no cache '{name}': {nearest_names(name, caches)}")
    return [caches[name] for name in names]


@dataclass(frozen=True, slots=True)
class _Size:
    """A cache and the sum of its entries, in bytes; when the newest was last used, in seconds since the epoch."""

    name: str
    path: Path
    holds: str
    remade: str
    downloaded: bool
    entries: int
    bytes: int
    limit: int | None
    used: float | None


@dataclass(frozen=True, slots=True)
class _Group:
    """The sum of the features of one family, dataset and category."""

    family: str
    dataset: str
    category: str
    entries: int
    bytes: int
    used: float


def _size(cache: Cache, entries: Sequence[Entry]) -> _Size:
    from harness.files.array_cache import cache_limit

    return _Size(
        **{name: getattr(cache, name) for name in ("name", "path", "holds", "remade", "downloaded")},
        entries=len(entries),
        bytes=sum(entry.size for entry in entries),
        limit=cache_limit() if cache.name == "features" else None,
        used=max((entry.used for entry in entries), default=None),
    )


def _groups(entries: Sequence[Entry]) -> list[_Group]:
    """Add up the entries of each family, dataset and category, in this order."""
    from harness.files.array_cache import facts_of

    groups: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries:
        facts = facts_of(entry)
        keys = (facts.get("family", ""), facts.get("dataset", ""), facts.get("category", ""))
        groups.setdefault(keys, []).append(entry)
    return [
        _Group(*keys, len(group), sum(entry.size for entry in group), max(entry.used for entry in group))
        for keys, group in ((keys, groups[keys]) for keys in sorted(groups))
    ]


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


def _count(entries: int) -> str:
    return counted(entries, "entry", "entries")
