"""Faults in the content of files, drawn by hypothesis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

_TEXTS = (
    "",
    "..",
    "../../x",
    "/x",
    "a\\b",
    "\x1b[31mred",
    "[/red]",
    "[bold]",
    "=1+1",
    "@x",
    "nan",
    "x" * 300,
    "\ud800",
    "孔",
)
_NUMBERS = (None, True, 0, -1, 7, 10**40, 10**400, 0.5, 1e308, -0.0)
_PARTS: tuple[Any, ...] = ([], {}, [[]], [{}], {"": 1}, {"i_auroc": 2}, {"a": None}, {"mb": 1}, {"calls": 3})
ODD = st.sampled_from((*_NUMBERS, *_TEXTS, "ok", "good", "all", "cpu", "2026-13-01", *_PARTS))
OF_KIND: dict[type, st.SearchStrategy[Any]] = {
    str: st.sampled_from((*_TEXTS, "2026-01-01", "cpu", "cuda:0", "paper")),
    int: st.sampled_from((0, 1, 7, 10**9, 2**53)),
    float: st.sampled_from((0, 0.5, 1, 1e-320, 7.0, 1e308)),
    bool: st.booleans(),
    list: st.just([]),
    dict: st.just({}),
    type(None): st.sampled_from((None, 0, 1, 0.5, "", {})),
}


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every part of a JSON value."""
    yield place
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*place, key))


@st.composite
def mutated_bytes(
    draw: st.DrawFn,
    whole: bytes,
    *,
    places: st.SearchStrategy[int] | None = None,
    spans: Sequence[int] = (1, 2, 8, 64, 2000),
    most: int = 4,
) -> bytes:
    """Return a content of which some bytes are changed, cut out, doubled or set to zero.

    Parameters
    ----------
    whole
        Without faults.
    places
        Where faults are likelier than anywhere else.
    spans
        Numbers of bytes that a fault takes.
    most
        Faults.
    """
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, most))):
        anywhere = st.integers(0, len(content))
        where = min(draw(anywhere if places is None else anywhere | places), len(content))
        until = min(len(content), where + draw(st.sampled_from(spans)))
        how = draw(st.sampled_from(["bytes", "zeros", "cut", "double", "end"]))
        if how == "bytes":
            content[where:until] = draw(st.binary(min_size=until - where, max_size=until - where))
        elif how == "zeros":
            content[where:until] = bytes(until - where)
        elif how == "cut":
            del content[where:until]
        elif how == "double":
            content[where:where] = content[where:until]
        else:
            del content[where:]
    return bytes(content)


def bytes_changed(draw: st.DrawFn, content: bytes) -> bytes:
    """Return a content of which some pieces are cut out, doubled, or others: what breaks parsers of JSON among them."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        where = draw(st.integers(0, len(changed)))
        until = min(len(changed), where + draw(st.sampled_from([0, 1, 4, 30, 1000])))
        piece = draw(
            st.binary(max_size=8) | st.sampled_from([b"[" * 3000, b'{"a":' * 3000, b"1e999", b"\xff\xfe", b"\x00"])
        )
        changed[where:until] = draw(st.sampled_from([b"", piece, bytes(changed[where:until]) * 2]))
    return bytes(changed)
