"""The options that choose records: one set for every verb that reads them, spelled the same everywhere."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import NameList, join

if TYPE_CHECKING:
    from harness.store.query import RecordQuery
    from harness.store.store import Store

__all__ = ["folders_to_name", "query_options"]

_Function = Callable[..., Any]

_STATUSES = ("ok", "failed", "oom", "timeout", "killed", "unsupported")


class _Repeatable(click.Option):
    """An option that may be repeated, and that a settings file may set to one text."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Take one text for a list of one."""
        return super().type_cast_value(ctx, (value,) if isinstance(value, str) else value)


# Names of parameters differ from those of 'run' where settings of a project say how to run: they choose no records.
_OPTIONS = (
    click.option("--dataset", "-d", default="", help="One dataset; all by default."),
    click.option("--methods", "-m", type=NameList(), multiple=True, help="Names, globs, or name[parameter=value]."),
    click.option("--categories", "-c", type=NameList(), multiple=True, help="Names or globs; all by default."),
    click.option("--shots", "-n", type=NameList(), multiple=True, help="5, 10, 50, full; all by default."),
    click.option("--split", "splits", type=NameList(), multiple=True, help="Few-shot lists: first, or seeds 0 to 4."),
    click.option("--preset", "wanted_preset", default="", help="paper or quick; all by default."),
    click.option("--weights", "wanted_weights", default="", help="pretrained or random; all by default."),
    click.option(
        "--device", "wanted_device", default="", help="cpu, cuda, or a part of a machine's name; all by default."
    ),
    click.option("--status", "statuses", type=NameList(), multiple=True, help=f"{', '.join(_STATUSES)}."),
    click.option(
        "--results",
        cls=_Repeatable,
        type=click.Path(path_type=Path, file_okay=False),
        multiple=True,
        envvar="HARNESS_RESULTS",
        show_envvar=True,
        default=(Path("results"),),
        show_default="results",
        help="Folder of records; may be given more than once.",
    ),
)


def folders_to_name(store: Store) -> tuple[Path, ...]:
    """Return the results folders that a command must name to read the same records; none for the default one."""
    return () if store.folders_read == (Path("results"),) else store.folders_read


def query_options(function: _Function) -> _Function:
    """Add the options that choose records; the function gets them as ``query``, and the folders as ``store``."""

    @functools.wraps(function)
    def wrapper(*arguments: Any, results: tuple[Path, ...], **options: Any) -> Any:
        from harness.store.store import open_store

        query = _query(**{name: options.pop(name) for name in _QUERY})
        return function(*arguments, query=query, store=open_store(results), **options)

    for option in reversed(_OPTIONS):
        wrapper = option(wrapper)
    return wrapper


_QUERY = (
    "dataset",
    "methods",
    "categories",
    "shots",
    "splits",
    "wanted_preset",
    "wanted_weights",
    "wanted_device",
    "statuses",
)


def _query(
    dataset: str,
    methods: tuple[tuple[str, ...], ...],
    categories: tuple[tuple[str, ...], ...],
    shots: tuple[tuple[str, ...], ...],
    splits: tuple[tuple[str, ...], ...],
    wanted_preset: str,
    wanted_weights: str,
    wanted_device: str,
    statuses: tuple[tuple[str, ...], ...],
) -> RecordQuery:
    from harness.data.splits import parse_shots, require_split_name
    from harness.store.query import RecordQuery

    for split in join(splits):
        require_split_name(split)
    return RecordQuery(
        dataset=dataset,
        methods=join(methods),
        categories=join(categories),
        shots=tuple(map(parse_shots, join(shots))),
        splits=join(splits),
        preset=wanted_preset,
        weights=wanted_weights,
        device=wanted_device,
        statuses=join(statuses),  # type: ignore[arg-type]  # the query checks them
    )
