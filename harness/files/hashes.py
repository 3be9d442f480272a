"""SHA-256 of files, computed again only where a file is new or was changed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

from harness.files.cache_dir import read_cached, write_cached
from harness.files.caches import CACHES
from harness.files.digest import digest, file_sha256

__all__ = ["FileHashes"]

_SETTLED_NS = 2_000_000_000
"""Age from which a file that keeps its times is believed unchanged: coarse clocks show a second write no later."""


class FileHashes:
    """The hashes of a folder's files, kept in the cache ``digests``.

    Parameters
    ----------
    folder
        Where the files lie: one entry of the cache is about it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = CACHES["digests"].path / f"{digest(str(folder.resolve()))}.json"
        self._known: dict[str, str] | None = None

    def of(self, paths: Iterable[Path]) -> dict[Path, str]:
        """Return the hash of each file, in hexadecimal.

        A hash is taken from the cache while size and times of modification and change stay the same.

        Raises
        ------
        OSError
            Where a file can't be read.
        """
        if self._known is None:
            self._known = read_cached(self._path, _parse) or {}
        hashes, new = {}, False
        for path in paths:
            status = path.stat()
            signature = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
            known = self._known.get(str(path.absolute()), "").partition("|")
            if known[0] == signature:
                hashes[path] = known[2]
                continue
            hashes[path] = file_sha256(path)
            if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED_NS:
                self._known[str(path.absolute())] = f"{signature}|{hashes[path]}"
                new = True
        if new:
            write_cached(self._path, json.dumps(self._known, indent=0).encode())
        return hashes


def _parse(content: bytes) -> dict[str, str]:
    hashes = json.loads(content)
    if not isinstance(hashes, dict) or not all(isinstance(value, str) for value in hashes.values()):
        raise ValueError("it holds no hashes")
    return hashes
