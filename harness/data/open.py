"""Find and open a dataset by its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from harness.data.base import DATASETS, Dataset, DatasetInfo
from harness.data.eyecandies import Eyecandies
from harness.data.folder import FolderDataset, subfolders
from harness.data.mvtec3d import MVTec3D
from harness.errors import PrerequisiteError, UsageError

__all__ = ["READERS", "FoundDataset", "dataset_in", "find_datasets", "open_dataset"]

_TOY = "toy"

READERS: dict[str, type[FolderDataset]] = {"toy": MVTec3D, "mvtec3d": MVTec3D, "eyecandies": Eyecandies}
"""The reader of each dataset by name."""


@dataclass(frozen=True, slots=True)
class FoundDataset:
    """A dataset, and where it was found.

    Parameters
    ----------
    info
        Facts of the dataset.
    root
        Folder of its categories; None where it was not found, and for the toy dataset, which is made on its first use.
    categories
        Categories found, in the published order.
    """

    info: DatasetInfo
    root: Path | None
    categories: tuple[str, ...]


def find_datasets(data: Path | None) -> tuple[FoundDataset, ...]:
    """Look for each known dataset.

    Parameters
    ----------
    data
        A dataset's folder, or a folder of datasets' folders; None finds the toy dataset only.
    """
    return tuple(_find(info, data) for info in DATASETS.values())


def dataset_in(data: Path) -> str:
    """Return the name of the dataset that a folder holds, found out by its content.

    Parameters
    ----------
    data
        A dataset's folder, or the folder above it.

    Raises
    ------
    UsageError
        Where it holds none that is known, or several.
    """
    names = [found.info.name for found in find_datasets(data) if found.root is not None]
    if len(names) == 1:
        return names[0]
    holds = f"holds {' and '.join(names)}" if names else "holds no dataset that is known"
    raise UsageError(f"{data} {holds}: name the dataset that is meant with --dataset ({', '.join(DATASETS)}).")


def open_dataset(name: str, data: Path | None) -> Dataset:
    """Open a dataset by its name; the toy dataset is made first where it is not in the cache.

    Parameters
    ----------
    name
        A key of :data:`harness.data.base.DATASETS`.
    data
        The dataset's folder, or the folder above it; not used for the toy dataset.

    Raises
    ------
    UsageError
        For an unknown name, and for a folder that doesn't hold the dataset.
    PrerequisiteError
        Where no folder is given.
    """
    info = DATASETS.get(name)
    if info is None:
        raise UsageError(_unknown_name(name))
    if name == _TOY:
        from harness.data.toy import ensure_toy

        return MVTec3D(ensure_toy(), info, "remove it with 'harness cache clear toy'; it is made again on its next use")
    if data is None:
        raise PrerequisiteError(
            f"{info.title} needs its files: give their folder with --data DIR or HARNESS_DATA, "
            f"or download them with 'harness data fetch {name} --to DIR'."
        )
    root = _find(info, data).root
    if root is None:
        raise UsageError(_not_found(info, data))
    return READERS[name](root, info)


def _find(info: DatasetInfo, data: Path | None) -> FoundDataset:
    if info.name == _TOY:
        return FoundDataset(info, None, info.categories)
    for root in _candidates(info, data):
        categories = READERS[info.name].categories_in(root, info)
        if categories:
            return FoundDataset(info, root, categories)
    return FoundDataset(info, None, ())


def _candidates(info: DatasetInfo, data: Path | None) -> Iterator[Path]:
    if data is not None:
        yield data
        yield from (data / name for name in info.folder_names)


def _unknown_name(name: str) -> str:
    near = get_close_matches(name.lower(), DATASETS, n=1, cutoff=0.4)
    guess = f"did you mean '{near[0]}'" if near else f"choose one of {', '.join(DATASETS)}"
    return f"There is no dataset '{name}': {guess}?"


def _not_found(info: DatasetInfo, data: Path) -> str:
    """Return one sentence: what was looked for, what is there instead, and how to correct it."""
    if not data.is_dir():
        kind = "is a file" if data.exists() else "does not exist"
        return f"{data} {kind}, where {info.title}'s folder is expected: give another folder with --data DIR."
    if data.name in info.categories:
        return f"{data} is one category of {info.title}: give the folder above it, --data {data.parent}."
    other = next((dataset.info for dataset in find_datasets(data) if dataset.root is not None), None)
    if other is not None:
        return f"{data} holds {other.title} and not {info.title}: use --dataset {other.name}, or another --data DIR."
    to = "DIR" if any(data.iterdir()) else data  # nothing is added to what others keep there
    expected = f"categories such as {', '.join(info.categories[:2])} in it or in its folder {info.folder_names[0]}"
    return (
        f"{data} holds no {info.title}: looked for {expected}, found {_content(data)}; give another folder with "
        f"--data DIR, or download it with 'harness data fetch {info.name} --to {to}'."
    )


def _content(folder: Path) -> str:
    names = [path.name for path in subfolders(folder)]
    if names:
        return ", ".join(names[:4]) + (f" and {len(names) - 4} more folders" if len(names) > 4 else "")
    return "no folder in it" if any(folder.iterdir()) else "nothing"
