"""Image and cloud of new samples: below a folder, by a glob, or line by line."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from harness.data.clouds.cloud import SUFFIXES
from harness.data.own.description import CloudDescription, Files
from harness.data.own.patterns import Pattern, below, filled
from harness.errors import UsageError

__all__ = ["NewFiles", "matching_pairs", "pairs_below", "parse_line"]

_CHOOSING = ("category", "split", "defect")
"""Fields of a dataset's patterns that new samples need not have."""

_IMAGES = (".png", ".jpg", ".jpeg", ".bmp")
_ANY_FOLDERS = "**"
_KEYS = ("rgb", "xyz", "camera")

_Values = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class NewFiles:
    """The files of a new sample, or why it has not all of them.

    Parameters
    ----------
    id
        Path below the folder that was searched, without folders of kinds and without a suffix: ``hole/007``. Of a
        listed sample the name of its image.
    rgb, xyz
        Image, and cloud or depth image; one of them None where it is missing.
    camera
        JSON file of the camera, where each image has its own.
    problem
        Why the sample can't be read; empty where it can.
    """

    id: str
    rgb: Path | None
    xyz: Path | None
    camera: Path | None = None
    problem: str = ""


def pairs_below(folder: Path, files: Files | None, cloud: CloudDescription | None) -> list[NewFiles]:
    """Return the samples at any depth below a folder, ascending by id.

    The first of these names is taken by which an image has its cloud: those of the dataset, without folders that name
    category, split or defect; those of the dataset as they are; ``rgb/NAME.png`` with ``xyz/NAME.tiff``; ``NAME.png``
    with ``NAME.tiff`` beside it.

    Parameters
    ----------
    folder
        Of the samples.
    files
        Names of the files of own data that a method was fitted on; None for other datasets.
    cloud
        What these hold; None for TIFF files of metres.

    Raises
    ------
    UsageError
        Where no image has its cloud by any of these names.
    """
    paths = below(folder)
    namings = _namings(files, cloud)
    for naming in namings:
        found = naming.pair(folder, paths)
        if any(not one.problem for one in found):
            return _with_distinct_ids(found)
    wanted = " or ".join(dict.fromkeys(f"'{naming.rgb[0]}' with '{naming.cloud[0]}'" for naming in namings))
    raise UsageError(
        f"{folder} holds no image with its cloud, {wanted}: name another folder with --in, or list the files with "
        "'--in -'."
    )


def matching_pairs(pattern: str, files: Files | None, cloud: CloudDescription | None) -> list[NewFiles]:
    """Return the samples whose image, or a folder above it, a glob fits; their clouds are found as in a folder.

    Raises
    ------
    UsageError
        Where nothing fits, or no image that does has its cloud.
    """
    names = Path(pattern).parts
    fixed = next((place for place, name in enumerate(names) if glob.has_magic(name)), len(names))
    top, rest = Path(*names[:fixed]), "/".join(names[fixed:])
    chosen = {path.absolute() for path in top.glob(rest)} if rest else set()
    if not chosen:
        raise UsageError(f"No file fits '{pattern}': give --in a folder or a glob of images, between quotes.")
    for folder in (top, top.parent):  # the clouds of 'rgb/*.png' lie beside its folder
        try:
            found = pairs_below(folder, files, cloud)
        except UsageError:
            continue
        fitting = [one for one in found if one.rgb and not chosen.isdisjoint(_with_parents(one.rgb, folder))]
        if fitting:
            return fitting
    raise UsageError(f"No image that '{pattern}' fits has its cloud: list the files with '--in -'.")


def _with_parents(path: Path, top: Path) -> list[Path]:
    absolute, end = path.absolute(), top.absolute()
    return [absolute, *(folder for folder in absolute.parents if folder.is_relative_to(end))]


def parse_line(line: str) -> NewFiles:
    """Return the sample of a line: image, cloud and, if any, camera between tabs; or a JSON object with these keys."""
    try:
        words = json.loads(line) if line.lstrip().startswith("{") else dict(zip(_KEYS, line.split("\t"), strict=False))
        paths = {key: Path(words[key].strip()) for key in _KEYS if words.get(key)}
        rgb, xyz = paths["rgb"], paths["xyz"]
    except (ValueError, KeyError, AttributeError, RecursionError):
        problem = "The line is neither RGB<TAB>XYZ nor a JSON object with the keys rgb and xyz: write one of them."
        return NewFiles(line.strip()[:80], None, None, problem=problem)
    return NewFiles(rgb.stem, rgb, xyz, paths.get("camera"))


