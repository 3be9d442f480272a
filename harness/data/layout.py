"""Folders of paired files, ``{rgb,xyz,gt}/NNN.{png,tiff,png}``: the layout of MVTec 3D-AD and of what imitates it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contract import Sample
from harness.data.base import DatasetInfo
from harness.data.clean import valid_points
from harness.data.images import read_mask, read_rgb, read_xyz
from harness.errors import DataError
from harness.files.digest import digest

__all__ = [
    "GOOD",
    "PairedFiles",
    "decode_paired",
    "files_digest",
    "hint_for",
    "match_files",
    "read_anomaly",
    "require_same_size",
    "subfolders",
]

GOOD = "good"

_SUFFIXES = {"rgb": (".png",), "xyz": (".tiff", ".tif"), "gt": (".png",)}


@dataclass(frozen=True, slots=True)
class PairedFiles:
    """The files of one sample; ``mask`` is None for nominal ones."""

    rgb: Path
    xyz: Path
    mask: Path | None


def hint_for(info: DatasetInfo, root: Path) -> str:
    """Return what a user can do about a bad file of a dataset: the end of an error's sentence."""
    if not info.homepage:
        return f"delete {root} and run the command again, which makes the {info.name} dataset anew"
    return (
        f"download it again with 'harness data fetch {info.name}' and check all files with 'harness data verify {root}'"
    )


def subfolders(folder: Path) -> tuple[Path, ...]:
    """Return the folders below a folder by name, hidden ones left out; none where there is no such folder."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")))


def match_files(folder: Path, hint: str) -> dict[str, PairedFiles]:
    """Return the samples of a defect's folder by file stem, sorted.

    Parameters
    ----------
    folder
        Its name is the defect's: masks of ``good`` are not looked at.
    hint
        End of the error's sentence.

    Raises
    ------
    DataError
        Where a file lacks its partner; it names the first one and says how many there are.
    """
    rgb, xyz, gt = (_by_stem(folder / kind, suffixes) for kind, suffixes in _SUFFIXES.items())
    masked = folder.name != GOOD
    _require_partners(rgb, xyz, folder / "xyz", hint)
    _require_partners(xyz, rgb, folder / "rgb", hint)
    if masked:
        _require_partners(rgb, gt, folder / "gt", hint)
        _require_partners(gt, rgb, folder / "rgb", hint)
    return {stem: PairedFiles(rgb[stem], xyz[stem], gt[stem] if masked else None) for stem in sorted(rgb)}


def _by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    files = (path for path in folder.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith("."))
    return {path.stem: path for path in files}


def _require_partners(files: Mapping[str, Path], partners: Mapping[str, Path], where: Path, hint: str) -> None:
    alone = sorted(set(files) - set(partners))
    if alone:
        more = f" (and {len(alone) - 1} more like it)" if len(alone) > 1 else ""
        raise DataError(f"{files[alone[0]]} has no partner of the same name in {where}{more}: {hint}.")


def decode_paired(files: PairedFiles, *, category: str, id: str, defect: str, hint: str) -> Sample:
    """Read one sample; points with a zero coordinate become exactly (0, 0, 0).

    Raises
    ------
    DataError
        Where a file can't be read, the files differ in size, the cloud has no valid point, or the mask is empty.
    """
    rgb, xyz = read_rgb(files.rgb, hint), read_xyz(files.xyz, hint)
    require_same_size(files.rgb, rgb, files.xyz, xyz, hint)
    valid = valid_points(xyz)
    if not valid.any():
        raise DataError(f"{files.xyz} has no valid point, every one has a zero coordinate: {hint}.")
    xyz[~valid] = 0
    mask = np.zeros(valid.shape, dtype=np.bool_)
    if files.mask is not None:
        mask = read_anomaly(files.mask, files.rgb, rgb, hint)
    return Sample(
        id=id,
        category=category,
        defect=defect,
        rgb=rgb,
        xyz=xyz,
        plane=np.zeros(valid.shape, dtype=np.bool_),
        mask=mask,
        anomalous=files.mask is not None,
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


def files_digest(folder: Path, files: Iterable[Path], cleaning: Mapping[str, Any], hint: str) -> str:
    """Return a digest of files' names below ``folder``, their sizes, and cleaning settings; reads no content.

    Raises
    ------
    DataError
        Where a name leads to no file, as a broken link does.
    """
    sizes = sorted([path.relative_to(folder).as_posix(), _size(path, hint)] for path in files)
    return digest({"files": sizes, "cleaning": cleaning})


def _size(path: Path, hint: str) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}): {hint}.") from error
