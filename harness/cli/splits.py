"""``harness splits``: the few-shot lists of a dataset, the samples in one of them, and files that keep them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.completion import complete
from harness.cli.options import data_option, json_option, names_option, was_typed
from harness.cli.output import console, counted, echo, listing, print_json
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.data.splits import FewShotLists
    from harness.dataset_contract import Dataset

__all__ = ["command"]


@click.group("splits", invoke_without_command=True)
@click.option("--dataset", "-d", shell_complete=complete, help="One dataset, with the digest of every list.")
@click.option("--category", "-c", shell_complete=complete, help="One of its categories.")
@click.option("--shots", "-n", help="Print the sample ids of one list: 1, 2, ..., full.")
@click.option(
    "--split", "name", default="first", show_default=True, shell_complete=complete, help="Which list: first, 0 to 4."
)
@data_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    dataset: str | None,
    category: str | None,
    shots: str | None,
    name: str,
    data: Path | None,
    as_json: bool,
) -> None:
    """List the few-shot lists: the committed ones, each checked against its digest, or those of own data.

    \b
    harness splits
    harness splits --dataset mvtec3d
    harness splits --dataset toy --category bump --shots 5 --split 0        the ids, one a line
    harness splits --dataset folder --data DIR
    """
    ctx.obj = data
    if ctx.invoked_subcommand is not None:
        return
    if dataset is None and data is not None and was_typed(ctx, "data"):
        from harness.data.open import dataset_in

        dataset = dataset_in(data)
    if dataset is None and category is not None:
        raise UsageError(f"Category '{category}' is given without its dataset: add --dataset D.")
    if shots is not None and (dataset is None or category is None):
        raise UsageError("--shots prints the samples of one list: add --dataset D --category C.")
    lists = _lists(dataset, category, data)
    if shots is not None:
        _print_ids(lists[0], shots, name, as_json)
    elif as_json:
        print_json([row for each in lists for row in each.rows()])
    else:
        _print_all(lists) if dataset is None else _print_digests(lists)
        hint = "\nThe ids of a list: harness splits --dataset D --category C --shots 5 --split 0."
        console().print(hint, style="dim")


@command.command("make", short_help="Keep the lists of own data in files.")
@click.option("--dataset", "-d", default="folder", show_default=True, shell_complete=complete, help="The dataset.")
@names_option("--categories", "-c", help="Names; all by default.")
@data_option
@click.option(
    "--force", is_flag=True, help="Redraw lists that already have a file; they change if training samples changed."
)
@json_option
@click.pass_obj
def make(
    outer_data: Path | None,
    dataset: str,
    categories: tuple[str, ...],
    data: Path | None,
    as_json: bool,
    *,
    force: bool,
) -> None:
    """Write the few-shot lists of a dataset to DATA/splits/CATEGORY.json.

    Lists are drawn from the training samples on disk, so images that are added later change them. 'harness run'
    takes the lists from these files, and adds new samples at their end.

    \b
    harness splits make --dataset folder --data DIR
    """
    from harness.data.split_files import split_content, write_lists
    from harness.data.splits import has_published_lists, instances_of, own_lists_path

    if has_published_lists(dataset):
        raise UsageError(f"The lists of {dataset} come with harness: see 'harness splits --dataset {dataset}'.")
    opened = _open(dataset, data or outer_data)
    chosen = _chosen(opened, categories) if categories else opened.categories
    paths = {category: own_lists_path(opened, category) for category in chosen}
    kept = [str(path) for path in paths.values() if path.exists() or path.is_symlink()]
    if kept and not force:
        raise UsageError(
            f"{', '.join(kept)} would be overwritten: give --force to draw these lists again, or choose others with "
            "--categories."
        )
    written = []
    for category, path in paths.items():
        instances = instances_of(opened, category)
        content = split_content(opened.info.name, category, instances)
        write_lists(path, content)
        samples = len(instances)
        written.append({"category": category, "path": path, "samples": samples, "digest": content["digest"]})
        if not as_json:
            echo(f"{path}: {counted(samples, 'training sample')} of {category} in six lists")
    if as_json:
        print_json({"dataset": opened.info.name, "files": written})


def _lists(dataset: str | None, category: str | None, data: Path | None) -> list[FewShotLists]:
    """Return the lists of a category, of a dataset, or all that come with the harness."""
    from harness.data.registry import DATASETS
    from harness.data.splits import has_published_lists, lists_of, published_lists
    from harness.registry import nearest_names

    if dataset is not None and not has_published_lists(dataset):
        opened = _open(dataset, data)
        return [lists_of(opened, each) for each in (_chosen(opened, [category]) if category else opened.categories)]
    known = {name: DATASETS[name].categories for name in DATASETS if has_published_lists(name)}
    if category is not None and dataset is not None and category not in known[dataset]:
        raise UsageError(f"Dataset '{dataset}' has no category '{category}': {nearest_names(category, known[dataset])}")
    names = known if dataset is None else (dataset,)
    return [published_lists(name, each) for name in names for each in known[name] if category in (None, each)]


def _open(dataset: str, data: Path | None) -> Dataset:
    from harness.data.open import open_dataset

    return open_dataset(dataset, data)


def _chosen(dataset: Dataset, categories: Sequence[str]) -> Sequence[str]:
    """Return categories; raise UsageError for one that the dataset hasn't."""
    from harness.registry import nearest_names

    for category in categories:
        if category not in dataset.categories:
            nearest = nearest_names(category, dataset.categories)
            raise UsageError(f"Dataset '{dataset.info.name}' has no category '{category}': {nearest}")
    return categories


def _print_ids(lists: FewShotLists, shots: str, name: str, as_json: bool) -> None:
    from harness.data.splits import parse_shots

    split = lists.split(parse_shots(shots), name)
    if split.too_few:
        raise UsageError(split.too_few)
    if as_json:
        place = {"dataset": split.dataset, "category": split.category, "shots": split.shots, "split": name}
        print_json({**place, "digest": split.digest, "ids": split.ids})
    else:
        echo("\n".join(split.ids))


def _print_all(lists: Sequence[FewShotLists]) -> None:
    """Print which lists there are, a line for each category."""
    from rich.text import Text

    table = listing(("dataset", "category", "lists", "shots", "digests"))
    for each in lists:
        names, sizes = (dict.fromkeys(getattr(row, key) for row in each.rows()) for key in ("name", "shots"))
        verified = Text("verified", "green")
        table.add_row(each.dataset, each.category, ", ".join(names), ", ".join(map(str, sizes)), verified)
    console().print(table)


def _print_digests(lists: Sequence[FewShotLists]) -> None:
    """Print the digests of the lists of a dataset, and which of them a file keeps."""
    table = listing(("category", "list", "shots", "digest"), numbers=("shots", "digest"))
    for row in (row for each in lists for row in each.rows()):
        table.add_row(row.category, row.name, str(row.shots), row.digest)
    console().print(table)
    if drawn := [each.category for each in lists if not each.kept]:
        console().print(
            f"\nDrawn from the training samples that are there: {', '.join(drawn)}. "
            "'harness splits make' keeps these lists when samples are added.",
            style="dim",
        )
