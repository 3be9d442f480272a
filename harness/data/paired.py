"""Folders of paired files, ``{rgb,xyz,gt}/NNN.{png,tiff,png}``: the layout of MVTec 3D-AD and of what imitates it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contract import Sample
from harness.data.class_ids import ClassIds, class_regions
from harness.data.doubts import Doubts
from harness.data.folder import SampleFiles, Scan, subfolders
from harness.data.images import MaskImage, Source, read_mask, read_rgb, read_xyz
from harness.dataset_contract import GOOD, SampleRef
from harness.errors import DataError
from harness.geometry import valid_points

__all__ = [
    "FOREIGN",
    "decode_paired",
    "has_paired_files",
    "read_anomaly",
    "require_same_size",
    "scan_paired",
]

_FOLDERS = {
    "rgb": (("rgb",), (".png",)),
    "xyz": (("xyz",), (".tiff", ".tif")),
    "mask": (("gt", "ground_truth"), (".png",)),
}
"""Names of the folders, the published one first, and suffixes of each kind of file."""

FOREIGN = (
    *(".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".exr"),
    *(".npy", ".npz", ".ply", ".pcd", ".xyz", ".csv", ".zdf", ".praw"),
)
"""Suffixes of images and clouds: a file that has the wrong one is named where its sample lacks the right one."""


def has_paired_files(folder: Path, splits: Iterable[str]) -> bool:
    """Tell whether one of a category's splits has a folder of images in this layout."""
    return any((defect / "rgb").is_dir() for split in splits for defect in subfolders(folder / split))


