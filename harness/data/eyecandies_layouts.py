"""The two layouts of an Eyecandies category."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import yaml
from numpy.typing import NDArray

from harness.contract import Sample
from harness.data.backproject import BACKGROUND_RULE, back_project, find_background, scale_depth, to_sample_axes
from harness.data.doubts import Doubts
from harness.data.folder import SPLITS, SampleFiles, Scan, files_digest, subfolders
from harness.data.images import read_depth, read_mask, read_rgb, read_text, reading, require_finite
from harness.data.paired import (
    decode_paired,
    has_paired_files,
    read_anomaly,
    require_same_size,
    scan_paired,
)
from harness.dataset_contract import GOOD, SampleRef, Split
from harness.errors import DataError
from harness.geometry import valid_points

__all__ = ["DEFECTS", "Converted", "Layout", "Official"]

DEFECTS = ("bumps", "dents", "colors", "normals")
"""Kinds of defects in the metadata."""

_MIXED, _BAD = "mixed", "bad"
_SPLIT_FOLDERS: dict[Split, str] = {"train": "train", "validation": "val", "test": "test_public"}
_DIGITS: dict[Split, int] = {"train": 3, "validation": 2, "test": 2}
_NEEDED = {"rgb": "image_4.png", "depth": "depth.png", "range": "info_depth.yaml", "pose": "pose.txt"}
_PARTS = _NEEDED | {"mask": "mask.png", "metadata": "metadata.yaml"}
_KIND_OF = {part: kind for kind, part in _PARTS.items()}


class Layout(Protocol):
    """One category on disk; the functions are those of a dataset."""

    def scan(self, split: Split) -> Scan:
        """Look at the files of a split."""

    def decode(self, ref: SampleRef, files: SampleFiles) -> Sample:
        """Read one sample as it is."""

    def clean(self, sample: Sample) -> Sample:
        """Remove the background."""

    def digest(self) -> str:
        """Return a digest of file names, sizes and the cleaning's settings."""


