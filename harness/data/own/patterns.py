"""Files by patterns with ``{category}``, ``{split}``, ``{defect}`` and ``{id}``, below one folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Found", "Pattern", "below", "filled", "match_files"]

_FIELD = re.compile(r"{(\w+)}|(\*)|(\?)")
_ANY_FOLDERS = "**"


class Pattern:
    """A pattern of paths; ``*`` stands for any part of a name, ``**`` for any folders.

    Names are matched one by one, so that no path takes more than the time of its longest name.

    Parameters
    ----------
    text
        As written, with ``/`` between folders.
    """

    def __init__(self, text: str) -> None:
        before, any_folders, after = text.rpartition(f"{_ANY_FOLDERS}/")
        self._head = [_expression(name) for name in before.rstrip("/").split("/") if name]
        *folders, file = after.split("/")
        self._tail = [*map(_expression, folders), _expression(file, suffix_in_any_case=True)]
        self._deep = bool(any_folders)

    def match(self, path: str) -> dict[str, str] | None:
        """Return what stands in the place of each field; None where the pattern doesn't fit."""
        names = path.split("/")
        extra = len(names) - len(self._head) - len(self._tail)
        if extra < 0 or (extra and not self._deep):
            return None
        values: dict[str, str] = {}
        used = names[: len(self._head)] + names[len(names) - len(self._tail) :]
        for expression, name in zip((*self._head, *self._tail), used, strict=True):
            match = expression.fullmatch(name)
            if match is None or any(values.setdefault(key, value) != value for key, value in match.groupdict().items()):
                return None
        return values


def _expression(name: str, *, suffix_in_any_case: bool = False) -> re.Pattern[str]:
    """Return the regular expression of one name of a path."""
    seen: set[str] = set()
    parts, end = [], 0
    for match in _FIELD.finditer(name):
        parts += [re.escape(name[end : match.start()]), _piece(match, seen)]
        end = match.end()
    rest = re.escape(name[end:])
    return re.compile("".join(parts) + (f"(?i:{rest})" if suffix_in_any_case else rest))


def _piece(match: re.Match[str], seen: set[str]) -> str:
    name = match[1]
    if name is None:
        return ".*" if match[2] else "."
    if name in seen:
        return f"(?P={name})"
    seen.add(name)
    return f"(?P<{name}>.+)" if name != "id" else "(?P<id>.+?)"


@dataclass(frozen=True, slots=True)
class Found:
    """A file that a pattern matches.

    Parameters
    ----------
    path
        Absolute.
    values
        What stands in the place of each field.
    """

    path: Path
    values: Mapping[str, str]


def below(folder: Path) -> tuple[str, ...]:
    """Return the paths of all files below a folder, with ``/``, ascending; hidden files and folders are left out.

    Links to folders are followed, but for those that lead to a folder above themselves.
    """
    files_below = []
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [name for name in folders if _is_below(name, place, real)]
        above = Path(place).relative_to(folder)
        files_below += [(above / name).as_posix() for name in files if not name.startswith(".")]
    return tuple(sorted(files_below))


def _is_below(name: str, place: str, real: str) -> bool:
    """Tell whether a folder is walked: not a hidden one, what macOS adds to archives, or a link to a folder above."""
    if name.startswith((".", "__MACOSX")):
        return False
    path = Path(place) / name
    return not path.is_symlink() or not Path(real).is_relative_to(path.resolve())


def match_files(root: Path, paths: Iterable[str], patterns: Iterable[str]) -> list[Found]:
    """Return the files that a pattern matches, each by the first pattern that does."""
    compiled = [Pattern(text) for text in patterns]
    matches = []
    for path in paths:
        values = next((fits for pattern in compiled if (fits := pattern.match(path)) is not None), None)
        if values is not None:
            matches.append(Found(root / path, values))
    return matches


def filled(pattern: str, values: Mapping[str, str]) -> str:
    """Return a pattern with the fields that are known in their places."""
    return _FIELD.sub(lambda match: values.get(match[1], match[0]) if match[1] else match[0], pattern)
