"""Open files that others may have put there: regular ones of a bounded size, never a pipe that waits for a writer."""

from __future__ import annotations

import os
import stat
from errno import EFBIG, EINVAL
from io import BufferedReader
from pathlib import Path

__all__ = ["open_regular", "read_regular"]


def open_regular(path: Path, *, follow: bool = True) -> BufferedReader:
    """Open a regular file for reading.

    Parameters
    ----------
    path
        Of the file.
    follow
        Whether it may be a link to one.

    Raises
    ------
    OSError
        Where it can't be opened, or is a folder, a pipe, a socket or a device.
    """
    link = 0 if follow else os.O_NOFOLLOW
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | link)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(EINVAL, "it is not a regular file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, most: int) -> bytes:
    """Return the content of a regular file; raise OSError where it has more than ``most`` bytes, or can't be read."""
    with open_regular(path) as stream:
        content = stream.read(min(most, os.fstat(stream.fileno()).st_size) + 1)  # the size that is read is allocated
    if len(content) > most:
        raise OSError(EFBIG, f"it is larger than {most / 1e6:.0f} MB", str(path))
    return content
