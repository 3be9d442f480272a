"""The rule that few-shot lists are drawn by, and the files that keep them; nothing is drawn at random.

A file ``<category>.json`` holds one list of sample ids for each name. The first n ids of a list are the n-shot set, so
a smaller set is a subset of a larger one. The lists ``0`` to ``4`` are in a random order fixed by SHA-256
(:func:`seeded_order`); ``first`` holds the first ids in file order, as in the CFM paper's code. Where several samples
show one instance of a part, a list takes another instance each time before it takes a second sample of one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from harness.errors import DataError
from harness.files.atomic import write_atomically
from harness.files.digest import digest
from harness.files.names import one_line
from harness.files.reading import read_regular

__all__ = ["SPLIT_NAMES", "draw", "read_lists", "seeded_order", "split_content", "split_file_digest", "write_lists"]

SPLIT_NAMES = ("first", "0", "1", "2", "3", "4")
"""The lists of every category: ``first``, then one per seed."""

_RULE = "first: sorted by id; 0 to 4: sorted by SHA-256 of dataset/category/seed/id"
_RULE_OF_INSTANCES = f"{_RULE}; every instance of a part once before any of them twice"
_LARGEST = 256_000_000
"""Bytes of a file of lists."""


def seeded_order(dataset: str, category: str, seed: str, ids: Iterable[str]) -> list[str]:
    """Return the ids sorted by SHA-256 of ``dataset/category/seed/id``: random, and the same everywhere and always."""
    start = f"{dataset}/{category}/{seed}/"
    return sorted(ids, key=lambda id_: sha256(f"{start}{id_}".encode(errors="surrogateescape")).hexdigest())


def draw(dataset: str, category: str, name: str, instances: Mapping[str, str]) -> tuple[str, ...]:
    """Return all ids in the order of a list.

    Parameters
    ----------
    dataset, category, name
        Of the list, which is one of :data:`SPLIT_NAMES`.
    instances
        The instance of a part that each sample shows, by the sample's id; the id itself where every sample shows
        another one. Their order does not matter.
    """
    order = sorted(instances) if name == "first" else seeded_order(dataset, category, name, instances)
    seen: Counter[str] = Counter()
    rounds = {}
    for id_ in order:
        rounds[id_] = seen[instances[id_]]
        seen[instances[id_]] += 1
    return tuple(sorted(order, key=rounds.__getitem__))


def split_content(
    dataset: str, category: str, instances: Mapping[str, str], length: int | None = None
) -> dict[str, object]:
    """Return the content of a file of lists.

    Parameters
    ----------
    dataset, category, instances
        As for :func:`draw`.
    length
        Of each list; None for all samples.
    """
    content = {
        "dataset": dataset,
        "category": category,
        "train_ids_digest": digest(sorted(instances)),
        "rule": _RULE if len(set(instances.values())) == len(instances) else _RULE_OF_INSTANCES,
        "lists": {name: list(draw(dataset, category, name, instances)[:length]) for name in SPLIT_NAMES},
    }
    return {**content, "digest": split_file_digest(content)}


def write_lists(path: Path, content: Mapping[str, object]) -> None:
    """Write a file of lists; raise OSError where it can't be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())


def read_lists(path: Path, dataset: str, category: str, mend: str, *, whole: bool) -> dict[str, tuple[str, ...]]:
    """Read a file of lists.

    Parameters
    ----------
    path
        Of the file.
    dataset, category
        Which it must be about.
    mend
        What puts it right, for the message.
    whole
        Whether each list must hold all samples that the file is about.

    Returns
    -------
    dict
        A list of different ids for each of :data:`SPLIT_NAMES`.

    Raises
    ------
    DataError
        Where it can't be read, holds no lists, was changed, or is about something else.
    """
    try:
        content = json.loads(read_regular(path, _LARGEST))
        digest_now = split_file_digest(content) if isinstance(content, dict) else None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} can't be read as a split ({error}): {mend}.") from error
    if digest_now is None or not _are_lists(content.get("lists")):
        raise DataError(f"{path} holds no split: {mend}.")
    if content.get("digest") != digest_now:
        raise DataError(f"{path} was changed: its content does not have the digest that it states; {mend}.")
    lists: dict[str, tuple[str, ...]] = {name: tuple(content["lists"][name]) for name in SPLIT_NAMES}
    if any(len(set(ids)) < len(ids) for ids in lists.values()):
        raise DataError(f"{path} names a sample twice in one list: {mend}.")
    if whole and any(digest(sorted(ids)) != content.get("train_ids_digest") for ids in lists.values()):
        raise DataError(f"{path} has a list that is not of all its samples: {mend}.")
    if (content.get("dataset"), content.get("category")) != (dataset, category):
        about = one_line(f"{content.get('category')} of {content.get('dataset')}")
        raise DataError(f"{path} is about {about}, not about {category} of {dataset}: {mend}.")
    return lists


def split_file_digest(content: Mapping[str, object]) -> str:
    """Return the digest that the content of a split file must carry under ``digest``."""
    return digest({key: value for key, value in content.items() if key != "digest"}, 64)


def _are_lists(lists: object) -> bool:
    """Return whether a value holds a list of ids for every name of a split."""
    return isinstance(lists, dict) and all(
        isinstance(lists.get(name), list) and all(isinstance(id_, str) for id_ in lists[name]) for name in SPLIT_NAMES
    )