class Official:
    """A category as it is downloaded: ``<split>/data/NNN_{image_4,depth,mask}.png`` and three text files a sample."""

    def __init__(self, folder: Path, hint: str, doubts: Doubts) -> None:
        self._folder = folder
        self._hint = hint
        self._doubts = doubts

    @staticmethod
    def fits(folder: Path) -> bool:
        """Tell whether a category's folder has this layout."""
        return any((folder / name / "data").is_dir() for name in _SPLIT_FOLDERS.values())

    def scan(self, split: Split) -> Scan:
        """Look at the files of a split, and read metadata; training and validation samples are nominal by definition.

        A test sample without a mask, and a mask or metadata without any other file, are warnings.
        """
        data, scan = self._data(split), Scan()
        expected = [*_NEEDED, "mask"] if split == "test" else [*_NEEDED]
        for stem, files in _group_by_stem(data).items():
            scan.images += "rgb" in files
            missing = [kind for kind in expected if kind not in files]
            names = ", ".join(f"{stem}_{_PARTS[kind]}" for kind in missing)
            lacks = f"{data} lacks {names}, while sample {stem} has other files: {self._hint}."
            if any(kind in missing for kind in _NEEDED):
                (scan.problem if any(kind in files for kind in _NEEDED) else scan.warn)(lacks)
                continue
            try:
                defect = self._defect(data / stem, files) if split == "test" else GOOD
            except DataError as error:
                scan.problem(str(error))
                continue
            used = {kind: path for kind, path in files.items() if kind in expected}
            scan.add(SampleRef(self._folder.name, f"{_SPLIT_FOLDERS[split]}/{stem}", split, defect), used)
            if missing:
                scan.warn(lacks)
        scan.note_missing_masks()
        return scan

    def decode(self, ref: SampleRef, files: SampleFiles) -> Sample:
        """Read one sample with its background."""
        rgb, raw = read_rgb(files["rgb"], self._hint), read_depth(files["depth"], self._hint)
        require_same_size(files["rgb"], rgb, files["depth"], raw, self._hint)
        low, high = _read_depth_range(files["range"], self._hint)
        pose = _read_pose(files["pose"], self._hint)
        with np.errstate(all="ignore"):
            xyz = to_sample_axes(back_project(scale_depth(raw, low, high), pose))
        require_finite(files["depth"], xyz, self._hint)
        mask, regions = (np.zeros(raw.shape, dtype=np.bool_) if ref.defect == GOOD else None), None
        if ref.defect != GOOD and "mask" in files:
            mask = read_anomaly(ref, files, rgb, self._hint, self._doubts).pixels
            regions = self._regions(ref, files["mask"], mask) if ref.defect == _MIXED else None
        return Sample(
            id=ref.id,
            category=ref.category,
            defect=ref.defect,
            rgb=rgb,
            xyz=xyz,
            plane=np.zeros(raw.shape, dtype=np.bool_),
            mask=mask,
            anomalous=ref.defect != GOOD,
            regions=regions,
        )

    def _regions(self, ref: SampleRef, path: Path, mask: NDArray[np.bool_]) -> Mapping[str, NDArray[np.bool_]] | None:
        """Return what each kind of defects marks; None where one that the metadata names has no mask."""
        stem = path.name.removesuffix(_PARTS["mask"])
        kinds = _kinds(_read_yaml(path.with_name(f"{stem}{_PARTS['metadata']}"), self._hint))
        files = {kind: path.with_name(f"{stem}{kind}_mask.png") for kind in kinds}
        if missing := [file.name for file in files.values() if not file.exists()]:
            doubt = {"have no mask of one kind of defects alone": missing[0]} if len(missing) < len(files) else {}
            self._doubts.add("mixed samples", ref.category, ref.id, doubt)
            return None
        masks = {kind: read_mask(file, self._hint).pixels for kind, file in files.items()}
        for kind, pixels in masks.items():
            require_same_size(files[kind], pixels, path, mask, self._hint)
        whole = np.array_equal(np.logical_or.reduce([*masks.values()]), mask)
        doubt = {} if whole else {"have masks of single kinds of defects that are not the whole mask": ""}
        self._doubts.add("mixed samples", ref.category, ref.id, doubt)
        return masks

    def clean(self, sample: Sample) -> Sample:
        """Remove the background by :func:`harness.data.backproject.find_background`."""
        background = find_background(sample.xyz)
        xyz = np.where(background[:, :, None], np.float32(0), sample.xyz)
        return replace(sample, xyz=xyz, plane=sample.plane | background)

    def digest(self) -> str:
        """Return a digest of the names and sizes of the files that are read, and of the background rule."""
        endings = tuple(f"_{part}" for part in _PARTS.values())
        folders = [self._data(split) for split in SPLITS]
        files = (path for data in folders if data.is_dir() for path in data.iterdir() if path.name.endswith(endings))
        return files_digest(self._folder, files, BACKGROUND_RULE, self._hint)

    def _data(self, split: Split) -> Path:
        return self._folder / _SPLIT_FOLDERS[split] / "data"

    def _defect(self, prefix: Path, files: SampleFiles) -> str:
        if "metadata" in files:
            defect = _read_defect(files["metadata"], self._hint)
        elif "mask" in files:
            defect = _BAD if read_mask(files["mask"], self._hint).pixels.any() else GOOD
        else:
            raise DataError(f"{prefix} has neither a metadata nor a mask file to tell its label: {self._hint}.")
        return defect


