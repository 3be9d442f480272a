"""``harness cache``: files that only save time, and how to clear them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from harness.cli.options import Duration, json_option, names_argument
from harness.cli.output import bytes_text, console, counted, echo, listing, print_json
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
    """Show where a cache is and how it is made again; of features also the size by family, dataset and category."""
    (cache,) = _named((name,))
    entries = cache.entries()
    facts, total = _plain(cache, entries), _Total.of(entries)
    groups = _groups(entries) if cache.name == "features" else []
    if as_json:
        plain = [{"family": f, "dataset": d, "category": c, **asdict(group)} for (f, d, c), group in groups]
        print_json({**facts, "groups": plain} if cache.name == "features" else facts)
        return
    limit = f" of at most {bytes_text(_limit())}" if cache.name == "features" else ""
    echo(f"{cache.path}: {cache.holds}, made again by {cache.remade}")
    echo(f"{_count(total.entries)}, {bytes_text(total.bytes)}{limit}")
    if groups:
        table = listing(("family", "dataset", "category", "entries", "size", "last used"), numbers=("entries", "size"))
        for keys, group in groups:
            table.add_row(*(key or "-" for key in keys), *group.texts())
        echo("")
        console().print(table)


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
            echo(f"{cache.name}: {removal}, {kept} kept, in {cache.path}")
    if as_json:
        print_json({"caches": cleared})


def _list(as_json: bool) -> None:
    from harness.files.cache_dir import cache_dir

    contents = {cache: cache.entries() for cache in _caches()}
    totals = {cache: _Total.of(entries) for cache, entries in contents.items()}
    size = sum(total.bytes for total in totals.values())
    caches = [_plain(cache, entries) for cache, entries in contents.items()]
    if as_json:
        print_json({"folder": cache_dir(), "bytes": size, "caches": caches})
        return
    if not any(contents.values()):
        echo(f"Nothing is cached in {cache_dir()}.")
        return
    echo(f"{cache_dir()}: {bytes_text(size)}\n")
    table = listing(("cache", "entries", "size", "last used", "holds"), numbers=("entries", "size"))
    for cache, total in totals.items():
        table.add_row(cache.name, *total.texts(), cache.holds + (", downloaded" if cache.downloaded else ""))
    console().print(table)


def _caches() -> list[Cache]:
    """Return all caches; raise PrerequisiteError where a file is in their folder's place."""
    from harness.files.cache_dir import cache_dir
    from harness.files.caches import CACHES

    if cache_dir().exists() and not cache_dir().is_dir():
        raise PrerequisiteError(f"{cache_dir()} is not a folder: set HARNESS_CACHE to a folder that can be written.")
    return list(CACHES.values())


def _named(names: Sequence[str]) -> list[Cache]:
    from harness.registry import nearest_names

    caches = {cache.name: cache for cache in _caches()}
    for name in names:
        if name not in caches:
            raise UsageError(f"There is no cache '{name}': {nearest_names(name, caches)}")
    return [caches[name] for name in names]


@dataclass(frozen=True, slots=True)
class _Total:
    """The sum of entries, in bytes, and when the newest was last used, in seconds since the epoch."""

    entries: int
    bytes: int
    used: float | None

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> _Total:
        used = max((entry.used for entry in entries), default=None)
        return cls(len(entries), sum(entry.size for entry in entries), used)

    def texts(self) -> tuple[str, str, str]:
        """Return what tables print: number of entries, size, time."""
        used = "-" if self.used is None else datetime.fromtimestamp(self.used).strftime("%Y-%m-%d %H:%M")
        return str(self.entries), bytes_text(self.bytes), used


def _plain(cache: Cache, entries: Sequence[Entry]) -> dict[str, object]:
    facts = {name: getattr(cache, name) for name in ("name", "path", "holds", "remade", "downloaded")}
    return {**facts, "limit": _limit() if cache.name == "features" else None, **asdict(_Total.of(entries))}


def _limit() -> int:
    from harness.files.array_cache import cache_limit

    return cache_limit()


def _groups(entries: Sequence[Entry]) -> list[tuple[tuple[str, str, str], _Total]]:
    """Add up the entries of each family, dataset and category, in this order."""
    from harness.files.array_cache import facts_of

    groups: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries:
        facts = facts_of(entry)
        keys = (facts.get("family", ""), facts.get("dataset", ""), facts.get("category", ""))
        groups.setdefault(keys, []).append(entry)
    return [(keys, _Total.of(groups[keys])) for keys in sorted(groups)]


def _count(entries: int) -> str:
    return counted(entries, "entry", "entries")
