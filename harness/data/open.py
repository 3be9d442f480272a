"""Find and open a dataset by its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.data.folder import SPLITS, subfolders
from harness.data.own.description import DESCRIPTION
from harness.data.paired import has_paired_files
from harness.data.registry import DATASETS, OWN_DATA, load_embedded, load_reader, way_to_get
from harness.dataset_contract import Dataset, DatasetInfo
from harness.errors import PrerequisiteError, UsageError
from harness.registry import nearest_names

__all__ = ["FoundDataset", "dataset_in", "find_datasets", "open_dataset", "open_found"]


@dataclass(frozen=True, slots=True)
class FoundDataset:
    """A dataset, and where it was found.

    Parameters
    ----------
    info
        Facts of the dataset; of own data, those of its folder.
    root
        Folder of its categories; None where it was not found, and for an embedded dataset, made on its first use.
    categories
        Categories found, in the published order.
    """

    info: DatasetInfo
    root: Path | None
    categories: tuple[str, ...]


def find_datasets(data: Path | None) -> tuple[FoundDataset, ...]:
    """Look for each known dataset; for own data where none of the others is there, or a description is.

    Parameters
    ----------
    data
        A dataset's folder, or a folder of datasets' folders; None finds embedded datasets only.
    """
    described = _is_described(data)
    places = tuple(_find(name, None if described else data) for name in DATASETS if name != OWN_DATA)
    others = any(dataset.root is not None for dataset in places)
    return (*places, _find(OWN_DATA, None if others else data))


def dataset_in(data: Path) -> str:
    """Return the name of the dataset that a folder holds, found out by its content.

    Parameters
    ----------
    data
        A dataset's folder, or the folder above it.

    Raises
    ------
    UsageError
        Where it holds none, or several.
    """
    names = [place.info.name for place in find_datasets(data) if place.root is not None]
    if len(names) == 1:
        return names[0]
    if not names and has_paired_files(data, SPLITS):
        raise UsageError(_not_found(DATASETS[OWN_DATA], data))
    holds = f"holds {' and '.join(names)}" if names else "holds no dataset that is known"
    way = "" if names else f", or {_describe(data)}"
    raise UsageError(f"{data} {holds}: name the dataset that is meant with --dataset ({', '.join(DATASETS)}){way}.")


def open_found(data: Path, name: str | None = None) -> Dataset:
    """Open the dataset that lies in a folder or below it, also one that the harness made.

    Parameters
    ----------
    data
        A dataset's folder, or the folder above it.
    name
        As for :func:`open_dataset`; None takes own data that are described, else the first dataset that is found.

    Raises
    ------
    UsageError
        Where the folder holds no such dataset.
    """
    if name is not None and name not in DATASETS:
        return _open_own(name, data)
    order = (OWN_DATA,) if _is_described(data) else sorted(DATASETS, key=OWN_DATA.__eq__)
    for known in order if name is None else (name,):
        reader = load_reader(known)
        if (root := reader.find(data)) is not None:
            return reader(root)
    if name == OWN_DATA:
        raise UsageError(_not_found(DATASETS[name], data))
    wanted, way = (DATASETS[name].title, "") if name else ("dataset that is known", f", or {_describe(data)}")
    raise UsageError(f"{data} holds no {wanted}: give the folder that has the categories' folders in it{way}.")


def open_dataset(name: str, data: Path | None) -> Dataset:
    """Open a dataset by its name; an embedded one is made first where it is not in the cache.

    Parameters
    ----------
    name
        A key of :data:`harness.data.registry.DATASETS`, or the name of own data that lies in ``data``.
    data
        The dataset's folder, or the folder above it; not used for an embedded dataset.

    Raises
    ------
    UsageError
        For an unknown name, and for a folder that doesn't hold the dataset.
    PrerequisiteError
        Where no folder is given.
    """
    if name not in DATASETS:
        return _open_own(name, data)
    info, reader = DATASETS[name], load_reader(name)
    if info.embedded:
        return reader(load_embedded(name).make())
    if data is None:
        raise PrerequisiteError(_folder_needed(info))
    root = reader.find(data)
    if root is None:
        raise UsageError(_not_found(info, data))
    return reader(root)


def _open_own(name: str, data: Path | None) -> Dataset:
    """Open own data under the name that it goes by in records."""
    reader = load_reader(OWN_DATA)
    root = reader.find(data) if data is not None else None
    own = reader(root) if root is not None else None
    if own is not None and own.info.name == name:
        return own
    known = [*DATASETS] if own is None else [*DATASETS, own.info.name]
    raise UsageError(f"There is no dataset '{name}': {nearest_names(name.lower(), known)}")


def _is_described(data: Path | None) -> bool:
    return data is not None and (data / DESCRIPTION).is_file()


def _find(name: str, data: Path | None) -> FoundDataset:
    info, reader = DATASETS[name], load_reader(name)
    if info.embedded:
        return FoundDataset(info, None, info.categories)
    root = reader.find(data) if data is not None else None
    if root is None:
        return FoundDataset(info, None, ())
    opened = reader(root)
    return FoundDataset(opened.info, root, opened.categories)


def _folder_needed(info: DatasetInfo) -> str:
    needs = f"{info.title} needs its files: give their folder with --data DIR or HARNESS_DATA"
    return f"{needs}, or {way}." if (way := way_to_get(info)) else f"{needs}."


def _not_found(info: DatasetInfo, data: Path) -> str:
    """Return one sentence: what was looked for, what is there instead, and how to correct it."""
    if not data.is_dir():
        kind = "is a file" if data.exists() else "does not exist"
        return f"{data} {kind}, where {info.title}'s folder is expected: give another folder with --data DIR."
    if info.name == OWN_DATA and has_paired_files(data, SPLITS):
        return f"{data} is one category of own data: give the folder above it, --data {data.parent}."
    if data.name in info.categories:
        return f"{data} is one category of {info.title}: give the folder above it, --data {data.parent}."
    other = next((dataset.info for dataset in find_datasets(data) if dataset.root is not None), None)
    if other is not None:
        return f"{data} holds {other.title} and not {info.title}: use --dataset {other.name}, or another --data DIR."
    if info.name == OWN_DATA:
        holds = f"{data} holds no {info.title.lower()} in the layout of MVTec 3D-AD: found {_content(data)}"
        return f"{holds}; give another folder with --data DIR, or {_describe(data)}."
    if not info.counts:
        return f"{data} holds no {info.title}: found {_content(data)}; give another folder with --data DIR."
    to = "DIR" if any(data.iterdir()) else data  # nothing is added to what others keep there
    expected = f"categories such as {', '.join(info.categories[:2])} in it or in its folder {info.folder_names[0]}"
    problem = f"{data} holds no {info.title}: looked for {expected}, found {_content(data)}"
    other_ways = f", or {way}" if (way := way_to_get(info, to)) else ""
    return f"{problem}; give another folder with --data DIR{other_ways}."


def _describe(data: Path) -> str:
    """Return how a user makes own data of a folder, as part of a sentence."""
    return f"describe your own files with 'harness data describe {data}'"


def _content(folder: Path) -> str:
    names = [path.name for path in subfolders(folder)]
    if names:
        return ", ".join(names[:4]) + (f" and {len(names) - 4} more folders" if len(names) > 4 else "")
    return "no folder in it" if any(folder.iterdir()) else "nothing"
