"""The fixed few-shot splits: files checked against their digests; nothing is drawn at run time.

``splits/<dataset>/<category>.json`` holds one list of 50 sample ids per name. A list's first 5 and first 10 ids are
the 5- and 10-shot sets, so a smaller set is a subset of a larger one. The lists ``0`` to ``4`` are in a random order
fixed by SHA-256 (:func:`seeded_order`); ``first`` holds the first ids in file order, as in the CFM paper's code.
``splits/make.py`` writes the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import inf
from typing import Literal

from harness.data.registry import DATASETS
from harness.errors import DataError, UsageError
from harness.files.bundled import splits_dir
from harness.files.digest import digest
from harness.files.names import one_line

__all__ = [
    "SPLIT_NAMES",
    "Shots",
    "SplitRow",
    "TrainingSplit",
    "list_splits",
    "load_split",
    "parse_shots",
    "require_split_name",
    "seeded_order",
    "shots_order",
    "split_file_digest",
    "train_ids",
]

Shots = int | Literal["full"]
"""A number of training samples of a cell, at least 1, or all that are there."""

SPLIT_NAMES = ("first", "0", "1", "2", "3", "4")
"""The lists of every category: ``first``, then one per seed."""

_IDS_IN_MESSAGE = 5
_COUNT = re.compile(r"[1-9]\d{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TrainingSplit:
    """The training samples of a cell.

    Parameters
    ----------
    dataset, category
        Where they come from.
    shots
        How many, or ``full``.
    name
        ``first``, or a seed as text.
    ids
        Sample ids, in the order in which a method gets them.
    digest
        Of the dataset, the category and the ids; part of a cell's id.
    """

    dataset: str
    category: str
    shots: Shots
    name: str
    ids: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One line of ``harness splits``: a committed list, without its ids."""

    dataset: str
    category: str
    name: str
    shots: int
    digest: str


def parse_shots(text: str | int) -> Shots:
    """Return a number of training samples as a user writes it; raise UsageError for what is none."""
    if str(text) == "full":
        return "full"
    if _COUNT.fullmatch(str(text)):
        return int(text)
    shown = one_line(str(text))
    raise UsageError(f"'{shown}' is no number of training samples: give a number from 1 on, or full, with --shots.")


def shots_order(shots: Shots) -> float:
    """Return the place of a number of training samples among others; all samples come last."""
    return inf if shots == "full" else shots


def require_split_name(name: str) -> None:
    """Raise UsageError for a name that is none of :data:`SPLIT_NAMES`."""
    if name not in SPLIT_NAMES:
        raise UsageError(f"There is no split '{name}': choose one of {', '.join(SPLIT_NAMES)} with --split.")


def load_split(dataset: str, category: str, shots: Shots, name: str, available: Sequence[str]) -> TrainingSplit:
    """Return the training samples of a cell.

    Parameters
    ----------
    dataset, category
        Names as in :data:`harness.data.registry.DATASETS`.
    shots
        5, 10, 50 or ``full``.
    name
        One of :data:`SPLIT_NAMES`; ``full`` is the same for all of them.
    available
        Ids of the training samples on disk.

    Raises
    ------
    UsageError
        Where there is no such split.
    DataError
        Where samples of the split are missing on disk, or the split's file was changed.
    """
    shots = parse_shots(shots)
    require_split_name(name)
    if shots == "full":
        ids = tuple(sorted(available))
        if not ids:
            raise DataError(f"{category} of {dataset} has no training sample: check the folder given with --data.")
    else:
        ids = _read_lists(dataset, category)[name][:shots]
        _require_on_disk(dataset, category, name, ids, available)
    return TrainingSplit(dataset, category, shots, name, ids, _ids_digest(dataset, category, ids))


def list_splits(datasets: Sequence[str] | None = None) -> tuple[SplitRow, ...]:
    """Return the committed lists of some datasets (all where None), by dataset, category, name and shots."""
    rows = []
    for dataset in datasets or tuple(DATASETS):
        for category in _categories_of(dataset):
            lists = _read_lists(dataset, category)
            for name in SPLIT_NAMES:
                for shots in SHOTS:
                    if isinstance(shots, int):
                        key = _ids_digest(dataset, category, lists[name][:shots])
                        rows.append(SplitRow(dataset, category, name, shots, key))
    return tuple(rows)


def train_ids(dataset: str, category: str) -> list[str]:
    """Return the ids of all published training samples of a category, sorted."""
    info = DATASETS[dataset]
    return [info.published_ids.format(index=index) for index in range(info.counts[category]["train"])]


def seeded_order(dataset: str, category: str, seed: str, ids: Sequence[str]) -> list[str]:
    """Return the ids sorted by SHA-256 of ``dataset/category/seed/id``: random, and the same everywhere and always."""
    return sorted(ids, key=lambda id_: sha256(f"{dataset}/{category}/{seed}/{id_}".encode()).hexdigest())


def split_file_digest(content: Mapping[str, object]) -> str:
    """Return the digest that the content of a split file must carry under ``digest``."""
    return digest({key: value for key, value in content.items() if key != "digest"}, 64)


def _ids_digest(dataset: str, category: str, ids: Sequence[str]) -> str:
    return digest({"dataset": dataset, "category": category, "ids": list(ids)})


def _categories_of(dataset: str) -> tuple[str, ...]:
    if dataset not in DATASETS:
        raise UsageError(f"There is no dataset '{dataset}': choose one of {', '.join(DATASETS)}.")
    return DATASETS[dataset].categories


def _read_lists(dataset: str, category: str) -> dict[str, tuple[str, ...]]:
    if category not in _categories_of(dataset):
        known = ", ".join(DATASETS[dataset].categories)
        raise UsageError(f"There is no category '{category}' in {dataset}: choose one of {known}.")
    path = splits_dir() / dataset / f"{category}.json"
    try:
        content = json.loads(path.read_text("utf-8"))
        digest_now = split_file_digest(content) if isinstance(content, dict) else None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} can't be read as a split ({error}): restore the file or reinstall.") from error
    if digest_now is None or not _are_lists(content.get("lists")):
        raise DataError(f"{path} holds no split: restore the file or reinstall.")
    if content.get("digest") != digest_now:
        raise DataError(f"{path} was changed: its content does not have the digest that it states; restore the file.")
    return {name: tuple(content["lists"][name]) for name in SPLIT_NAMES}


def _are_lists(lists: object) -> bool:
    """Return whether a value holds a list of ids for every name of a split."""
    return isinstance(lists, dict) and all(
        isinstance(lists.get(name), list) and all(isinstance(id_, str) for id_ in lists[name]) for name in SPLIT_NAMES
    )


def _require_on_disk(dataset: str, category: str, name: str, ids: tuple[str, ...], available: Sequence[str]) -> None:
    if len(available) < len(ids):
        raise DataError(
            f"{category} of {dataset} has {len(available)} training samples on disk, fewer than {len(ids)} shots: "
            "choose fewer with --shots, or complete the dataset."
        )
    missing = sorted(set(ids) - set(available))
    if missing:
        named = ", ".join(missing[:_IDS_IN_MESSAGE]) + (", ..." if len(missing) > _IDS_IN_MESSAGE else "")
        mend = "complete the dataset" if name == "first" else "complete the dataset or take --split first"
        raise DataError(
            f"{len(missing)} of the {len(ids)} training samples of split '{name}' of {category} are not on disk "
            f"({named}): {mend}."
        )