@dataclass(frozen=True, slots=True)
class _Found:
    """A file that a pattern fits, the folders above what it fits, and what stands in its fields."""

    path: str
    above: tuple[str, ...]
    values: dict[str, str]

    @property
    def id(self) -> str:
        named = (self.values[name] for name in (*_CHOOSING, "id") if name in self.values)
        return "/".join((*self.above, *named))

    def key(self, fields: Iterable[str]) -> tuple[tuple[str, ...], _Values]:
        return self.above, frozenset((name, self.values[name]) for name in fields)


@dataclass(frozen=True, slots=True)
class _Naming:
    """Patterns by which images and clouds are paired, at any depth or from the folder on."""

    rgb: tuple[str, ...]
    cloud: tuple[str, ...]
    camera: str = ""
    anywhere: bool = True

    def pair(self, folder: Path, paths: Sequence[str]) -> list[NewFiles]:
        """Return a sample for each image and for each cloud without an image."""
        images, clouds = list(self._fitting("rgb", paths)), list(self._fitting("cloud", paths))
        taken: set[str] = set()
        by_key: dict[object, list[_Found]] = {}
        for one in clouds:
            by_key.setdefault((frozenset(one.values), *one.key(one.values)), []).append(one)
        kinds = {frozenset(one.values) for one in clouds}
        samples = []
        for image in images:
            fitting = (fields for fields in kinds if fields <= image.values.keys())
            partners = [one for fields in fitting for one in by_key.get((fields, *image.key(fields)), [])]
            taken |= {one.path for one in partners}
            samples.append(self._sample(folder, image, [one.path for one in partners if one.path != image.path]))
        samples += [
            NewFiles(one.id, None, folder / one.path, problem=f"{folder / one.path} has no image of the same name.")
            for one in clouds
            if one.path not in taken
        ]
        return sorted(samples, key=lambda sample: sample.id)

    def _sample(self, folder: Path, image: _Found, clouds: Sequence[str]) -> NewFiles:
        rgb = folder / image.path
        if len(clouds) != 1:
            said = "no cloud of the same name" if not clouds else f"{len(clouds)} clouds of the same name"
            return NewFiles(image.id, rgb, None, problem=f"{rgb} has {said}: it needs one.")
        camera = folder.joinpath(*image.above, filled(self.camera, image.values)) if self.camera else None
        return NewFiles(image.id, rgb, folder / clouds[0], camera)

    def _fitting(self, kind: Literal["rgb", "cloud"], paths: Sequence[str]) -> Iterator[_Found]:
        patterns = [(Pattern(text), len(PurePosixPath(text).parts)) for text in getattr(self, kind)]
        for path in paths:
            names = path.split("/")
            for pattern, length in patterns:
                above = tuple(names[:-length]) if self.anywhere else ()
                values = pattern.match("/".join(names[len(above) :]))
                if values is not None:
                    yield _Found(path, above, values)
                    break


def _namings(files: Files | None, cloud: CloudDescription | None) -> list[_Naming]:
    """Return the names to look for, the nearest first."""
    suffixes = (".tiff", ".tif") if cloud is None else SUFFIXES[cloud.kind]
    beside = tuple(suffix for suffix in suffixes if suffix not in _IMAGES)
    images = tuple(f"{{id}}{suffix}" for suffix in _IMAGES)
    namings = []
    if files is not None:
        camera = cloud.camera.file if cloud is not None and cloud.camera is not None else ""
        rgb, clouds = files.patterns("rgb"), files.patterns("cloud")
        namings += [
            _Naming(tuple(map(_reduced, rgb)), tuple(map(_reduced, clouds)), _reduced(camera)),
            _Naming(rgb, clouds, camera, anywhere=False),
        ]
    namings.append(_Naming(tuple(f"rgb/{name}" for name in images), tuple(f"xyz/{{id}}{end}" for end in suffixes)))
    if beside:
        namings.append(_Naming(images, tuple(f"{{id}}{suffix}" for suffix in beside)))
    return namings


def _reduced(pattern: str) -> str:
    """Return a pattern without folders that name category, split or defect, and without any folders above ``**``."""
    *folders, file = pattern.rpartition(f"{_ANY_FOLDERS}/")[2].split("/")
    kept = (name for name in folders if not any(f"{{{field}}}" in name for field in _CHOOSING))
    return "/".join((*kept, file))


def _with_distinct_ids(samples: Sequence[NewFiles]) -> list[NewFiles]:
    """Return the samples, those without a cloud where several images go by one name."""
    count: dict[str, int] = {}
    for sample in samples:
        count[sample.id] = count.get(sample.id, 0) + 1
    return [
        sample
        if count[sample.id] == 1 or sample.problem
        else NewFiles(sample.id, sample.rgb, None, problem=f"{sample.rgb} goes by the name of another: rename it.")
        for sample in samples
    ]