class Converted:
    """A category in MVTec 3D-AD's folders, its background removed before: x is zero there, y and z may be not."""

    _folders: Mapping[Split, tuple[str, ...]] = {
        "train": ("train",),
        "validation": ("validation", "val"),
        "test": ("test", "test_public"),
    }

    def __init__(self, folder: Path, hint: str, doubts: Doubts) -> None:
        self._folder = folder
        self._hint = hint
        self._doubts = doubts

    @classmethod
    def fits(cls, folder: Path) -> bool:
        """Tell whether a category's folder has this layout."""
        return has_paired_files(folder, [name for names in cls._folders.values() for name in names])

    def scan(self, split: Split) -> Scan:
        """Look at the files of a split; numbers are written with the official number of digits."""

        def ref(defect: str, stem: str) -> SampleRef:
            number = str(int(stem)).zfill(_DIGITS[split]) if stem.isdecimal() else stem
            return SampleRef(self._folder.name, f"{_SPLIT_FOLDERS[split]}/{number}", split, defect)

        folders = [self._folder / name for name in self._folders[split]]
        scan = scan_paired(folders, ref, self._hint, only_good=split != "test")
        if depths := _folders_of_depth(folders):
            names = " and ".join(map(str, depths))
            way = "use the dataset as its authors publish it, or the copy that M3DM's script converts"
            scan.problems[:] = []
            scan.problem(f"{names} hold depth images (.png) where clouds of points are needed (.tiff): {way}.")
        return scan

    def decode(self, ref: SampleRef, files: SampleFiles) -> Sample:
        """Read one sample as it is."""
        return decode_paired(ref, files, self._hint, self._doubts)

    def clean(self, sample: Sample) -> Sample:
        """Mark every pixel without a point as background."""
        return replace(sample, plane=sample.plane | ~valid_points(sample.xyz))

    def digest(self) -> str:
        """Return a digest of file names and sizes."""
        paths = [path for split in SPLITS for path in self.scan(split).paths()]
        return files_digest(self._folder, paths, {"version": "converted-1"}, self._hint)


def _folders_of_depth(splits: Iterable[Path]) -> tuple[Path, ...]:
    """Return the folders of clouds that hold images instead, as one public script of conversion leaves them."""
    clouds = [defect / "xyz" for split in splits for defect in subfolders(split)]
    suffixes_in = {folder: {path.suffix.lower() for path in folder.iterdir()} for folder in clouds if folder.is_dir()}
    return tuple(folder for folder, suffixes in suffixes_in.items() if ".png" in suffixes and ".tiff" not in suffixes)


def _group_by_stem(data: Path) -> dict[str, dict[str, Path]]:
    """Return the files of each sample by kind, stems ascending; none where there is no such folder."""
    samples: dict[str, dict[str, Path]] = {}
    for path in data.iterdir() if data.is_dir() else ():
        stem, _, part = path.name.partition("_")
        if stem and part in _KIND_OF and not stem.startswith("."):
            samples.setdefault(stem, {})[_KIND_OF[part]] = path
    return dict(sorted(samples.items()))


def _read_yaml(path: Path, hint: str) -> Mapping[str, Any]:
    text = read_text(path, hint)
    with reading(path, "YAML", hint):
        content = yaml.safe_load(text)
    if not isinstance(content, dict):
        raise DataError(f"{path} has no named values: {hint}.")
    return content


def _read_depth_range(path: Path, hint: str) -> tuple[float, float]:
    """Return the smallest and largest depth of a sample."""
    content = _read_yaml(path, hint)
    try:
        low, high = (float(content["normalization"][name]) for name in ("min", "max"))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path} has no numbers normalization.min and normalization.max: {hint}.") from error
    if not 0 < low < high < np.inf:
        raise DataError(f"{path} gives the depth range {low} to {high}, which is empty: {hint}.")
    return low, high


def _read_pose(path: Path, hint: str) -> NDArray[np.float64]:
    """Return the camera's pose (4, 4), finite and invertible."""
    text = read_text(path, hint)
    with reading(path, "a matrix", hint):
        pose = np.loadtxt(text.splitlines(), dtype=np.float64)
    with np.errstate(all="ignore"):
        proper = pose.shape == (4, 4) and np.isfinite(pose).all() and 1e-9 < abs(np.linalg.det(pose)) < np.inf
    if not proper:
        raise DataError(f"{path} is not an invertible 4x4 matrix: {hint}.")
    return pose


def _read_defect(path: Path, hint: str) -> str:
    content = _read_yaml(path, hint)
    kinds = _kinds(content)
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        return _MIXED
    return _BAD if content.get("anomalous") else GOOD


def _kinds(content: Mapping[str, object]) -> list[str]:
    return [kind for kind in DEFECTS if content.get(f"anomalous_{kind}")]
