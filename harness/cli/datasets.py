"""``harness datasets``: what is found of each dataset, and what mends what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.options import data_option, json_option
from harness.errors import UsageError

__all__ = ["command"]

_SPLITS = ("train", "validation", "test")


@click.command("datasets", short_help="List datasets, and what of them is found.")
@data_option
@json_option
def command(data: Path | None, as_json: bool) -> None:
    """List every known dataset: where it lies, its categories and samples, and what is missing.

    Only names of files are looked at; 'harness data verify DIR' reads them.

    \b
    harness datasets
    harness datasets --data ~/data
    """
    from harness.cli.output import print_json
    from harness.data.open import find_datasets

    if data is not None and not data.is_dir():
        raise UsageError(f"{data} is no folder: name the one that holds the datasets with --data DIR.")
    found = [_describe(one.info.name, one.root, data) for one in find_datasets(data)]
    if as_json:
        print_json(found)
    else:
        _print(found)


def _describe(name: str, root: Path | None, data: Path | None) -> dict[str, Any]:
    """Return what is there of a dataset, as plain JSON values."""
    from harness.data.base import DATASETS

    info = DATASETS[name]
    facts = {"name": name, "title": info.title, "licence": info.licence, "homepage": info.homepage}
    if name == "toy":
        return {**facts, **_embedded()}
    if root is None:
        return {**facts, "found": False, "root": None, **_nothing(name), "mend": _mend_missing(name, data)}
    return {**facts, "found": True, **_counted(name, root)}


def _embedded() -> dict[str, Any]:
    from harness.data.base import DATASETS
    from harness.data.toy import TOY_COUNTS, TOY_VERSION
    from harness.files.caches import CACHES

    categories = DATASETS["toy"].categories
    counts = {
        split: len(categories) * sum(count for (part, _), count in TOY_COUNTS.items() if part == split)
        for split in _SPLITS
    }
    folder = CACHES["toy"].path / TOY_VERSION
    return {
        "found": True,
        "root": str(folder),
        "categories": list(categories),
        "missing": [],
        "samples": counts,
        "published": counts,
        "problems": [],
        "mend": "" if folder.is_dir() else "nothing to do: it is made when it is first used",
    }


def _nothing(name: str) -> dict[str, Any]:
    from harness.data.base import DATASETS

    info = DATASETS[name]
    samples = dict.fromkeys(_SPLITS, 0)
    return {
        "categories": [],
        "missing": list(info.categories),
        "samples": samples,
        "published": dict(info.counts),
        "problems": [],
    }


def _mend_missing(name: str, data: Path | None) -> str:
    fetch = f"harness data fetch {name} --to {data or 'DIR'}"
    return f"{fetch}, or name the folder that holds it with --data DIR"


def _counted(name: str, root: Path) -> dict[str, Any]:
    from harness.data.base import DATASETS
    from harness.data.verify import ALL_CATEGORIES, verify_dataset

    report = verify_dataset(root, name, fast=True)
    missing = report.missing_categories
    mend = []
    if missing:
        mend.append(f"harness data fetch {name} --to {root.parent} --categories {','.join(missing)}")
    if report.problems or not all(row.ok for row in report.counts):
        mend.append(f"harness data verify {root}")
    return {
        "root": str(report.root),
        "categories": [category for category in DATASETS[name].categories if category not in missing],
        "missing": list(missing),
        "samples": {row.split: row.found for row in report.counts if row.category == ALL_CATEGORIES},
        "published": dict(DATASETS[name].counts),
        "problems": [problem.message for problem in report.problems],
        "mend": "; ".join(mend),
    }


def _print(found: list[dict[str, Any]]) -> None:
    from rich.markup import escape

    from harness.cli.output import listing
    from harness.report.console import stdout

    table = listing(("dataset", "categories", *_SPLITS, "licence"), numbers=_SPLITS)
    for one in found:
        whole = len(one["categories"]) + len(one["missing"])
        table.add_row(
            one["name"],
            f"{len(one['categories'])} of {whole}" if one["found"] else "[yellow]not found[/]",
            *(_count(one, split) for split in _SPLITS),
            one["licence"],
        )
    stdout.print(table)
    stdout.print()
    for one in found:
        stdout.print(f"[bold]{one['name']}[/]  {escape(str(one['root'] or 'no folder'))}", soft_wrap=True)
        if one["missing"] and one["found"]:
            stdout.print(f"    missing: {', '.join(one['missing'])}")
        if one["problems"]:
            stdout.print(f"    {len(one['problems'])} files can't be used, the first: {escape(one['problems'][0])}")
        if one["mend"]:
            stdout.print(f"    [yellow]{escape(one['mend'])}[/]", soft_wrap=True)


def _count(one: dict[str, Any], split: str) -> str:
    found, published = one["samples"].get(split, 0), one["published"].get(split)
    if not one["found"]:
        return "-"
    if published is None or found == published:
        return str(found)
    return f"[yellow]{found} of {published}[/]"
