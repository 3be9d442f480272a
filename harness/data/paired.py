"""Folders of paired files, ``{rgb,xyz,gt}/NNN.{png,tiff,png}``: the layout of MVTec 3D-AD and of what imitates it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contract import Sample
from harness.data.base import SampleRef
from harness.data.clean import valid_points
from harness.data.folder import SampleFiles, Scan, subfolders
from harness.data.images import read_mask, read_rgb, read_xyz
from harness.errors import DataError

__all__ = ["GOOD", "decode_paired", "has_paired_files", "read_anomaly", "require_same_size", "scan_paired"]

GOOD = "good"

_FOLDERS = {"rgb": ("rgb", (".png",)), "xyz": ("xyz", (".tiff", ".tif")), "mask": ("gt", (".png",))}


def has_paired_files(folder: Path, splits: Iterable[str]) -> bool:
    """Tell whether one of a category's splits has a folder of images in this layout."""
    return any((defect / "rgb").is_dir() for split in splits for defect in subfolders(folder / split))


def scan_paired(folders: Iterable[Path], ref_of: Callable[[str, str], SampleRef], hint: str) -> Scan:
    """Match the files of every defect's folder by stem; a sample that lacks a file is a problem.

    Parameters
    ----------
    folders
        Hold the defects' folders. Masks of the defect ``good`` are not looked at.
    ref_of
        Returns the sample of a defect and a stem.
    hint
        End of a problem's sentence.
    """
    scan = Scan()
    for folder in (defect for above in folders for defect in subfolders(above)):
        paths = {kind: _by_stem(folder / name, suffixes) for kind, (name, suffixes) in _FOLDERS.items()}
        if folder.name == GOOD:
            del paths["mask"]
        scan.images += len(paths["rgb"])
        for stem in sorted({stem for stems in paths.values() for stem in stems}):
            files = {kind: stems[stem] for kind, stems in paths.items() if stem in stems}
            missing = [str(folder / _FOLDERS[kind][0]) for kind in paths if kind not in files]
            if missing:
                path = next(iter(files.values()))
                scan.problems.append(f"{path} has no partner of the same name in {' and '.join(missing)}: {hint}.")
            else:
                scan.add(ref_of(folder.name, stem), files)
    return scan


def _by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    files = (path for path in folder.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith("."))
    return {path.stem: path for path in files}


def decode_paired(ref: SampleRef, files: SampleFiles, hint: str) -> Sample:
    """Read one sample; points with a zero coordinate become exactly (0, 0, 0).

    Raises
    ------
    DataError
        Where a file can't be read, the files differ in size, the cloud has no valid point, or the mask is empty.
    """
    rgb, xyz = read_rgb(files["rgb"], hint), read_xyz(files["xyz"], hint)
    require_same_size(files["rgb"], rgb, files["xyz"], xyz, hint)
    valid = valid_points(xyz)
    if not valid.any():
        raise DataError(f"{files['xyz']} has no valid point, every one has a zero coordinate: {hint}.")
    xyz[~valid] = 0
    mask = np.zeros(valid.shape, dtype=np.bool_)
    if "mask" in files:
        mask = read_anomaly(files["mask"], files["rgb"], rgb, hint)
    return Sample(
        id=ref.id,
        category=ref.category,
        defect=ref.defect,
        rgb=rgb,
        xyz=xyz,
        plane=np.zeros(valid.shape, dtype=np.bool_),
        mask=mask,
        anomalous="mask" in files,
    )


def read_anomaly(path: Path, rgb_path: Path, rgb: NDArray[np.uint8], hint: str) -> NDArray[np.bool_]:
    """Read the mask (H, W) of an anomalous sample; raise DataError where its size is not the image's or it is empty."""
    mask = read_mask(path, hint)
    require_same_size(path, mask, rgb_path, rgb, hint)
    if not mask.any():
        raise DataError(f"{path} marks no pixel although its sample is anomalous: {hint}.")
    return mask


def require_same_size(path: Path, array: NDArray[Any], other: Path, other_array: NDArray[Any], hint: str) -> None:
    """Raise DataError where two arrays (H, W, ...) differ in height or width."""
    (height, width), (other_height, other_width) = array.shape[:2], other_array.shape[:2]
    if (height, width) != (other_height, other_width):
        sizes = f"{width}x{height} pixels but {other} has {other_width}x{other_height}"
        raise DataError(f"{path} has {sizes}: {hint}.")
