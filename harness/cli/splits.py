"""``harness splits``: the fixed few-shot lists, and the samples in one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option
from harness.cli.output import console, echo, listing, print_json
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.data.splits import SplitRow

__all__ = ["command"]


@click.command("splits")
@click.option("--dataset", "-d", help="One dataset, with the digest of every list.")
@click.option("--category", "-c", help="One of its categories.")
@click.option("--shots", "-n", help="Print the sample ids of one list: 5, 10, 50 or full.")
@click.option("--split", "name", default="first", show_default=True, help="Which list: first, 0 to 4.")
@json_option
def command(dataset: str | None, category: str | None, shots: str | None, name: str, as_json: bool) -> None:
    """List the committed few-shot lists; each file is checked against its digest.

    \b
    harness splits
    harness splits --dataset mvtec3d
    harness splits --dataset toy --category bump --shots 5 --split 0        the ids, one a line
    """
    from harness.data.splits import list_splits

    _check(dataset, category)
    if shots is None:
        rows = list_splits([dataset] if dataset else None)
        _print_rows([row for row in rows if category in (None, row.category)], dataset, as_json)
    elif dataset is None or category is None:
        raise UsageError("--shots prints the samples of one list: add --dataset D --category C.")
    else:
        _print_ids(dataset, category, shots, name, as_json)


def _check(dataset: str | None, category: str | None) -> None:
    from harness.data.registry import DATASETS
    from harness.registry import nearest_names

    if dataset is not None and dataset not in DATASETS:
        raise UsageError(f"There is no dataset '{dataset}': {nearest_names(dataset, DATASETS)}")
    if category is None:
        return
    if dataset is None:
        raise UsageError(f"Category '{category}' is given without its dataset: add --dataset D.")
    known = DATASETS[dataset].categories
    if category not in known:
        raise UsageError(f"Dataset '{dataset}' has no category '{category}': {nearest_names(category, known)}")


def _print_ids(dataset: str, category: str, shots: str, name: str, as_json: bool) -> None:
    from harness.data.splits import load_split, parse_shots, train_ids

    split = load_split(dataset, category, parse_shots(shots), name, train_ids(dataset, category))
    if as_json:
        place = {"dataset": dataset, "category": category, "shots": split.shots, "split": name}
        print_json({**place, "digest": split.digest, "ids": split.ids})
    else:
        echo("\n".join(split.ids))


def _print_rows(rows: Sequence[SplitRow], dataset: str | None, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    if dataset is None:
        from rich.text import Text

        table = listing(("dataset", "category", "lists", "shots", "digests"))
        for place in dict.fromkeys((row.dataset, row.category) for row in rows):
            own = [row for row in rows if (row.dataset, row.category) == place]
            names = dict.fromkeys(row.name for row in own)
            shots = sorted({row.shots for row in own})
            table.add_row(*place, ", ".join(names), ", ".join(map(str, shots)), Text("verified", "green"))
    else:
        table = listing(("category", "list", *(f"{shots} shots" for shots in dict.fromkeys(row.shots for row in rows))))
        digests: dict[tuple[str, str], list[str]] = {}
        for row in rows:
            digests.setdefault((row.category, row.name), []).append(row.digest)
        for place, texts in digests.items():
            table.add_row(*place, *texts)
    console().print(table)
    console().print("\nThe ids of a list: harness splits --dataset D --category C --shots 5 --split 0.", style="dim")
