"""Names and texts that come from files of others: which may be used, and how they are printed."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["bad_name_reason", "one_line"]

_LONGEST = 255
_SEPARATORS = frozenset("/\\")


@lru_cache(10_000)
def bad_name_reason(name: str) -> str:
    """Return why a text can't be the name of a dataset, category, method, split or defect; empty where it can.

    Such names stand in file names, tables and on terminals.
    """
    if not name:
        return "it is empty"
    if len(name.encode(errors="replace")) > _LONGEST:
        return f"it is longer than {_LONGEST} bytes"
    if not name.isprintable():
        return "it has control characters"
    if name in (".", "..") or not _SEPARATORS.isdisjoint(name):
        return "it could lead to another folder"
    return ""


def one_line(text: str, longest: int = 200) -> str:
    """Return a text on one line without control characters, shortened in its middle where it is long."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    half = longest // 2 - 2
    return clean if len(clean) <= longest else f"{clean[:half]} ... {clean[-half:]}"
