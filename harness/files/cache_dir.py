"""The folder of what can be made again, and small files in it that cost only time where they can't be used."""

from __future__ import annotations

import functools
import logging
import os
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from harness.files.atomic import write_atomically

__all__ = ["cache_dir", "read_cached", "write_cached"]

_Content = TypeVar("_Content")

_log = logging.getLogger(__name__)
_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


def cache_dir() -> Path:
    """Return the folder of everything that can be made again: ``$HARNESS_CACHE``, else ``~/.cache/harness``."""
    chosen = os.environ.get("HARNESS_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "harness"


def read_cached(path: Path, parse: Callable[[bytes], _Content]) -> _Content | None:
    """Return the content of a file, None where it is missing, or damaged, which is logged as a warning.

    Its modification time becomes that of its last use.

    Parameters
    ----------
    path
        As :func:`write_cached` wrote it.
    parse
        Raises ValueError, KeyError, EOFError, or an error of zip or zlib, for a damaged file.
    """
    try:
        content = parse(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except _DAMAGED as error:
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
