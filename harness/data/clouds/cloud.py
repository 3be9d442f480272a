"""From what a camera wrote to the cloud of a sample: metres, to the right, down and forward, zero where nothing is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.contract import Sample
from harness.data.clouds.arrays import GRID_SUFFIXES, XYZ_SUFFIXES, read_grid, read_xyz
from harness.data.clouds.pcd import read_pcd
from harness.data.clouds.ply import read_ply
from harness.data.images import GIVE_ANOTHER
from harness.data.own.description import Camera, CloudDescription, CloudKind, Grid
from harness.data.pinhole import Pinhole, camera_of, read_camera
from harness.errors import DataError

__all__ = ["SUFFIXES", "read_cloud", "read_stored", "within_rows"]

SUFFIXES: dict[CloudKind, tuple[str, ...]] = {
    "xyz": XYZ_SUFFIXES,
    "pcd": (".pcd",),
    "ply": (".ply",),
    "depth": GRID_SUFFIXES,
    "height": GRID_SUFFIXES,
}
"""Of the files that are read, by kind."""

_LIST = "is a list of points without their pixels: export an ordered PLY or an organised PCD instead"
_ADVICE = {
    ".zdf": "needs Zivid's software: export an ordered PLY with it",
    ".praw": "needs Photoneo's software: export an ordered PLY with it",
    ".exr": "can't be read: save its values as a TIFF file of floats",
    **dict.fromkeys((".csv", ".txt", ".asc", ".xyz"), _LIST),
}
_TINY = np.float32(1e-9)


def read_cloud(
    path: Path,
    size: tuple[int, int],
    description: CloudDescription,
    camera: Path | None = None,
    *,
    hint: str = GIVE_ANOTHER,
) -> NDArray[np.float32]:
    """Read the cloud of a sample from the file that a camera wrote.

    Parameters
    ----------
    path
        In one of the formats of the description's kind.
    size
        Height and width of the sample's image, which say those of a PLY file, of its width alone with ``rows``.
    description
        What the file holds. Its ``missing`` values are compared with z as it stands in the file, or with the value of
        a depth or height map before it is scaled.
    camera
        JSON file of the description's camera, where it names one.
    hint
        What the user can do about a bad file: the end of the error's sentence.

    Returns
    -------
    (H, W, 3) float32
        Metres; exactly (0, 0, 0) where nothing was measured, 1e-9 where a measured coordinate is exactly zero. Heights
        grow towards the sensor, so they become negative. Other rows than the description's ``rows`` are left out, or
        without points where the image has them, too (:func:`within_rows`).

    Raises
    ------
    DataError
        With the file's name: missing, damaged, of another format or not organised; coordinates that are not finite and
        not declared as missing; no point at all.
    """
    _require_suffix(path, description)
    points, stored = _points(path, size, description, camera, hint)
    first, end = description.rows or (0, len(points))
    if end > len(points):
        raise DataError(f"{path} has {len(points)} rows, and `rows` of dataset.toml ends at {end}: {hint}.")
    if size[0] != len(points):
        points, stored, first, end = points[first:end], stored[first:end], 0, end - first
    missing = _missing(points, stored, description)
    missing[:first] = missing[end:] = True
    xyz = _turned(points, description)
    xyz[missing] = 0
    bad = int((~np.isfinite(xyz)).any(axis=-1).sum())
    if bad:
        raise DataError(
            f"{path} holds NaN or infinite coordinates at {bad} pixels: name them in `missing` of dataset.toml, or "
            f"{hint}."
        )
    if missing.all():
        raise DataError(f"{path} has no valid point, every one is of a value that `missing` names: {hint}.")
    return xyz


def _require_suffix(path: Path, description: CloudDescription) -> None:
    """Raise DataError where a file's name doesn't end as those of the description's kind do."""
    suffix, suffixes = path.suffix.lower(), SUFFIXES[description.kind]
    if suffix not in suffixes:
        advice = _ADVICE.get(
            suffix, f"is not a file of kind '{description.kind}', which end with {', '.join(suffixes)}"
        )
        raise DataError(f"{path} {advice}.")


