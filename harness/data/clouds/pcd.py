"""Organised clouds in PCD files, the format of the Point Cloud Library."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.clouds.records import header_lines, join, read_columns, record_type, require_left
from harness.data.images import GIVE_ANOTHER, reading, require_size
from harness.errors import DataError
from harness.files.reading import open_regular

__all__ = ["read_pcd"]

_NEEDED = ("FIELDS", "SIZE", "TYPE", "WIDTH", "HEIGHT", "DATA")
_KINDS = {"F": "f", "I": "i", "U": "u"}
_MOST_NUMBERS = 10_000
"""Of a point, in all its fields."""

_LZF_MOST = 88
"""Times that LZF makes a content shorter at best: 264 bytes in three."""


@dataclass(frozen=True, slots=True)
class _Header:
    """What is read of a header.

    Parameters
    ----------
    size
        Height and width.
    record
        Type of a point.
    places
        Of x, y and z among the fields.
    data
        ``ascii``, ``binary`` or ``binary_compressed``.
    """

    size: tuple[int, int]
    record: np.dtype[Any]
    places: tuple[int, int, int]
    data: str

    @property
    def points(self) -> int:
        return self.size[0] * self.size[1]


def read_pcd(path: Path, hint: str = GIVE_ANOTHER) -> NDArray[np.floating]:
    """Read the points of an organised cloud as they are; other fields, colours among them, are left out.

    Parameters
    ----------
    path
        A PCD file: ascii, binary or binary_compressed, fields of any order, type and size.
    hint
        What the user can do about a bad file: the end of the error's sentence.

    Returns
    -------
    (H, W, 3) float32 or float64, in the file's unit; NaN where nothing was measured

    Raises
    ------
    DataError
        Where the file is missing, damaged, or has one row: its points are not a grid of pixels.
    """
    with reading(path, "a PCD file", hint), open_regular(path) as stream:
        header = _header({words[0]: words[1:] for line in header_lines(stream, "DATA") if (words := line.split())})
        height, width = header.size
        if height == 1 and width > 1:
            raise DataError(
                f"{path} has HEIGHT 1: its {width} points are not organised, a point for each pixel. Export an "
                "organised (ordered) cloud."
            )
        require_size(path, width, height, hint)
        return join(_columns(stream, header), header.size)


def _header(words: Mapping[str, list[str]]) -> _Header:
    if lacking := [name for name in _NEEDED if not words.get(name)]:
        raise ValueError(f"its header has no {' and '.join(lacking)}")
    width, height, data = (words[name][0] for name in ("WIDTH", "HEIGHT", "DATA"))
    names, kinds, sizes = (words[name] for name in ("FIELDS", "TYPE", "SIZE"))
    if not set(kinds) <= set(_KINDS) or len({len(names), len(kinds), len(sizes)}) > 1:
        raise ValueError(f"its header has {len(names)} fields of the types {' '.join(kinds)[:200]}")
    counts = tuple(map(int, words.get("COUNT", ["1"] * len(names))))
    if min(counts) < 1 or sum(counts) > _MOST_NUMBERS:
        raise ValueError("its header has a field of no numbers or of too many")
    types = [
        (f"<{_KINDS[kind]}{int(size)}", (count,) if count > 1 else ())
        for kind, size, count in zip(kinds, sizes, counts, strict=True)
    ]
    record, places = record_type(names, types)
    if any(counts[place] > 1 for place in places):
        raise ValueError("it has several values of x, y or z at a point")
    header = _Header((int(height), int(width)), record, places, data)
    if "POINTS" in words and words["POINTS"] != [str(header.points)]:
        raise ValueError(f"its header says POINTS {' '.join(words['POINTS'])} and {width} x {height}")
    return header


def _columns(stream: BufferedReader, header: _Header) -> list[NDArray[Any]]:
    """Return x, y and z (N,)."""
    if header.data in ("ascii", "binary"):
        return read_columns(stream, header.record, header.places, header.points, text=header.data == "ascii")
    if header.data == "binary_compressed":
        return _compressed(stream, header)
    raise ValueError(f"its header says DATA {header.data}")


def _compressed(stream: BufferedReader, header: _Header) -> list[NDArray[Any]]:
    """Return x, y and z of a content that holds all values of a field before those of the next."""
    require_left(stream, 8)
    packed, unpacked = struct.unpack("<II", stream.read(8))
    require_left(stream, packed)
    if unpacked != header.record.itemsize * header.points or unpacked > _LZF_MOST * packed:
        raise ValueError(f"it has {packed} bytes that become {unpacked}, which fits no cloud of its header")
    content = _decompress(stream.read(packed), unpacked)
    kinds = [header.record[place] for place in range(len(header.record.names or ()))]
    starts = np.cumsum([0, *(kind.itemsize * header.points for kind in kinds)])
    return [np.frombuffer(content, kinds[place], header.points, int(starts[place])) for place in header.places]


def _decompress(packed: bytes, size: int) -> bytearray:
    """Undo LZF: runs of bytes as they are, and copies of what came before; raise ValueError where it is damaged."""
    out, place, end = bytearray(), 0, len(packed)
    while place < end:
        control = packed[place]
        place += 1
        if control < 32:
            out += packed[place : place + control + 1]
            place += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += packed[place]
            place += 1
        length += 2
        distance = ((control & 31) << 8 | packed[place]) + 1
        place += 1
        start = len(out) - distance
        if start < 0:
            raise ValueError("its compressed content is damaged")
        piece = out[start : start + length]
        out += piece if distance >= length else (piece * (length // distance + 1))[:length]
    if len(out) != size:
        raise ValueError(f"its compressed content becomes {len(out)} bytes instead of {size}")
    return out
