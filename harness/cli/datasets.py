"""``harness datasets``: where each dataset is, what is missing, and the command that downloads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from harness.cli.options import data_option, json_option
from harness.cli.output import console, counted, listing, print_json
from harness.errors import UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from harness.dataset_contract import DatasetInfo, Split

__all__ = ["command"]

_SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@click.command("datasets")
@data_option
@json_option
def command(data: Path | None, as_json: bool) -> None:
    """List every known dataset: where it is, its categories and samples, and what is missing.

    Only names of files are read; 'harness data verify DIR' reads the files.

    \b
    harness datasets
    harness datasets --data ~/data
    """
    from harness.data.open import find_datasets

    if data is not None and not data.is_dir():
        raise UsageError(f"{data} is not a folder: name the one that holds the datasets with --data DIR.")
    states = [_state(dataset.info, dataset.root) for dataset in find_datasets(data)]
    if as_json:
        print_json(states)
    else:
        _print(states)


@dataclass(frozen=True, slots=True)
class _DatasetState:
    """A known dataset and its files on this machine; counts are of samples by split, ``mend`` is a command."""

    name: str
    title: str
    licence: str
    homepage: str
    found: bool
    root: Path | None
    categories: Sequence[str]
    missing: Sequence[str]
    unofficial: Sequence[str]
    samples: Mapping[Split, int]
    published: Mapping[Split, int | None]
    problems: Sequence[str]
    mend: str


def _state(info: DatasetInfo, root: Path | None) -> _DatasetState:
    """Return the state of a dataset with a root folder, None where it is nowhere."""
    name = info.name
    about = (name, info.title, info.licence, info.homepage)
    counts = {split: info.total(split) for split in _SPLITS}
    if info.embedded:
        from harness.data.registry import load_embedded

        made = {split: info.total(split) or 0 for split in _SPLITS}
        folder = load_embedded(name).folder()
        mend = "" if folder.is_dir() else "nothing to do: it is made when it is first used"
        return _DatasetState(*about, True, folder, info.categories, (), (), made, made, (), mend)
    if root is None:
        fetch = f"harness data fetch {name} --to DIR, or " if info.archives else ""
        mend = f"{fetch}name the folder that holds it with --data DIR"
        none = dict.fromkeys(_SPLITS, 0)
        return _DatasetState(*about, False, None, (), info.categories, (), none, counts, (), mend)

    from harness.data.verify import ALL_CATEGORIES, verify_dataset

    report = verify_dataset(root, name, fast=True)
    missing = report.missing_categories
    commands = []
    if missing and info.archives:
        fetched = root.name == info.folder_names[0] and report.as_published
        to = quote(str(root.parent)) if fetched else "DIR"  # nothing is added to what others keep there
        commands.append(f"harness data fetch {name} --to {to} --categories {','.join(missing)}")
    if report.problems or not report.as_published:
        commands.append(f"harness data verify {root}")
    present = [category for category in info.categories if category not in missing]
    samples = {row.split: row.found for row in report.counts if row.category == ALL_CATEGORIES}
    problems = [problem.message for problem in report.problems]
    shown = (report.root, present, missing, report.unofficial)
    return _DatasetState(*about, True, *shown, samples, counts, problems, "; ".join(commands))


def _print(states: Sequence[_DatasetState]) -> None:
    from rich.text import Text

    table = listing(("dataset", "categories", *_SPLITS, "licence"), numbers=_SPLITS)
    for state in states:
        present = f"{len(state.categories)} of {len(state.categories) + len(state.missing)}"
        counts = (_count_text(state, split) for split in _SPLITS)
        table.add_row(state.name, present if state.found else Text("not found", "yellow"), *counts, state.licence)
    console().print(table)
    console().print()
    for state in states:
        place = str(state.root or "no folder")
        console().print(Text.assemble((state.name, "bold"), "  ", place), soft_wrap=True)
        if state.missing and state.found:
            console().print(f"    missing: {', '.join(state.missing)}")
        if state.unofficial:
            names = ", ".join(state.unofficial)
            console().print(f"    left out, not an official category: {names}", soft_wrap=True)
        if state.problems:
            unusable = counted(len(state.problems), "file")
            console().print(f"    {unusable} can't be used, the first: {state.problems[0]}")
        if state.mend:
            console().print(f"    {state.mend}", style="yellow", soft_wrap=True)


def _count_text(state: _DatasetState, split: Split) -> str | Text:
    from rich.text import Text

    samples, published = state.samples.get(split, 0), state.published.get(split)
    if not state.found:
        return "-"
    return str(samples) if published in (None, samples) else Text(f"{samples} of {published}", "yellow")
