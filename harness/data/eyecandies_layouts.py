"""The two layouts that an Eyecandies category is found in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import yaml
from numpy.typing import NDArray

from harness.contract import Sample
from harness.data.backproject import BACKGROUND_RULE, back_project, find_background, scale_depth, to_sample_axes
from harness.data.base import SampleRef, Split
from harness.data.clean import valid_points
from harness.data.images import read_depth, read_mask, read_rgb
from harness.data.layout import (
    GOOD,
    PairedFiles,
    decode_paired,
    files_digest,
    match_files,
    read_anomaly,
    require_same_size,
    subfolders,
)
from harness.errors import DataError

__all__ = ["DEFECTS", "Converted", "Layout", "Official"]

DEFECTS = ("bumps", "dents", "colors", "normals")
"""Kinds of defects in the metadata."""

_MIXED, _BAD = "mixed", "bad"
_SPLIT_FOLDERS: dict[Split, str] = {"train": "train", "validation": "val", "test": "test_public"}
_DIGITS: dict[Split, int] = {"train": 3, "validation": 2, "test": 2}


class Layout(Protocol):
    """One category on disk; the functions mean what they mean for a dataset."""

    def refs(self, split: Split) -> tuple[SampleRef, ...]:
        """Return the samples of a split, sorted by id."""

    def decode(self, ref: SampleRef) -> Sample:
        """Read one sample as it is."""

    def clean(self, sample: Sample) -> Sample:
        """Remove the background."""

    def digest(self) -> str:
        """Return a digest of file names, sizes and the cleaning's settings."""


class Official:
    """A category as it is downloaded: ``<split>/data/NNN_{image_4,depth,mask}.png`` and three text files a sample."""

    _needed = ("image_4.png", "depth.png", "info_depth.yaml", "pose.txt")
    _further = ("mask.png", "metadata.yaml")

    def __init__(self, folder: Path, hint: str) -> None:
        self._folder = folder
        self._hint = hint

    @staticmethod
    def fits(folder: Path) -> bool:
        """Tell whether a category's folder has this layout."""
        return any((folder / name / "data").is_dir() for name in _SPLIT_FOLDERS.values())

    def refs(self, split: Split) -> tuple[SampleRef, ...]:
        """Return the samples of a split, sorted by id; training and validation samples are nominal by definition."""
        data = self._data(split)
        names = {path.name for path in data.iterdir() if path.name[0] != "."} if data.is_dir() else set()
        endings = [f"_{part}" for part in self._needed]
        stems = sorted({name.removesuffix(end) for name in names for end in endings if name.endswith(end)})
        refs = []
        for stem in stems:
            self._require_parts(data, stem, names)
            defect = self._defect(data, stem, names) if split == "test" else GOOD
            refs.append(SampleRef(self._folder.name, f"{_SPLIT_FOLDERS[split]}/{stem}", split, defect))
        return tuple(refs)

    def decode(self, ref: SampleRef) -> Sample:
        """Read one sample with its background."""
        prefix = self._data(ref.split) / ref.id.rpartition("/")[2]
        rgb_path, depth_path = _part(prefix, "image_4.png"), _part(prefix, "depth.png")
        rgb, raw = read_rgb(rgb_path, self._hint), read_depth(depth_path, self._hint)
        require_same_size(rgb_path, rgb, depth_path, raw, self._hint)
        low, high = _read_depth_range(_part(prefix, "info_depth.yaml"), self._hint)
        pose = _read_pose(_part(prefix, "pose.txt"), self._hint)
        mask = np.zeros(raw.shape, dtype=np.bool_)
        if ref.defect != GOOD:
            mask = read_anomaly(_part(prefix, "mask.png"), rgb_path, rgb, self._hint)
        return Sample(
            id=ref.id,
            category=ref.category,
            defect=ref.defect,
            rgb=rgb,
            xyz=to_sample_axes(back_project(scale_depth(raw, low, high), pose)),
            plane=np.zeros(raw.shape, dtype=np.bool_),
            mask=mask,
            anomalous=ref.defect != GOOD,
        )

    def clean(self, sample: Sample) -> Sample:
        """Remove the background by :func:`harness.data.backproject.find_background`."""
        background = find_background(sample.xyz)
        xyz = np.where(background[:, :, None], np.float32(0), sample.xyz)
        return replace(sample, xyz=xyz, plane=sample.plane | background)

    def digest(self) -> str:
        """Return a digest of the names and sizes of the files that are read, and of the background rule."""
        endings = tuple(f"_{part}" for part in self._needed + self._further)
        folders = [self._data(split) for split in _SPLIT_FOLDERS]
        files = (path for data in folders if data.is_dir() for path in data.iterdir() if path.name.endswith(endings))
        return files_digest(self._folder, files, BACKGROUND_RULE, self._hint)

    def _data(self, split: Split) -> Path:
        return self._folder / _SPLIT_FOLDERS[split] / "data"

    def _require_parts(self, data: Path, stem: str, names: set[str]) -> None:
        missing = [part for part in self._needed if f"{stem}_{part}" not in names]
        if missing:
            raise DataError(f"{data / stem}_{missing[0]} is missing while sample {stem} has other files: {self._hint}.")

    def _defect(self, data: Path, stem: str, names: set[str]) -> str:
        if f"{stem}_metadata.yaml" in names:
            defect = _read_defect(data / f"{stem}_metadata.yaml", self._hint)
        elif f"{stem}_mask.png" in names:
            defect = _BAD if read_mask(data / f"{stem}_mask.png", self._hint).any() else GOOD
        else:
            raise DataError(f"{data / stem} has neither a metadata nor a mask file to tell its label: {self._hint}.")
        if defect != GOOD and f"{stem}_mask.png" not in names:
            raise DataError(f"{data / stem}_mask.png is missing although its sample is anomalous: {self._hint}.")
        return defect


