"""Files by patterns with ``{category}``, ``{split}``, ``{defect}`` and ``{id}``, below one folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Found", "Pattern", "below", "filled", "match_files"]

_FIELD = re.compile(r"{(\w+)}|(\*\*/)|(\*)|(\?)")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of paths; ``*`` stands for any part of a name, ``**/`` for any folders.

    Parameters
    ----------
    text
        As written, with ``/`` between folders.
    """

    text: str

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of its fields, each once."""
        return tuple(dict.fromkeys(match[1] for match in _FIELD.finditer(self.text) if match[1]))

    def expression(self) -> re.Pattern[str]:
        """Return the regular expression of paths below the folder; a suffix matches in any case."""
        seen: set[str] = set()
        parts, end = [], 0
        for match in _FIELD.finditer(self.text):
            parts.append(re.escape(self.text[end : match.start()]))
            parts.append(_piece(match, seen))
            end = match.end()
        rest = self.text[end:]
        suffix = f"(?i:{re.escape(rest)})" if "/" not in rest else re.escape(rest)
        return re.compile("".join(parts) + suffix)


def _piece(match: re.Match[str], seen: set[str]) -> str:
    name = match[1]
    if name is None:
        return "(?:[^/]+/)*" if match[2] else "[^/]*" if match[3] else "[^/]"
    if name in seen:
        return f"(?P={name})"
    seen.add(name)
    return f"(?P<{name}>[^/]+)" if name != "id" else "(?P<id>[^/]+?)"


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
    found = []
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [name for name in folders if _is_below(name, place, real)]
        above = Path(place).relative_to(folder)
        found += [(above / name).as_posix() for name in files if not name.startswith(".")]
    return tuple(sorted(found))


def _is_below(name: str, place: str, real: str) -> bool:
    """Tell whether a folder is walked: not a hidden one, what macOS adds to archives, or a link to a folder above."""
    if name.startswith((".", "__MACOSX")):
        return False
    path = Path(place) / name
    return not path.is_symlink() or not Path(real).is_relative_to(path.resolve())


def match_files(root: Path, paths: Iterable[str], patterns: Iterable[str]) -> list[Found]:
    """Return the files that a pattern matches, each by the first pattern that does."""
    expressions = [Pattern(text).expression() for text in patterns]
    found = []
    for path in paths:
        match = next((m for expression in expressions if (m := expression.fullmatch(path))), None)
        if match is not None:
            found.append(Found(root / path, match.groupdict()))
    return found


def filled(pattern: str, values: Mapping[str, str]) -> str:
    """Return a pattern with the fields that are known in their places."""
    return _FIELD.sub(lambda match: values.get(match[1], match[0]) if match[1] else match[0], pattern)
