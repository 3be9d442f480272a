"""The folder of what can be made again, and small files in it that cost only time where they can't be used."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from harness.errors import PrerequisiteError
from harness.files.atomic import write_atomically
from harness.files.paths import user_path
from harness.files.reading import open_regular

__all__ = ["cache_dir", "read_cached", "write_cached"]

_Content = TypeVar("_Content")

_log = logging.getLogger(__name__)


def cache_dir() -> Path:
    """Return the folder of everything that can be made again: ``$HARNESS_CACHE``, else ``~/.cache/harness``.

    Raises
    ------
    UsageError
        Where a variable names no folder.
    PrerequisiteError
        Where there is neither variable nor home folder, as for a user of a container that has no entry in its list.
    """
    chosen = os.environ.get("HARNESS_CACHE")
    if chosen:
        return user_path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return user_path(base) / "harness"
    try:
        return Path.home() / ".cache" / "harness"
    except RuntimeError as error:
        raise PrerequisiteError(
            "There is no home folder to keep the cache in: set HARNESS_CACHE to a folder that can be written."
        ) from error


def read_cached(path: Path, parse: Callable[[bytes], _Content]) -> _Content | None:
    """Return the content of a file, None where it is missing, or damaged, which is logged as a warning.

    Its modification time becomes that of its last use.

    Parameters
    ----------
    path
        As :func:`write_cached` wrote it.
    parse
        Raises any error for a damaged file.
    """
    try:
        with open_regular(path) as stream:
            content = parse(stream.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:  # a decoder may raise any error for damaged content
        _log.warning("%s can't be read (%s) and is made again", path, error)
        return None
    with suppress(OSError):
        os.utime(path)
    return content


def write_cached(path: Path, content: bytes) -> None:
    """Write a file atomically; a folder that can't be written is logged as a warning, once in a process."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        _warn_unwritable(path.parent, error.strerror or type(error).__name__)


@functools.cache
def _warn_unwritable(folder: Path, reason: str) -> None:
    _log.warning("%s can't be written (%s): what it would hold is made again at every use", folder, reason)
