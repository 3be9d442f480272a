"""Write files so that a file that exists is complete."""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["copy_atomically", "replacing", "sweep_temporaries", "write_atomically"]


_PREFIX, _SUFFIX = ".harness-", ".tmp"
_CHUNK = 1 << 20


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file completely or not at all: temporary name, flush to disk, rename."""
    copy_atomically(io.BytesIO(content), path)


def copy_atomically(source: BinaryIO, path: Path) -> None:
    """Write the rest of a stream to a file completely or not at all, without having all of it in memory."""
    with _temporary(path) as (handle, _), os.fdopen(handle, "wb", closefd=False) as stream:
        shutil.copyfileobj(source, stream, _CHUNK)
        stream.flush()
        os.fsync(handle)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path for another library to write; it is renamed to ``path`` when the block ends without error.

    Nothing is flushed to disk, so use it only for files that can be made again and are checked when they are read.
    """
    with _temporary(path) as (_, temporary):
        yield temporary


@contextmanager
def _temporary(path: Path) -> Iterator[tuple[int, Path]]:
    """Yield descriptor and path of a new file, which is renamed to ``path`` when the block ends without error.

    It is locked until then, so that no :func:`sweep_temporaries` of another user or container removes it.
    """
    handle, temporary = _locked_file(path.parent)
    try:
        yield handle, temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


def _locked_file(folder: Path) -> tuple[int, Path]:
    while True:
        handle, name = tempfile.mkstemp(dir=folder, prefix=_PREFIX, suffix=_SUFFIX)
        with suppress(OSError):  # a file system without locks, where nothing is swept
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:  # not swept between the two calls
            return handle, Path(name)
        os.close(handle)


def sweep_temporaries(folder: Path) -> None:
    """Remove the temporary files that dead processes left in a folder: those that no process has locked."""
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(OSError):  # in use, of another user, or gone
            handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(handle)


def _umask() -> int:
    """Return the process's file mask, which temporary files ignore; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
