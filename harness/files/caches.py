"""Every cache on disk: where it lies, what it holds, how it is made again, and how it is cleared."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

from harness.files.atomic import sweep_temporaries
from harness.files.cache_dir import cache_dir
from harness.files.locks import oldest_lock

__all__ = ["CACHES", "Cache", "Entry", "entries_of", "folder_size"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a cache, or one folder.

    Parameters
    ----------
    path
        Where it lies.
    size
        Bytes on disk.
    used
        When it was last written or read, seconds since the epoch.
    """

    path: Path
    size: int
    used: float

    @property
    def key(self) -> str:
        """Its name without suffix."""
        return self.path.stem


@dataclass(frozen=True, slots=True)
class Cache:
    """A kind of files that can be made again.

    Parameters
    ----------
    name
        On the command line.
    place
        Its folder below the cache folder, or its file.
    holds
        What is in it, in words.
    remade
        What makes it again, in words.
    pattern
        Glob of its entries; empty where ``place`` is a file.
    downloaded
        Whether making it again needs the network.
    """

    name: str
    place: str
    holds: str
    remade: str
    pattern: str = "*"
    downloaded: bool = False

    @property
    def path(self) -> Path:
        """Where it lies."""
        return cache_dir() / self.place

    def entries(self) -> list[Entry]:
        """Return all entries, the one that was not used for the longest time first."""
        return entries_of(self.path.glob(self.pattern) if self.pattern else [self.path], by_access=self.downloaded)

    def clear(self, unused_since: float = float("inf")) -> list[Entry]:
        """Remove the entries that were last used before a time, and what dead processes left.

        Of features, what a running cell has used stays; the toy dataset stays while any cell with a session runs.

        Parameters
        ----------
        unused_since
            Seconds since the epoch.

        Returns
        -------
        What was removed. OSError where a file can't be.
        """
        running = oldest_lock(CACHES["features"].path / "sessions")
        if self.name == "toy" and running < float("inf"):
            return []
        before = min(unused_since, running) if self.name == "features" else unused_since
        sweep_temporaries(self.path if self.pattern else self.path.parent)
        gone = [entry for entry in self.entries() if entry.used < before]
        for entry in gone:
            if entry.path.is_dir():
                shutil.rmtree(entry.path)
            else:
                entry.path.unlink(missing_ok=True)
        return gone


CACHES = {
    cache.name: cache
    for cache in (
        Cache("features", "features", "features of training samples", "the next fit that uses them", "*.safetensors"),
        Cache("cleaning", "clean", "masks of removed backgrounds", "reading the samples", "*.npz"),
        Cache("bootstrap", "bootstrap", "metrics on resampled test sets", "the next table with intervals", "*.npy"),
        Cache("digests", "sha256", "sha256 of weight and data files", "reading these files", "*.json"),
        Cache("toy", "toy", "the toy dataset", "the next use of it"),
        Cache("weights", "weights", "pretrained weights", "'harness weights fetch' or by hand", downloaded=True),
    )
}
"""All caches by name. A folder of weights that HARNESS_WEIGHTS_DIR names is a user's own and no cache."""


def entries_of(paths: Iterable[Path], *, by_access: bool = False) -> list[Entry]:
    """Return those files and folders that are there, the one that was not used for the longest time first.

    Parameters
    ----------
    paths
        Hidden ones are left out: they are being written.
    by_access
        Whether the time of the last access counts as well as that of the last change, for files whose readers don't
        set the latter.
    """
    entries = []
    for path in paths:
        with suppress(OSError):
            facts = path.stat()
            size = folder_size(path) if S_ISDIR(facts.st_mode) else facts.st_size
            used = max(facts.st_mtime, facts.st_atime) if by_access else facts.st_mtime
            entries += [] if path.name.startswith(".") else [Entry(path, size, used)]
    return sorted(entries, key=lambda entry: (entry.used, entry.path))


def folder_size(path: Path) -> int:
    """Return the bytes of all files below a folder; 0 where there is none."""
    size = 0
    for where, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):  # removed by another process meanwhile
                size += (Path(where) / name).lstat().st_size
    return size
