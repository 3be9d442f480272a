"""A folder of arrays that can be made again, with a size limit: what is extracted once serves all cells that need it.

An entry is a safetensors file named by its key, written under a temporary name, with a checksum for every array. Any
number of processes may share the folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from harness.errors import UsageError
from harness.files.atomic import replacing
from harness.files.caches import CACHES, Entry, entries_of
from harness.files.locks import FileLock, oldest_lock

__all__ = ["ArrayCache", "Arrays", "cache_limit", "facts_of"]

Arrays = Mapping[str, NDArray[np.generic]]

_DEFAULT_LIMIT = 20 * 10**9
_LEFT_FREE = 10**9
"""Bytes of the disk that the cache never takes: records and fitted methods need them more."""

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_CHECKSUMS = "checksums"


def cache_limit() -> int:
    """Return how many bytes the cache may hold: ``$HARNESS_CACHE_LIMIT``, for example ``50GB``, else 20 GB.

    Raises
    ------
    UsageError
        Where the variable is not a size.
    """
    text = os.environ.get("HARNESS_CACHE_LIMIT", "").strip()
    if not text:
        return _DEFAULT_LIMIT
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s*([A-Z]*)", text.upper(), re.ASCII)
    if match is None or match[2] not in _UNITS:
        raise UsageError(f"HARNESS_CACHE_LIMIT is not a valid size ('{text}'): write 500MB, 20GB or 0 to keep nothing.")
    return int(float(match[1]) * _UNITS[match[2]])


class ArrayCache:
    """Entries of named arrays by key. Where the disk is full or can't be written it keeps nothing and says so once.

    Parameters
    ----------
    folder
        Where the entries lie; the cache ``features`` where None.
    limit
        Bytes that they may take; :func:`cache_limit` where None.
    """

    def __init__(self, folder: Path | None = None, limit: int | None = None) -> None:
        self.folder = CACHES["features"].path if folder is None else folder
        self.limit = cache_limit() if limit is None else limit
        self._warned = False

    def get(self, key: str, names: Collection[str]) -> dict[str, NDArray[np.generic]] | None:
        """Read some arrays of an entry; None where it, or one of them, is not there.

        The file is mapped while it is read, and only what is asked for is read. A damaged entry is removed.
        """
        path = self._path(key)
        try:
            with safe_open(path, framework="np") as opened:
                if not set(names) <= set(opened.keys()):
                    return None
                checksums = json.loads((opened.metadata() or {})[_CHECKSUMS])
                arrays = {name: opened.get_tensor(name) for name in names}
            damaged = any(_checksum(array) != checksums[name] for name, array in arrays.items())
        except OSError:
            return None
        except Exception:  # whatever the decoders make of a damaged file
            damaged = True
        with suppress(OSError):
            if damaged:
                path.unlink(missing_ok=True)
            else:
                os.utime(path)
        return None if damaged else arrays

    def put(self, key: str, arrays: Arrays, about: Mapping[str, str]) -> bool:
        """Write arrays to an entry, beside those of other names that it has; False where it is not kept.

        The entries that were not used for the longest time go where there is no room. One that a running session has
        used stays (:meth:`session`).

        Parameters
        ----------
        key
            A digest of all that the arrays depend on.
        arrays
            By name.
        about
            Facts that :func:`facts_of` returns.
        """
        if self.limit == 0:
            return False
        whole = {name: np.asarray(array, order="C") for name, array in {**self._others(key, arrays), **arrays}.items()}
        checksums = json.dumps({name: _checksum(array) for name, array in whole.items()})
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._make_room(key, sum(array.nbytes for array in whole.values())):
                return False
            with replacing(self._path(key)) as temporary:
                save_file(whole, temporary, metadata={**about, _CHECKSUMS: checksums})
        except (OSError, SafetensorError) as error:
            reason = getattr(error, "strerror", None) or error
            self._say(f"can't be written ({reason}): what it would hold is made anew each time")
            return False
        return True

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Hold a key: another process that asks for it waits until the block ends. Without a lock where none can be."""
        lock = FileLock(self.folder / "locks" / f"{key}.lock")
        with suppress(OSError):
            lock.take(wait=True)
        try:
            yield
        finally:
            with suppress(OSError):
                lock.release()

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep every entry that is used from now on until the block ends, whatever other processes need."""
        lock = FileLock(self.folder / "sessions" / f"{uuid4().hex}.lock")
        with suppress(OSError):
            lock.take()
        try:
            yield
        finally:
            with suppress(OSError):
                lock.release()

    def entries(self) -> list[Entry]:
        """Return all entries, the one that was not used for the longest time first."""
        return entries_of(self.folder.glob("*.safetensors"))

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def _others(self, key: str, arrays: Arrays) -> dict[str, NDArray[np.generic]]:
        """Return the arrays of an entry that have other names; what a key holds never changes."""
        try:
            with safe_open(self._path(key), framework="np") as opened:
                names = set(opened.keys()) - set(arrays)
        except (OSError, SafetensorError):
            return {}
        return (self.get(key, names) or {}) if names else {}

    def _make_room(self, key: str, size: int) -> bool:
        others = [entry for entry in self.entries() if entry.key != key]
        excess = sum(entry.size for entry in others) + size - self.limit
        if size <= self.limit and excess > 0:
            before = oldest_lock(self.folder / "sessions")
            for entry in others:
                if excess <= 0 or entry.used >= before:
                    break
                entry.path.unlink(missing_ok=True)
                excess -= entry.size
        if excess > 0:
            self._say(f"is full with what runs now ({self.limit / 1e9:g} GB): raise HARNESS_CACHE_LIMIT to keep more")
            return False
        if shutil.disk_usage(self.folder).free < size + _LEFT_FREE:
            self._say("is on a disk with less than 1 GB left: nothing more is kept")
            return False
        return True

    def _say(self, what: str) -> None:
        if not self._warned:
            print(f"The cache {self.folder} {what}.", file=sys.stderr, flush=True)
            self._warned = True


def facts_of(entry: Entry) -> dict[str, str]:
    """Return what was said of an entry when it was written; nothing where its file can't be read."""
    try:
        with safe_open(entry.path, framework="np") as opened:
            facts = dict(opened.metadata() or {})
    except (OSError, SafetensorError):
        return {}
    facts.pop(_CHECKSUMS, None)
    return facts


def _checksum(array: NDArray[np.generic]) -> int:
    """Return a checksum of dtype, shape and values: the same bytes mean other numbers under another header."""
    return crc32(array.reshape(-1).view(np.uint8).data, crc32(f"{array.dtype.str} {array.shape}".encode()))
