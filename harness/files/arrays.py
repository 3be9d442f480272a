"""Arrays in files: read from ``.npz`` files of unknown origin, of bounded size only; never a pickle."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from harness.files.reading import open_regular

__all__ = ["npy_bytes", "read_arrays"]

_LARGEST = 512_000_000
"""Bytes of all arrays that are read at once."""
_SUFFIX = ".npy"
_KNOWN_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Others are not bounded while they are unpacked."""


def npy_bytes(values: NDArray[Any]) -> bytes:
    """Return the content of a ``.npy`` file."""
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()


def read_arrays(path: Path, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return the arrays of an archive by name.

    Parameters
    ----------
    path
        ``.npz`` file.
    names
        Which arrays; all where None.

    Raises
    ------
    OSError
        Where the file is missing or can't be opened.
    ValueError
        Where it is not an archive, is damaged, lacks an array, or claims sizes that it does not hold.
    """
    with open_regular(path) as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                return _read(archive, names)
        except Exception as error:  # whatever zipfile, the decompressors and numpy raise for a damaged file
            raise ValueError(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from error


def _read(archive: zipfile.ZipFile, names: Iterable[str] | None) -> dict[str, NDArray[Any]]:
    members = {info.filename.removesuffix(_SUFFIX): info for info in archive.infolist()}
    wanted = list(members if names is None else names)
    lacking = [name for name in wanted if name not in members]
    if lacking:
        raise ValueError(f"it holds no array '{lacking[0]}'")
    if any(members[name].compress_type not in _KNOWN_COMPRESSIONS for name in wanted):
        raise ValueError("it is compressed in another way than archives of numpy")
    size = sum(members[name].file_size for name in wanted)
    if size > _LARGEST:
        raise ValueError(f"its arrays would take {size / 1e6:.0f} MB, more than {_LARGEST / 1e6:.0f}")
    return {name: _array(name, archive.read(members[name])) for name in wanted}


def _array(name: str, content: bytes) -> NDArray[Any]:
    """Parse an array; numpy alone would first allocate whatever its header claims."""
    stream = io.BytesIO(content)
    shape, in_columns, dtype = _header(stream)
    rest = content[stream.tell() :]
    if dtype.hasobject or prod(shape) * dtype.itemsize != len(rest):
        raise ValueError(f"the array '{name}' does not hold what its header says")
    return np.ndarray(shape, dtype, rest, order="F" if in_columns else "C")


def _header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    if npy.read_magic(stream) == (1, 0):
        return npy.read_array_header_1_0(stream)
    return npy.read_array_header_2_0(stream)
