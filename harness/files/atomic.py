"""Write files so that a file that exists is complete."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing", "sweep_temporaries", "write_atomically"]


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file completely or not at all: temporary name, flush to disk, rename."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_prefix(os.getpid()), suffix=".tmp")
    try:
        Path(temporary).chmod(0o666 & ~_umask())
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path for another library to write; it is renamed to ``path`` when the block ends without error.

    Nothing is flushed to disk, so use it only for files that can be made again and are checked when they are read.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix(os.getpid()), suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sweep_temporaries(folder: Path) -> None:
    """Remove the temporary files that dead processes of this machine have left in a folder."""
    for path in folder.glob(f".{os.uname().nodename}-*.tmp"):
        pid = path.name.removeprefix(f".{os.uname().nodename}-").partition("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)):
            path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _prefix(pid: int) -> str:
    """Return the start of temporary names, which differs between machines on a shared file system."""
    return f".{os.uname().nodename}-{pid}-"


def _umask() -> int:
    """Return the process's file mask, which temporary files ignore; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
