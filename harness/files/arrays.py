"""Open ``.npz`` files of unknown origin: arrays only, never a pickle."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

__all__ = ["BAD_ARCHIVE", "open_arrays"]

BAD_ARCHIVE = (OSError, ValueError, KeyError, EOFError, IndexError, zipfile.BadZipFile, zlib.error)
"""What opening a damaged archive, and reading its arrays, may raise."""


def open_arrays(path: Path) -> NpzFile:
    """Open an archive of arrays; each is read on access.

    A file that is not an archive is refused here: numpy would take it for a pickle and advise to load it unsafely.

    Raises
    ------
    OSError, zipfile.BadZipFile
        Where the file can't be opened or is not an archive; reading an array may also raise ValueError.
    """
    with path.open("rb") as stream:
        if not zipfile.is_zipfile(stream):
            raise zipfile.BadZipFile("File is not a zip file")
    archive: NpzFile = np.load(path, allow_pickle=False)
    return archive
