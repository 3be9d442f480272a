"""Organised clouds in PLY files: a vertex for each pixel, row by row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.clouds.records import header_lines, join, read_columns, record_type, require_left
from harness.data.images import GIVE_ANOTHER, reading, require_size
from harness.errors import DataError
from harness.files.reading import open_regular

__all__ = ["read_ply"]

_TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "float32": "f4", "double": "f8", "float64": "f8"},
}
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_LIST = "list"


@dataclass(slots=True)
class _Element:
    """A table of a file: its number of rows, the names of its columns and their types, ``list`` among them."""

    name: str
    count: int
    names: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)


def read_ply(path: Path, size: tuple[int | None, int], hint: str = GIVE_ANOTHER) -> NDArray[np.floating]:
    """Read the points of an organised cloud as they are; colours, normals and faces are left out.

    Parameters
    ----------
    path
        A PLY file: ascii or binary of either byte order.
    size
        Height and width of the image: a PLY file says neither. None for as many rows as there are points for.
    hint
        What the user can do about a bad file: the end of the error's sentence.

    Returns
    -------
    (H, W, 3) float32 or float64, in the file's unit; NaN where nothing was measured

    Raises
    ------
    DataError
        Where the file is missing or damaged, or its vertices are not as many as the image's pixels.
    """
    height, width = size
    with reading(path, "a PLY file", hint), open_regular(path) as stream:
        order, elements = _header(list(header_lines(stream, "end_header")))
        vertices = next((element for element in elements if element.name == "vertex"), None)
        if vertices is None:
            raise ValueError("it has no vertices")
        if height is None and vertices.count % width == 0:
            height = vertices.count // width
        if height is None:
            raise DataError(
                f"{path} has {vertices.count} points, no whole number of rows of its image's {width}: {hint}."
            )
        if vertices.count != width * height:
            raise DataError(
                f"{path} has {vertices.count} points where its image has {width}x{height} = {width * height} pixels: "
                "it is not organised, a point for each pixel. Export an organised (ordered) cloud."
            )
        require_size(path, width, height, hint)
        if _LIST in vertices.types:
            raise ValueError("its vertices have lists")
        for element in elements[: elements.index(vertices)]:
            _skip(stream, element, order)
        record, places = record_type(vertices.names, [order + kind for kind in vertices.types])
        return join(read_columns(stream, record, places, vertices.count, text=not order), (height, width))


def _header(lines: Iterable[str]) -> tuple[str, list[_Element]]:
    """Return the byte order, empty of a text file, and the tables of a file in their order."""
    order, elements = None, list[_Element]()
    for number, line in enumerate(lines):
        match line.split():
            case ["ply"] if number == 0:
                continue
            case _ if number == 0:
                raise ValueError("it does not begin with 'ply'")
            case ["format", name, _] if name in _ORDERS:
                order = _ORDERS[name]
            case ["element", name, count] if count.isdecimal():
                elements.append(_Element(name, int(count)))
            case ["property", "list", length, kind, name] if {length, kind} <= _TYPES.keys() and elements:
                elements[-1].names.append(name)
                elements[-1].types.append(_LIST)
            case ["property", kind, name] if kind in _TYPES and elements:
                elements[-1].names.append(name)
                elements[-1].types.append(_TYPES[kind])
            case ["comment" | "obj_info" | "end_header", *_] | []:
                continue
            case _:
                raise ValueError(f"its header has the line '{line[:80]}'")
    if order is None:
        raise ValueError("its header names no format")
    return order, elements


def _skip(stream: BufferedReader, element: _Element, order: str) -> None:
    """Go past a table that comes before the vertices."""
    if not order:
        for _ in range(element.count):
            if not stream.readline():
                raise ValueError("it ends before its vertices")
        return
    if _LIST in element.types:
        raise ValueError(f"lists of '{element.name}' come before its vertices")
    size = sum(np.dtype(kind).itemsize for kind in element.types) * element.count
    require_left(stream, size)
    stream.seek(size, 1)
