"""Arrays of numbers a pixel: TIFF, NumPy and 16-bit PNG files, their headers checked before memory is taken."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from harness.data.images import GIVE_ANOTHER, read_depth, read_tiff, reading, require_size
from harness.errors import DataError
from harness.files.reading import open_regular

__all__ = ["GRID_SUFFIXES", "XYZ_SUFFIXES", "read_grid", "read_xyz"]

XYZ_SUFFIXES = (".tiff", ".tif", ".npy", ".npz")
GRID_SUFFIXES = (".png", *XYZ_SUFFIXES)

_NPY_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_PIECE = 2**20
_ROWS_COMPARED = 16


def read_xyz(path: Path, hint: str = GIVE_ANOTHER) -> NDArray[Any]:
    """Read the points of every pixel as they are.

    Parameters
    ----------
    path
        A TIFF, npy or npz file with an array of shape HxWx3 or 3xHxW, in any order of its planes.
    hint
        What the user can do about a bad file: the end of the error's sentence.

    Returns
    -------
    (H, W, 3) of a real type of 16 bits or more

    Raises
    ------
    DataError
        Where the file is missing, damaged, of another shape or type, or holds a depth three times.
    """
    values = _read_array(path, hint)
    shape, content = values.shape, _content(values.shape, values.dtype)
    if values.ndim == 2 or 1 in (shape[0], shape[-1]):
        raise DataError(
            f"{path} holds {content}, one value a pixel, instead of points of shape HxWx3: a depth or height map needs "
            f"a `kind` in dataset.toml. Else {hint}."
        )
    if shape[2] != 3 and shape[0] != 3:
        raise DataError(f"{path} holds {content} instead of points of shape HxWx3: {hint}.")
    points = values if shape[2] == 3 else np.moveaxis(values, 0, -1)
    if _repeated(points):
        raise DataError(
            f'{path} holds one value three times at each pixel, a repeated depth and no points: as `kind = "depth"` '
            f"with a camera it can be read. Else {hint}."
        )
    return points


def read_grid(path: Path, hint: str = GIVE_ANOTHER) -> NDArray[Any]:
    """Read one value a pixel, a depth or a height, as it is.

    Parameters
    ----------
    path
        A 16-bit PNG file, or a TIFF, npy or npz file of shape HxW, HxWx1, or HxWx3 with one value three times.
    hint
        What the user can do about a bad file: the end of the error's sentence.

    Returns
    -------
    (H, W) of a real type of 16 bits or more

    Raises
    ------
    DataError
        Where the file is missing, damaged, or of another shape or type.
    """
    if path.suffix.lower() == ".png":
        return read_depth(path, hint)
    values = _read_array(path, hint)
    if values.ndim == 2:
        return values
    if values.shape[-1] == 1:
        return values[:, :, 0]
    if values.shape[0] == 1:
        return values[0, :, :]
    if values.shape[-1] == 3 and _repeated(values):
        return values[:, :, 0]
    content = _content(values.shape, values.dtype)
    raise DataError(f"{path} holds {content} instead of one value a pixel, shape HxW: {hint}.")


def _read_array(path: Path, hint: str) -> NDArray[Any]:
    """Return the one array of a file, of two or three axes."""
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".npz"):
        return read_tiff(path, lambda shape, dtype: _require_numbers(path, shape, dtype, hint), hint)
    with reading(path, "an array of NumPy", hint), open_regular(path) as stream:
        return _read_npy(stream, path, hint) if suffix == ".npy" else _read_npz(stream, path, hint)


def _read_npz(stream: IO[bytes], path: Path, hint: str) -> NDArray[Any]:
    with zipfile.ZipFile(stream) as archive:
        names = archive.namelist()
        if len(names) != 1:
            raise DataError(f"{path} holds {len(names)} arrays ({', '.join(names)[:200]}) instead of one: {hint}.")
        with archive.open(names[0]) as member:
            return _read_npy(member, path, hint)


def _read_npy(stream: IO[bytes], path: Path, hint: str) -> NDArray[Any]:
    """Return an array without ever unpickling: its header is read, then as many bytes as it says."""
    version = npy.read_magic(stream)
    if version not in _NPY_HEADERS:
        raise ValueError(f"it has version {version} of the format")
    header: tuple[tuple[int, ...], bool, np.dtype[Any]] = _NPY_HEADERS[version](stream)
    shape, fortran, dtype = header
    _require_numbers(path, shape, dtype, hint)
    size = math.prod(shape) * dtype.itemsize
    content = bytearray()
    while piece := stream.read(min(size - len(content), _PIECE)):  # a longer one would be allocated at once
        content += piece
    if len(content) != size:
        raise ValueError(f"it ends after {len(content)} of {size} bytes")
    values: NDArray[Any] = np.frombuffer(content, dtype)
    return values.reshape(shape, order="F" if fortran else "C")


def _require_numbers(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], hint: str) -> None:
    """Raise DataError for an array that is not a cloud, depth or height map, or larger than any camera's."""
    if len(shape) not in (2, 3) or min(shape) < 1 or dtype.kind not in "fiu" or dtype.itemsize < 2:
        raise DataError(
            f"{path} holds {_content(shape, dtype)} instead of points of shape HxWx3 or HxW values: {hint}."
        )
    height, width = shape[:2] if len(shape) == 2 or shape[-1] <= 3 else shape[1:]
    require_size(path, width, height, hint)
    if len(shape) == 3 and min(shape[0], shape[-1]) > 3:
        raise DataError(f"{path} holds {_content(shape, dtype)} instead of points of shape HxWx3: {hint}.")


def _content(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    return f"{dtype} of shape {'x'.join(map(str, shape))}"


def _repeated(points: NDArray[Any]) -> bool:
    """Return whether all three values (H, W, 3) are equal at every pixel, and not the same everywhere."""
    some = points[:: max(1, len(points) // _ROWS_COMPARED)]
    return (
        all(
            np.array_equal(part[..., 0], part[..., other], equal_nan=part.dtype.kind == "f")
            for part in (some, points)
            for other in (1, 2)
        )
        and np.unique(some[np.isfinite(some)]).size > 1
    )
