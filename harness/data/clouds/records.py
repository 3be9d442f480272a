"""Points among the fields of a file with a text header: what PCD and PLY share."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from io import BufferedReader
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["header_lines", "join", "read_columns", "record_type", "require_left"]

_LONGEST_LINE = 10_000
_MOST_HEADER_LINES = 10_000
_AXES = ("x", "y", "z")


def header_lines(stream: BufferedReader, last: str) -> Iterator[str]:
    """Yield the lines of a header, without their ends, up to one that begins with the word ``last``.

    Raises
    ------
    ValueError
        Where no such line comes, or a line is not ASCII.
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


def require_left(stream: BufferedReader, size: int) -> None:
    """Raise ValueError where a file is shorter than its header says, before memory is taken for it."""
    left = os.fstat(stream.fileno()).st_size - stream.tell()
    if left < size:
        raise ValueError(f"it ends early: {left} bytes of {size} are left")


def read_columns(
    stream: BufferedReader, record: np.dtype[Any], places: Sequence[int], count: int, *, text: bool
) -> list[NDArray[Any]]:
    """Return chosen fields (N,) of ``count`` records in lines of text or in bytes.

    Raises
    ------
    ValueError
        Where the file ends before, or a number in a line is none.
    """
    if not text:
        require_left(stream, record.itemsize * count)
        records = np.frombuffer(stream.read(record.itemsize * count), record, count)
        return [records[str(place)] for place in places]
    firsts = np.cumsum([0, *(math.prod(record[place].shape) for place in range(len(record.names or ())))])
    require_left(stream, 2 * int(firsts[-1]) * count - 1)
    lines = islice(iter(lambda: stream.readline(_LONGEST_LINE), b""), count)
    used = [int(firsts[place]) for place in places]
    numbers = np.loadtxt(lines, np.float64, comments=None, usecols=used, ndmin=2, encoding="latin-1")
    if len(numbers) != count:
        raise ValueError(f"it has {len(numbers)} lines of points instead of {count}")
    with np.errstate(over="ignore"):
        return [numbers[:, i].astype(_float_of(record[place])) for i, place in enumerate(places)]


def join(columns: Sequence[NDArray[Any]], size: tuple[int, int]) -> NDArray[np.floating]:
    """Return columns x, y and z (N,) as points (H, W, 3), row by row; whole numbers become float64."""
    return np.stack([column.astype(_float_of(column.dtype)) for column in columns], axis=-1).reshape(*size, 3)


def _float_of(kind: np.dtype[Any]) -> np.dtype[np.floating]:
    return kind.newbyteorder("=") if kind.kind == "f" else np.dtype(np.float64)
