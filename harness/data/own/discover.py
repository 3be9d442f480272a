"""What lies in a folder of unknown data: images, clouds, depths and masks, and the patterns of their paths."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import tifffile
from PIL import Image

from harness.data.images import reading
from harness.data.own.patterns import below
from harness.errors import DataError
from harness.files.reading import read_regular

__all__ = ["Group", "Kind", "discover", "intrinsics_files"]

Kind = Literal["rgb", "xyz", "pcd", "ply", "depth", "mask", "object"]

_SPLITS = {
    "train": ("train", "training", "trn"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing", "tst", "eval"),
}
_SPLIT_WORDS = {word: split for split, words in _SPLITS.items() for word in words}
NOMINAL = ("good", "ok", "normal", "nominal", "io", "pass")
_MASK_WORDS = ("gt", "mask", "masks", "ground_truth", "groundtruth", "label", "labels", "annotation", "annotations")
_OBJECT_WORDS = ("object", "objects", "foreground", "fg", "roi")
_DEPTH_WORDS = ("depth", "depths", "range")
_KIND_WORDS = (
    *("rgb", "image", "images", "img", "color", "colour", "2d", "xyz", "cloud", "clouds", "pcd", "ply", "3d", "points"),
    *(*_MASK_WORDS, *_OBJECT_WORDS, *_DEPTH_WORDS, "height"),
)
_KINDS = set(_KIND_WORDS)
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_ARRAYS = (".npy", ".npz")
_CENTRES = (("cx", "cy"), ("ppx", "ppy"))


@dataclass(frozen=True, slots=True)
class Group:
    """Files of one kind whose paths are alike.

    Parameters
    ----------
    kind
        What they are, by their format, their content and the names of their folders; a guess.
    pattern
        Of their paths, as in ``dataset.toml``.
    paths
        Below the folder, ascending.
    """

    kind: Kind
    pattern: str
    paths: tuple[str, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields of the pattern."""
        return tuple(re.findall(r"{(\w+)}", self.pattern))


def discover(root: Path) -> list[Group]:
    """Return the groups of files below a folder that may be samples, the largest first."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for path in below(root):
        if PurePosixPath(path).suffix.lower() in (*_IMAGES, *_ARRAYS, ".pcd", ".ply"):
            alike.setdefault(_shape(path), []).append(path)
    groups = []
    for paths in alike.values():
        kind = _kind(root, paths)
        if kind is not None:
            groups.append(Group(kind, _pattern(paths), tuple(paths)))
    groups = _like_images(_with_whole_ids(groups))
    merged: dict[tuple[Kind, str], list[str]] = {}
    for group in groups:
        merged.setdefault((group.kind, group.pattern), []).extend(group.paths)
    groups = [Group(kind, pattern, tuple(sorted(paths))) for (kind, pattern), paths in merged.items()]
    return sorted(groups, key=lambda group: -len(group.paths))


def _like_images(groups: Sequence[Group]) -> list[Group]:
    """Give other files the fields of the images' folders where theirs are among these, as masks of a single defect."""
    images = max((group for group in groups if group.kind == "rgb"), key=lambda group: len(group.paths), default=None)
    if images is None:
        return list(groups)
    known = _folders(images)
    whole = []
    for group in groups:
        parts = list(PurePosixPath(group.pattern).parts)
        folders = _folders(group)
        if len(folders) == len(known):
            for (place, column), (model, others) in zip(folders.items(), known.items(), strict=True):
                field = PurePosixPath(images.pattern).parts[model]
                if "{" in field and column <= others:
                    parts[place] = field
        whole.append(replace(group, pattern="/".join(parts)))
    return whole


def _folders(group: Group) -> dict[int, set[str]]:
    """Return the names of a group's folders by their place in the paths, without those that only name a kind."""
    columns = zip(*(PurePosixPath(path).parts[:-1] for path in group.paths), strict=True)
    names = {place: set(column) for place, column in enumerate(columns)}
    return {place: words for place, words in names.items() if not {name.lower() for name in words} <= _KINDS}


def _with_whole_ids(groups: Sequence[Group]) -> list[Group]:
    """Take words back into the ids where the names of all files have the same, as ``IMG_007`` in both folders."""
    names = {PurePosixPath(group.pattern).stem for group in groups}
    if len(names) != 1 or not any("{id}" in name for name in names):
        return list(groups)
    return [replace(group, pattern=group.pattern.replace(next(iter(names)), "{id}")) for group in groups]


def intrinsics_files(root: Path) -> list[str]:
    """Return the JSON files below a folder that hold ``fx``, ``fy``, ``cx`` and ``cy``, or ``ppx`` and ``ppy``."""
    paths = []
    for path in below(root):
        if path.lower().endswith(".json"):
            try:
                content = json.loads(read_regular(root / path, 10**6))
            except (OSError, ValueError, RecursionError):
                continue
            if isinstance(content, dict) and any({"fx", "fy", *centre} <= set(content) for centre in _CENTRES):
                paths.append(path)
    return paths