class Converted:
    """A category in MVTec 3D-AD's folders, its background removed before: x is zero there, y and z may be not."""

    _folders: Mapping[Split, tuple[str, ...]] = {
        "train": ("train",),
        "validation": ("validation", "val"),
        "test": ("test", "test_public"),
    }

    def __init__(self, folder: Path, hint: str) -> None:
        self._folder = folder
        self._hint = hint
        self._listed: dict[Split, dict[SampleRef, PairedFiles]] = {}

    @classmethod
    def fits(cls, folder: Path) -> bool:
        """Tell whether a category's folder has this layout."""
        names = [name for names in cls._folders.values() for name in names]
        return any((defect / "rgb").is_dir() for name in names for defect in subfolders(folder / name))

    def refs(self, split: Split) -> tuple[SampleRef, ...]:
        """Return the samples of a split, sorted by id; numbers are written with the official number of digits."""
        return tuple(self._files(split))

    def decode(self, ref: SampleRef) -> Sample:
        """Read one sample as it is."""
        files = self._files(ref.split).get(ref)
        if files is None:
            raise DataError(f"{self._folder} has no sample {ref.id}: {self._hint}.")
        return decode_paired(files, category=ref.category, id=ref.id, defect=ref.defect, hint=self._hint)

    def clean(self, sample: Sample) -> Sample:
        """Mark every pixel without a point as background."""
        return replace(sample, plane=sample.plane | ~valid_points(sample.xyz))

    def digest(self) -> str:
        """Return a digest of file names and sizes."""
        found = (files for split in _SPLIT_FOLDERS for files in self._files(split).values())
        paths = (path for files in found for path in (files.rgb, files.xyz, files.mask) if path is not None)
        return files_digest(self._folder, paths, {"version": "converted-1"}, self._hint)

    def _files(self, split: Split) -> dict[SampleRef, PairedFiles]:
        if split not in self._listed:
            self._listed[split] = self._list(split)
        return self._listed[split]

    def _list(self, split: Split) -> dict[SampleRef, PairedFiles]:
        found: dict[str, tuple[SampleRef, PairedFiles]] = {}
        folders = [folder for name in self._folders[split] for folder in subfolders(self._folder / name)]
        for folder in folders:
            for stem, files in match_files(folder, self._hint).items():
                number = str(int(stem)).zfill(_DIGITS[split]) if stem.isdecimal() else stem
                id = f"{_SPLIT_FOLDERS[split]}/{number}"
                if id in found:
                    raise DataError(f"{files.rgb} and {found[id][1].rgb} are both sample {id}: rename one of them.")
                found[id] = SampleRef(self._folder.name, id, split, folder.name), files
        return dict(found[id] for id in sorted(found))


def _part(prefix: Path, part: str) -> Path:
    return prefix.with_name(f"{prefix.name}_{part}")


def _read_yaml(path: Path, hint: str) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path} can't be read as YAML ({type(error).__name__}): {hint}.") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds no named values: {hint}.")
    return content


def _read_depth_range(path: Path, hint: str) -> tuple[float, float]:
    """Return the smallest and largest depth of a sample."""
    content = _read_yaml(path, hint)
    try:
        low, high = (float(content["normalization"][name]) for name in ("min", "max"))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} has no numbers normalization.min and normalization.max: {hint}.") from error
    if not 0 < low < high < np.inf:
        raise DataError(f"{path} gives the depth range {low} to {high}, which is none: {hint}.")
    return low, high


def _read_pose(path: Path, hint: str) -> NDArray[np.float64]:
    """Return the camera's pose (4, 4), finite and invertible."""
    try:
        pose = np.loadtxt(path, dtype=np.float64)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read as a matrix ({type(error).__name__}): {hint}.") from error
    if pose.shape != (4, 4) or not np.isfinite(pose).all() or abs(np.linalg.det(pose)) < 1e-9:
        raise DataError(f"{path} is no invertible 4x4 matrix: {hint}.")
    return pose


def _read_defect(path: Path, hint: str) -> str:
    content = _read_yaml(path, hint)
    kinds = [kind for kind in DEFECTS if content.get(f"anomalous_{kind}")]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        return _MIXED
    return _BAD if content.get("anomalous") else GOOD