def scan_paired(
    folders: Iterable[Path],
    ref_of: Callable[[str, str], SampleRef],
    hint: str,
    *,
    only_good: bool = False,
    masks_expected: bool = True,
) -> Scan:
    """Match the files of every defect's folder by stem; a sample that lacks image or cloud is a problem.

    One that lacks its mask can be used, for metrics of images: how many there are is a note.

    Parameters
    ----------
    folders
        Hold the defects' folders. Masks of the defect ``good`` are not looked at.
    ref_of
        Returns the sample of a defect and a stem.
    hint
        End of a problem's sentence.
    only_good
        Leave out other samples, with a note.
    masks_expected
        Whether each missing mask is a warning, too.
    """
    scan = Scan()
    for folder in (defect for above in folders for defect in subfolders(above)):
        by_kind = {kind: _by_stem(folder, names, suffixes) for kind, (names, suffixes) in _FOLDERS.items()}
        if folder.name == GOOD:
            del by_kind["mask"]
        elif only_good and any(files.usable for files in by_kind.values()):
            count = len(by_kind["rgb"].usable)
            scan.note(f"{count} images in {folder} are left out: only samples in a folder '{GOOD}' are for training")
            continue
        scan.images += sum(map(len, by_kind["rgb"].usable.values()))
        for stem in sorted({stem for files in by_kind.values() for stem in files.usable} | _foreign_samples(by_kind)):
            if problem := _twins(by_kind, stem) or _missing(folder, by_kind, stem, hint):
                scan.problem(problem)
                continue
            files = {kind: each.usable[stem][0] for kind, each in by_kind.items() if stem in each.usable}
            scan.add(ref_of(folder.name, stem), files)
            if masks_expected and len(files) < len(by_kind):
                scan.warn(_without_partner(files["rgb"], folder, ["mask"], hint))
    scan.note_missing_masks()
    return scan


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of a folder by stem: those of the right suffix, and others of images and clouds."""

    usable: Mapping[str, Sequence[Path]]
    foreign: Mapping[str, Sequence[Path]]


def _by_stem(folder: Path, names: tuple[str, ...], suffixes: tuple[str, ...]) -> _Files:
    usable: dict[str, list[Path]] = {}
    foreign: dict[str, list[Path]] = {}
    places = (folder / name for name in names)
    for path in sorted(file for place in places if place.is_dir() for file in place.iterdir()):
        suffix = path.suffix.lower()
        if suffix in FOREIGN and not path.name.startswith("."):
            (usable if suffix in suffixes else foreign).setdefault(path.stem, []).append(path)
    return _Files(usable, foreign)


def _foreign_samples(by_kind: Mapping[str, _Files]) -> set[str]:
    """Return the stems of samples without any usable file: an image and a cloud, both of a wrong suffix."""
    return set(by_kind["rgb"].foreign) & set(by_kind["xyz"].foreign)


def _twins(by_kind: Mapping[str, _Files], stem: str) -> str:
    """Return a sentence where a sample has two files of one kind; empty where it has not."""
    for files in by_kind.values():
        if len(twins := files.usable.get(stem, ())) > 1:
            return f"{' and '.join(map(str, twins))} go by one name, and a sample has one of them: rename the others."
    return ""


def _missing(folder: Path, by_kind: Mapping[str, _Files], stem: str, hint: str) -> str:
    """Return a sentence about files that a sample lacks, or what lies in their place; empty where it can be used."""
    missing = [kind for kind, files in by_kind.items() if stem not in files.usable]
    wrong = {path: kind for kind in missing for path in by_kind[kind].foreign.get(stem, ())}
    if wrong:
        wanted = dict.fromkeys(_FOLDERS[kind][1][0] for kind in wrong.values())
        names = " and ".join(map(str, wrong))
        return (
            f"{names} can't be read, only {' and '.join(wanted)} files can: convert what has another format, or read "
            "all as your own data with '--dataset folder'."
        )
    if any(kind != "mask" for kind in missing):
        path = next(files.usable[stem][0] for files in by_kind.values() if stem in files.usable)
        return _without_partner(path, folder, missing, hint)
    return ""


def _without_partner(path: Path, folder: Path, missing: Iterable[str], hint: str) -> str:
    places = " and ".join(str(folder / _FOLDERS[kind][0][0]) for kind in missing)
    return f"{path} has no partner of the same name in {places}: complete the sample, or {hint}."


def decode_paired(
    ref: SampleRef,
    files: SampleFiles,
    hint: str,
    doubts: Doubts,
    read_cloud: Callable[[Path, str], NDArray[np.float32]] = read_xyz,
    classes: ClassIds | None = None,
) -> Sample:
    """Read one sample; points with a zero coordinate become exactly (0, 0, 0). What is doubtful is added to doubts.

    Several class ids in the mask give regions (:func:`harness.data.class_ids.class_regions`).

    Raises
    ------
    DataError
        Where a file can't be read, the files differ in size, the cloud has no valid point, or the mask is empty.
    """
    rgb, xyz = read_rgb(files["rgb"], hint), read_cloud(files["xyz"], hint)
    require_same_size(files["rgb"], rgb, files["xyz"], xyz, hint)
    valid = valid_points(xyz)
    if not valid.any():
        raise DataError(f"{files['xyz']} has no valid point, every one has a zero coordinate: {hint}.")
    xyz[~valid] = 0
    mask, regions = (np.zeros(valid.shape, dtype=np.bool_) if ref.defect == GOOD else None), None
    if "mask" in files:
        read = read_anomaly(ref, files, rgb, hint, doubts)
        mask, regions = read.pixels, class_regions(read, ref.defect, classes or {})
    return Sample(
        id=ref.id,
        category=ref.category,
        defect=ref.defect,
        rgb=rgb,
        xyz=xyz,
        plane=np.zeros(valid.shape, dtype=np.bool_),
        mask=mask,
        anomalous=ref.defect != GOOD,
        regions=regions,
    )


def read_anomaly(
    ref: SampleRef, files: Mapping[str, Source], rgb: NDArray[np.uint8], hint: str, doubts: Doubts
) -> MaskImage:
    """Read the mask (H, W) of an anomalous sample; raise DataError where its size is not the image's or it is empty."""
    path, mask = files["mask"], read_mask(files["mask"], hint)
    require_same_size(path, mask.values, files["rgb"], rgb, hint)
    if not mask.pixels.any():
        raise DataError(f"{path} marks no pixel although its sample is anomalous: {hint}.")
    doubts.add("masks", ref.category, ref.id, mask.doubts)
    return mask


def require_same_size(path: Source, array: NDArray[Any], other: Source, other_array: NDArray[Any], hint: str) -> None:
    """Raise DataError where two arrays (H, W, ...) differ in height or width."""
    (height, width), (other_height, other_width) = array.shape[:2], other_array.shape[:2]
    if (height, width) != (other_height, other_width):
        sizes = f"{width}x{height} pixels but {other} has {other_width}x{other_height}"
        raise DataError(f"{path} has {sizes}: {hint}.")