def within_rows(sample: Sample, description: CloudDescription, hint: str = GIVE_ANOTHER) -> Sample:
    """Return a sample without the rows that its description leaves out, where image, cloud and masks have them.

    Raises
    ------
    DataError
        Where no pixel that the mask of an anomalous sample marks is left.
    """
    first, end = description.rows or (0, len(sample.rgb))
    if len(sample.rgb) == end - first:
        return sample
    mask = None if sample.mask is None else sample.mask[first:end]
    if mask is not None and sample.anomalous and not mask.any():
        raise DataError(
            f"The mask of {sample.category}/{sample.id} marks no pixel in rows {first} to {end - 1}, which alone "
            f"`rows` of dataset.toml keeps: {hint}."
        )
    used = slice(first, end)
    return replace(sample, rgb=sample.rgb[used], xyz=sample.xyz[used], plane=sample.plane[used], mask=mask)


def read_stored(path: Path, kind: CloudKind, size: tuple[int | None, int], hint: str) -> NDArray[Any]:
    """Return what a file holds, in its unit: points (H, W, 3), or depths or heights (H, W).

    Parameters
    ----------
    path, kind
        The file and what it is.
    size
        As for :func:`harness.data.clouds.ply.read_ply`; not used for other files.
    hint
        What the user can do about a bad file: the end of the error's sentence.

    Raises
    ------
    DataError
        With the file's name: missing, damaged, of another format or not organised.
    """
    if kind in ("depth", "height"):
        return read_grid(path, hint)
    if kind == "pcd":
        return read_pcd(path, hint)
    return read_ply(path, size, hint) if kind == "ply" else read_xyz(path, hint)


def _points(
    path: Path, size: tuple[int, int], description: CloudDescription, camera: Path | None, hint: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return points (H, W, 3) in the file's unit, and z, depths or heights (H, W) as they stand there."""
    stored = read_stored(path, description.kind, (None if description.rows else size[0], size[1]), hint)
    if description.kind == "height":
        return _heights(stored, description.grid or Grid(1, 1)), stored
    if description.kind == "depth":
        return _pinhole(description, camera, stored, hint).points(stored), stored
    return stored, stored[..., 2]


def _pinhole(description: CloudDescription, path: Path | None, depth: NDArray[Any], hint: str) -> Pinhole:
    if path is not None:
        height, width = depth.shape
        return read_camera(path, (height, width), description.metres, hint)
    return camera_of(msgspec.to_builtins(description.camera or Camera()), "The camera of the description", hint)


def _heights(values: NDArray[Any], grid: Grid) -> NDArray[np.float64]:
    """Return the points (H, W, 3) of a height map, in the grid's unit: right, down, and away from the sensor."""
    height, width = values.shape
    points = np.empty((height, width, 3))
    points[..., 0] = np.arange(width) * grid.dx
    points[..., 1] = np.arange(height)[:, np.newaxis] * grid.dy
    points[..., 2] = -(values.astype(np.float64) * grid.z_scale + grid.z_offset)
    return points


def _missing(points: NDArray[Any], stored: NDArray[Any], description: CloudDescription) -> NDArray[np.bool_]:
    """Return where (H, W) the file says that nothing was measured."""
    missing = np.zeros(stored.shape, np.bool_)
    for value in description.missing_numbers:
        missing |= stored == value
    for word, is_word in (("nan", np.isnan), ("inf", np.isinf)):
        if word in description.missing:
            missing |= is_word(points).any(axis=-1)
    return missing


def _turned(points: NDArray[Any], description: CloudDescription) -> NDArray[np.float32]:
    """Return points (H, W, 3) in a sample's axes and metres, without a coordinate that is exactly zero."""
    xyz = np.empty(points.shape, np.float32)
    with np.errstate(all="ignore"):
        for place, (axis, sign) in enumerate(description.turn):
            xyz[..., axis] = points[..., place].astype(np.float64) * (sign * description.metres)
    xyz[xyz == 0] = _TINY
    return xyz
