"""The training samples of a cell: a number of them in a fixed order, or all.

``splits/<dataset>/<category>.json`` holds the first 50 ids of each list of a published dataset; longer lists continue
by the same rule (:mod:`harness.data.split_files`) over the published ids. ``splits/make.py`` writes these files. The
lists of any other dataset are drawn by that rule from the ids on disk, after those of
``<folder of the dataset>/splits/<category>.json`` where ``harness splits make`` has written it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Literal

from harness.data.nominal import held_out
from harness.data.registry import DATASETS
from harness.data.split_files import SPLIT_NAMES, draw, read_lists
from harness.dataset_contract import ByInstance, Dataset
from harness.errors import DataError, UsageError
from harness.files.bundled import splits_dir
from harness.files.digest import digest
from harness.files.names import one_line
from harness.registry import nearest_names

__all__ = [
    "FewShotLists",
    "Shots",
    "SplitRow",
    "TrainingSplit",
    "has_published_lists",
    "instances_of",
    "lists_of",
    "load_split",
    "own_lists_path",
    "parse_shots",
    "published_lists",
    "require_split_name",
    "shots_order",
    "train_ids",
]

Shots = int | Literal["full"]
"""A number of training samples of a cell, at least 1, or all that are there."""

_LISTED = (1, 2, 4, 5, 10, 50)
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
    too_few
        That fewer samples exist than are asked for, in a sentence: then these are all. Empty where there are enough.
    """

    dataset: str
    category: str
    shots: Shots
    name: str
    ids: tuple[str, ...]
    digest: str
    too_few: str = ""


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One line of ``harness splits``: a list, without its ids."""

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
    raise UsageError(f"'{shown}' is not a valid number of training samples: give 1 or more, or full, with --shots.")


def shots_order(shots: Shots) -> float:
    """Return the place of a number of training samples among others; all samples come last."""
    return inf if shots == "full" else shots


def require_split_name(name: str) -> None:
    """Raise UsageError for a name that is none of :data:`harness.data.split_files.SPLIT_NAMES`."""
    if name not in SPLIT_NAMES:
        raise UsageError(f"There is no split '{name}': choose one of {', '.join(SPLIT_NAMES)} with --split.")


@dataclass(frozen=True, slots=True)
class FewShotLists:
    """The few-shot lists of a category.

    Parameters
    ----------
    dataset, category
        Which they are of.
    kept
        How the lists begin that a file keeps, by name; empty where there is no file.
    instances
        All samples that exist, as for :func:`harness.data.split_files.draw`: a list continues with them by the rule.
    available
        Ids of the training samples that are there.
    mend
        What to do where a sample of a list is not there.
    held_out
        Ids that the list of all samples leaves out, for thresholds to be set on them.
    """

    dataset: str
    category: str
    kept: Mapping[str, tuple[str, ...]]
    instances: Mapping[str, str]
    available: frozenset[str]
    mend: str
    held_out: frozenset[str] = frozenset()

    def first(self, name: str, count: int) -> tuple[str, ...]:
        """Return the first ids of a list."""
        kept = self.kept.get(name, ())
        if count <= len(kept):
            return kept[:count]
        drawn = draw(self.dataset, self.category, name, self.instances)
        known = set(kept)
        return (*kept, *(id_ for id_ in drawn if id_ not in known))[:count]

    def split(self, shots: Shots, name: str) -> TrainingSplit:
        """Return the training samples of a cell; raise as :func:`load_split` does."""
        shots = parse_shots(shots)
        require_split_name(name)
        if shots == "full" or shots > len(self.instances):
            if self.instances and not self.available:
                raise DataError(self._too_few(shots))
            ids = sorted(self.available - self.held_out if shots == "full" else self.available)
            return replace(self._split(shots, name, ids), too_few=self._too_few(shots))
        if shots > len(self.available):
            raise DataError(
                f"{self.category} of {self.dataset} has {len(self.available)} training samples on disk, fewer than "
                f"{shots} shots: choose fewer with --shots, or {self.mend}."
            )
        split = self._split(shots, name, self.first(name, shots))
        if missing := sorted(set(split.ids) - self.available):
            named = ", ".join(missing[:_IDS_IN_MESSAGE]) + (", ..." if len(missing) > _IDS_IN_MESSAGE else "")
            raise DataError(
                f"{len(missing)} of the {shots} training samples of split '{name}' of {self.category} are not on disk "
                f"({named}): {self.mend}{'' if name == 'first' else ', or take --split first'}."
            )
        return split

    def rows(self) -> tuple[SplitRow, ...]:
        """Return the lists of the usual lengths, by name and length."""
        sizes = [size for size in _LISTED if size <= max(len(self.instances), len(self.kept.get(SPLIT_NAMES[0], ())))]
        splits = [self._split(size, name, self.first(name, size)) for name in SPLIT_NAMES for size in sizes]
        return tuple(SplitRow(self.dataset, self.category, each.name, len(each.ids), each.digest) for each in splits)

    def _split(self, shots: Shots, name: str, ids: Iterable[str]) -> TrainingSplit:
        ids = tuple(ids)
        key = digest({"dataset": self.dataset, "category": self.category, "ids": ids})
        return TrainingSplit(self.dataset, self.category, shots, name, ids, key)

    def _too_few(self, shots: Shots) -> str:
        subject, most = f"{self.category} of {self.dataset} has", len(self.instances)
        if not self.available:
            return f"{subject} no training sample: check the folder given with --data."
        samples = "1 training sample" if most == 1 else f"{most} training samples"
        return "" if shots == "full" else f"{subject} {samples}, fewer than {shots} shots: choose fewer with --shots."


def load_split(dataset: Dataset, category: str, shots: Shots, name: str) -> TrainingSplit:
    """Return the training samples of a cell; all that are there where no more exist.

    Of own data without a validation split, ``full`` leaves out a tenth, which thresholds are set on
    (:func:`harness.data.nominal.held_out`).

    Parameters
    ----------
    dataset, category
        Where they come from.
    shots
        A number, or ``full``.
    name
        One of :data:`harness.data.split_files.SPLIT_NAMES`; ``full`` is the same for all of them.

    Raises
    ------
    UsageError
        Where there is no such split.
    DataError
        Where samples of the split are missing on disk, a sample is listed twice, or the split's file was changed.
    """
    return lists_of(dataset, category).split(shots, name)


def lists_of(dataset: Dataset, category: str) -> FewShotLists:
    """Return the lists of a category of a dataset on disk; raise DataError where their file can't be used."""
    name, instances = dataset.info.name, instances_of(dataset, category)
    if has_published_lists(name):
        return replace(published_lists(name, category), available=frozenset(instances))
    again = f"'harness splits make --dataset {name} --data {dataset.root} --force'"
    mend = f"restore the file, or draw the lists again with {again}"
    path = own_lists_path(dataset, category)
    kept = read_lists(path, name, category, mend, whole=True) if _lies(path) else {}
    mend = f"put them back, or draw the lists again with {again}"
    return FewShotLists(
        name, category, kept, instances, frozenset(instances), mend, _held_out(dataset, category, instances)
    )


