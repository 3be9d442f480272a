"""Files of organised clouds as cameras and their libraries write them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

PCD_FORMATS = ("ascii", "binary", "binary_compressed")
PLY_FORMATS = ("ascii", "binary_little_endian", "binary_big_endian")
_PLY_TYPES = {"i1": "char", "u1": "uchar", "i2": "short", "u2": "ushort", "i4": "int", "u4": "uint"} | {
    "f4": "float",
    "f8": "double",
}


def columns_of(points: np.ndarray) -> dict[str, np.ndarray]:
    """The columns x, y and z of points (H, W, 3)."""
    return {name: points[..., axis] for axis, name in enumerate("xyz")}


def pcd(columns: Mapping[str, np.ndarray], data: str = "binary", **header: str | None) -> bytes:
    """A PCD file of columns (H, W) or (H, W, COUNT); ``header`` replaces lines, None leaves one out."""
    arrays = list(columns.values())
    height, width = arrays[0].shape[:2]
    counts = [array.shape[2] if array.ndim == 3 else 1 for array in arrays]
    lines = {
        "VERSION": "0.7",
        "FIELDS": " ".join(columns),
        "SIZE": " ".join(str(array.dtype.itemsize) for array in arrays),
        "TYPE": " ".join(array.dtype.kind.upper() for array in arrays),
        "COUNT": " ".join(map(str, counts)),
        "WIDTH": str(width),
        "HEIGHT": str(height),
        "VIEWPOINT": "0 0 0 1 0 0 0",
        "POINTS": str(height * width),
        "DATA": data,
    }
    text = "# .PCD v0.7\n" + "".join(f"{key} {value}\n" for key, value in (lines | header).items() if value)
    flat = [array.reshape(height * width, -1) for array in arrays]
    if data == "ascii":
        rows = zip(*flat, strict=True)
        content = "".join(" ".join(f"{v!s}" for part in row for v in part) + "\n" for row in rows).encode()
    elif data == "binary":
        content = _records(flat, "<").tobytes()
    else:
        content = b"".join(part.astype(part.dtype.newbyteorder("<")).tobytes() for part in flat)
        packed = lzf(content)
        content = struct.pack("<II", len(packed), len(content)) + packed
    return text.encode() + content


def ply(
    columns: Mapping[str, np.ndarray],
    form: str = "binary_little_endian",
    *,
    before: tuple[str, bytes] = ("", b""),
    after: tuple[str, bytes] = ("", b""),
    end: str = "\n",
) -> bytes:
    """A PLY file of columns (H, W); other tables stand before and after, each as lines of the header and content."""
    arrays = list(columns.values())
    count = arrays[0].size
    lines = [
        "ply",
        f"format {form} 1.0",
        "comment made by a camera",
        *before[0].splitlines(),
        f"element vertex {count}",
        *(f"property {_PLY_TYPES[array.dtype.str[1:]]} {name}" for name, array in columns.items()),
        *after[0].splitlines(),
        "end_header",
    ]
    flat = [array.reshape(count, 1) for array in arrays]
    if form == "ascii":
        content = "".join(
            " ".join(f"{v!s}" for part in row for v in part) + end for row in zip(*flat, strict=True)
        ).encode()
    else:
        content = _records(flat, "<" if "little" in form else ">").tobytes()
    return (end.join(lines) + end).encode() + before[1] + content + after[1]


def lzf(content: bytes) -> bytes:
    """LZF, simply: the longest run of what stands 1 to 40 bytes before, else bytes as they are."""
    out, literal, place = bytearray(), bytearray(), 0

    def flush() -> None:
        for start in range(0, len(literal), 32):
            piece = literal[start : start + 32]
            out.extend(bytes([len(piece) - 1]) + piece)
        literal.clear()

    while place < len(content):
        length, distance = max((_match(content, place, back), -back) for back in range(1, 41))
        if length < 3:
            literal.append(content[place])
            place += 1
            continue
        flush()
        offset, short = -distance - 1, length - 2
        out.append(min(short, 7) << 5 | offset >> 8)
        if short >= 7:
            out.append(short - 7)
        out.append(offset & 255)
        place += length
    flush()
    return bytes(out)


def _match(content: bytes, place: int, back: int) -> int:
    length = 0
    while place >= back and place + length < len(content) and length < 264:
        if content[place + length] != content[place + length - back]:
            break
        length += 1
    return length


def _records(flat: Sequence[np.ndarray], order: str) -> np.ndarray:
    kind = [(str(i), part.dtype.newbyteorder(order), (part.shape[1],)) for i, part in enumerate(flat)]
    records = np.empty(len(flat[0]), kind)
    for i, part in enumerate(flat):
        records[str(i)] = part
    return records