def _shape(path: str) -> tuple[str, ...]:
    """Return what paths of one group have in common: suffix, depth, words of kinds, and the text around numbers."""
    parts = PurePosixPath(path)
    words = tuple(part.lower() if part.lower() in _KIND_WORDS else "" for part in parts.parts[:-1])
    if _is_in_folder_of_its_own(parts):
        return (parts.suffix.lower(), *words, parts.stem.lower())
    return (parts.suffix.lower(), *words, *_affixes(parts.stem))


def _is_in_folder_of_its_own(path: PurePosixPath) -> bool:
    """Tell whether the folder names the sample, and the file only its kind: ``part_7/rgb.png``."""
    return path.stem.lower() in _KINDS and path.parent.name.lower() not in _KINDS | {""}


def _affixes(stem: str) -> tuple[str, str]:
    """Return the text around a name's number that names a kind: ``depth_`` of ``depth_007``, ``_rgb`` of ``42_rgb``."""
    before, after = re.match(r"\D*", stem), re.search(r"\D*$", stem)
    pair = (before[0] if before else "", after[0] if after else "")
    if pair[0] == stem:
        return "", ""
    return tuple(text if _words(text) & set(_KIND_WORDS) else "" for text in pair)  # type: ignore[return-value]


def _words(text: str) -> set[str]:
    return {word.lower() for word in re.split(r"[^A-Za-z]+", text)}


def _pattern(paths: Sequence[str]) -> str:
    """Return the pattern of paths of one shape."""
    first = PurePosixPath(paths[0])
    if _is_in_folder_of_its_own(first):
        above = [str(PurePosixPath(path).parent.parent / first.name) for path in paths]
        folders = _pattern_of_folders(above)
        return "/".join([*folders, "{id}", first.name])
    before, after = _affixes(first.stem)
    suffixes = {PurePosixPath(path).suffix for path in paths}
    return "/".join([*_pattern_of_folders(paths), f"{before}{{id}}{after}{min(suffixes)}"])


def _pattern_of_folders(paths: Sequence[str]) -> list[str]:
    """Return what stands for each folder of paths of one shape."""
    columns = list(zip(*(PurePosixPath(path).parts[:-1] for path in paths), strict=True))
    parts: list[str] = []
    for position, column in enumerate(columns):
        parts.append(_part(column, columns[position + 1 :], parts))
    return parts


def _part(column: Sequence[str], after: Sequence[Sequence[str]], before: Sequence[str]) -> str:
    """Return what stands for one folder of the paths: a field, or its name where it is always the same."""
    words = {name.lower() for name in column}
    if words <= set(_SPLIT_WORDS):
        return "{split}"
    if "{defect}" not in before and (words & set(NOMINAL) or ("{split}" in before and (after or words - _KINDS))):
        return "{defect}"
    if words <= _KINDS and len(words) == 1:
        return column[0]
    behind = {name.lower() for names in after for name in names}
    if "{category}" not in before and (behind & {*_SPLIT_WORDS, *NOMINAL} or not behind):
        return "{category}"
    return column[0] if len(set(column)) == 1 else "*"


def splits_of(groups: Iterable[Group]) -> dict[str, str]:
    """Return the words that stand for splits in the paths of some groups."""
    folders = {}
    for group in groups:
        for path in group.paths:
            for part in PurePosixPath(path).parts[:-1]:
                if part.lower() in _SPLIT_WORDS:
                    folders[_SPLIT_WORDS[part.lower()]] = part
    return {split: folders[split] for split in _SPLITS if split in folders}


def _kind(root: Path, paths: Sequence[str]) -> Kind | None:
    """Return what files of one shape are, by one of them; None where it is not a part of a sample."""
    path = PurePosixPath(paths[len(paths) // 2])
    words = {part.lower() for part in path.parts[:-1]} | _words(path.stem)
    suffix = path.suffix.lower()
    if suffix in (".pcd", ".ply"):
        return "pcd" if suffix == ".pcd" else "ply"
    try:
        with reading(root / path, "a sample", ""):
            channels, wide = _layout(root / path)
    except DataError:
        return None
    if words & set(_MASK_WORDS):
        return "mask"
    if words & set(_OBJECT_WORDS):
        return "object"
    if suffix in _ARRAYS or wide:
        return "xyz" if channels == 3 and (suffix in _ARRAYS or not words & set(_DEPTH_WORDS)) else "depth"
    return "rgb"


def _layout(path: Path) -> tuple[int, bool]:
    """Return the number of values a pixel, and whether they have more than 8 bits and are not colours."""
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return 3, True
    if suffix == ".npy":
        import numpy as np

        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
        return (3 if len(shape) == 3 and 3 in (shape[0], shape[-1]) else 1), True
    if suffix in (".tif", ".tiff"):
        with tifffile.TiffFile(path) as opened:
            series = opened.series[0]
            planes = 3 if len(series.shape) == 3 and 3 in (series.shape[0], series.shape[-1]) else 1
            return planes, series.dtype.kind == "f" or (planes == 1 and series.dtype.itemsize > 1)
    with Image.open(path) as image:
        return (1 if len(image.getbands()) == 1 else 3), image.mode.startswith(("I", "F"))
