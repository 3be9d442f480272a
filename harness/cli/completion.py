"""What a shell completes: methods, datasets, categories and few-shot lists, by click's own mechanism."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import click
from click.shell_completion import CompletionItem

__all__ = ["complete"]

_PREFIX = "query_"
"""Of the parameters that choose records (:mod:`harness.cli.query_options`)."""


def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the values of an option or argument that begin with a text; of a list, those that its last name begins.

    What is completed follows from the parameter's name. What can't be known, for example since a plugin is broken, is
    not offered: an error would spoil the line that is being typed.

    Parameters
    ----------
    ctx
        Options that were typed before; a dataset among them decides which categories are offered.
    param
        Whose value is completed.
    incomplete
        What has been typed of it.
    """
    name = (param.name or "").removeprefix(_PREFIX)
    head, comma, last = incomplete.rpartition(",") if param.multiple or param.nargs == -1 else ("", "", incomplete)
    if "[" in last or "]" in last:
        return []
    values: Iterable[tuple[str, str]] = ()
    with suppress(Exception):
        values = list(_values(name, ctx))
    taken = head.split(",")
    return [
        CompletionItem(head + comma + value, help=text or None)
        for value, text in values
        if value.startswith(last) and value not in taken
    ]


def _values(name: str, ctx: click.Context) -> Iterable[tuple[str, str]]:
    """Return the values of a parameter, each with what it stands for."""
    if name == "names" and ctx.info_name == "clear":
        from harness.files.caches import CACHES

        return [(cache, "") for cache in CACHES]
    if name in ("methods", "names"):
        from harness.registry import method_names

        return [(method, "") for method in (*method_names(), "all")]
    if name == "dataset":
        from harness.data.registry import DATASETS

        return [(dataset, info.title) for dataset, info in DATASETS.items()]
    if name in ("categories", "category"):
        return [(category, "") for category in _categories(ctx)]
    if name in ("splits", "split", "name"):
        from harness.data.split_files import SPLIT_NAMES

        return [(split, "the list of the paper's authors" if split == "first" else "a seed") for split in SPLIT_NAMES]
    return ()


def _categories(ctx: click.Context) -> Iterable[str]:
    """Return the categories of the dataset that was typed, else of that which a run takes, else of all."""
    from harness.data.registry import DATASETS, DEFAULT_DATASET

    typed = ctx.params.get("dataset") or ctx.params.get(f"{_PREFIX}dataset")
    named = typed or (DEFAULT_DATASET if ctx.info_name == "run" and not ctx.params.get("data") else "")
    if named and not DATASETS[named].categories and (folder := ctx.params.get("data")):
        from harness.data.open import open_dataset

        return open_dataset(named, folder).categories
    return dict.fromkeys(
        category for dataset, info in DATASETS.items() if named in ("", dataset) for category in info.categories
    )
