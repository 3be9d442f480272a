"""Names and texts that come from files of others: which may be used, and how they are printed."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["bad_name_reason", "capped", "one_line"]

_LONGEST = 255
_LONGEST_TEXT = 10_000
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
    return capped("".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split())), longest)


def capped(text: str, longest: int = _LONGEST_TEXT) -> str:
    """Return a text, shortened in its middle where it is long: an exception may quote megabytes."""
    half = longest // 2 - 2
    return text if len(text) <= longest else f"{text[:half]} ... {text[-half:]}"