def _held_out(dataset: Dataset, category: str, instances: Mapping[str, str]) -> frozenset[str]:
    """Return what the list of all samples leaves out: of own data alone, where no validation split is there."""
    name = dataset.info.name
    if name in DATASETS or dataset.refs(category, "validation"):
        return frozenset()
    return held_out(name, category, instances)


def published_lists(dataset: str, category: str) -> FewShotLists:
    """Return the committed lists of a category, as if all its samples were there.

    Raises
    ------
    UsageError
        Where there is no such dataset or category.
    DataError
        Where their file is damaged.
    """
    if not has_published_lists(dataset):
        nearest = nearest_names(dataset, filter(has_published_lists, DATASETS))
        raise UsageError(f"There is no dataset '{dataset}' with committed lists: {nearest}")
    known = DATASETS[dataset].categories
    if category not in known:
        raise UsageError(f"There is no category '{category}' in {dataset}: {nearest_names(category, known)}")
    path = splits_dir() / dataset / f"{category}.json"
    kept = read_lists(path, dataset, category, "restore the file or reinstall", whole=False)
    ids = train_ids(dataset, category)
    return FewShotLists(dataset, category, kept, {id_: id_ for id_ in ids}, frozenset(ids), "complete the dataset")


def has_published_lists(dataset: str) -> bool:
    """Return whether the lists of a dataset travel with the harness."""
    return dataset in DATASETS and bool(DATASETS[dataset].published_ids) and (splits_dir() / dataset).is_dir()


def own_lists_path(dataset: Dataset, category: str) -> Path:
    """Return where the lists of a dataset lie that has none which travel with the harness."""
    return dataset.root / "splits" / f"{category}.json"


def instances_of(dataset: Dataset, category: str) -> dict[str, str]:
    """Return the instance that each training sample on disk shows, by the sample's id: the id where nothing is known.

    Raises
    ------
    DataError
        Where the reader lists a sample twice.
    """
    refs = dataset.refs(category, "train")
    instances = {ref.id: dataset.instance(ref) if isinstance(dataset, ByInstance) else ref.id for ref in refs}
    if len(instances) < len(refs):
        twice = next(ref.id for ref, other in pairwise(sorted(refs)) if ref.id == other.id)
        raise DataError(
            f"{category} of {dataset.info.name} has several training samples '{twice}': rename one of them."
        )
    return instances


def train_ids(dataset: str, category: str) -> list[str]:
    """Return the ids of all published training samples of a category, sorted."""
    info = DATASETS[dataset]
    return [info.published_ids.format(index=index) for index in range(info.counts[category]["train"])]


def _lies(path: Path) -> bool:
    """Return whether something lies under a name, also what can't be read."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True
