"""Opening ``.npz`` files that anybody may have written or cut: arrays alone, never a pickle."""

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
    """Open an archive of arrays, which are read when they are asked for.

    What is no archive is said to be that: numpy takes it for a pickle, and its error advises to load it unsafely.

    Raises
    ------
    OSError, zipfile.BadZipFile
        Where the file can't be opened or is no archive; reading an array may raise ValueError, too.
    """
    with path.open("rb") as stream:
        if not zipfile.is_zipfile(stream):
            raise zipfile.BadZipFile("File is not a zip file")
    found: NpzFile = np.load(path, allow_pickle=False)
    return found
