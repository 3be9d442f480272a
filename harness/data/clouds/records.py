"""Points among the fields of a file with a text header: what PCD and PLY share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from io import BufferedReader
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["header_lines", "join", "read_lines", "read_records", "record_type", "require_left", "rest_of"]

_LONGEST_LINE = 10_000
_MOST_HEADER_LINES = 10_000
_AXES = ("x", "y", "z")


def header_lines(stream: BufferedReader, last: str) -> Iterator[str]:
    """Yield the lines of a header, without their ends, up to one that begins with the word ``last``.

    Raises
    ------
    ValueError
        Where no such line comes, or a line is no ASCII.
    """
    for _ in range(_MOST_HEADER_LINES):
        raw = stream.readline(_LONGEST_LINE)
        line = raw.decode("utf-8", "replace").strip()
        yield line
        if line.split(maxsplit=1)[:1] == [last]:
            return
        if not raw.endswith(b"\n"):
            break
    raise ValueError(f"its header has no line '{last}'")


def record_type(names: Sequence[str], types: Sequence[Any]) -> tuple[np.dtype[Any], tuple[int, int, int]]:
    """Return the type of a record whose fields are named by their place, and the places of x, y and z.

    Raises
    ------
    ValueError
        Where there is not exactly one of each.
    """
    for name in _AXES:
        if names.count(name) != 1:
            raise ValueError(f"it has {names.count(name)} fields '{name}' among {' '.join(names)[:200] or 'none'}")
    x, y, z = map(names.index, _AXES)
    return np.dtype([(str(place), kind) for place, kind in enumerate(types)]), (x, y, z)


def rest_of(stream: BufferedReader) -> int:
    """Return the number of bytes from the stream's place to the end of its file."""
    return os.fstat(stream.fileno()).st_size - stream.tell()


def require_left(stream: BufferedReader, size: int) -> None:
    """Raise ValueError where a file is shorter than its header says, before memory is taken for it."""
    if rest_of(stream) < size:
        raise ValueError(f"it ends early: {rest_of(stream)} bytes of {size} are left")


def read_records(stream: BufferedReader, record: np.dtype[Any], count: int) -> NDArray[np.void]:
    """Return ``count`` binary records (N,); raise ValueError where the file ends before."""
    require_left(stream, record.itemsize * count)
    return np.frombuffer(stream.read(record.itemsize * count), record, count)


def read_lines(stream: BufferedReader, places: Sequence[int], count: int) -> NDArray[np.float64]:
    """Return chosen numbers (N, 3) of ``count`` lines; raise ValueError where one of them is no number or missing."""
    require_left(stream, 2 * (max(places) + 1) * count - 1)
    lines = islice(iter(lambda: stream.readline(_LONGEST_LINE), b""), count)
    numbers = np.loadtxt(lines, np.float64, comments=None, usecols=places, ndmin=2, encoding="latin-1")
    if len(numbers) != count:
        raise ValueError(f"it has {len(numbers)} lines of points instead of {count}")
    return numbers


def join(columns: Sequence[NDArray[Any]], size: tuple[int, int]) -> NDArray[np.floating]:
    """Return columns x, y and z (N,) as points (H, W, 3), row by row; whole numbers become float64."""
    points = np.stack(columns, axis=-1).reshape(*size, 3)
    return points if points.dtype.kind == "f" else points.astype(np.float64)
