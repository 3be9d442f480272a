"""Unpack an archive from the internet: only regular files and folders, all inside one folder, and not without end."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from errno import EINVAL
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from harness.data.download import require_space
from harness.errors import DataError, HarnessError, PrerequisiteError

__all__ = ["UnpackProgress", "unpack"]

UnpackProgress = Callable[[int, int | None], None]
"""Called with the bytes of the archive read so far and its size."""

_MOST_PER_BYTE = 100
_MOST_ANYWAY = 64 * 10**6
"""An archive may unpack to 100 times its size and 64 MB more: images and clouds of points shrink to a third at best."""

_BLOCK = 4096
"""Bytes that an entry takes on a disk at least: a million of empty files is not for nothing."""

_LONGEST_NAME = 255

_READERS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": partial(gzip.GzipFile, None, "rb", 9),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
    b"\x5d\x00\x00": lzma.LZMAFile,
}
"""What reads a compressed tar file, by its first bytes."""


def unpack(
    archive: Path,
    folder: Path,
    progress: UnpackProgress | None = None,
    *,
    wanted: Callable[[PurePosixPath], bool] = lambda entry: True,
) -> None:
    """Unpack a zip or a (compressed) tar file into a new folder.

    Only regular files and folders are written, with default permissions: a link, a device, a sparse file, an absolute
    path or a path with ``..`` is refused, whether or not it would leave the folder. The whole archive is read, so that
    its checksums are compared, and no more is written than it can reasonably hold.

    Parameters
    ----------
    archive
        The file; its format is recognised by its content.
    folder
        Must not exist. It appears, complete, when everything is unpacked.
    progress
        Called after every file.
    wanted
        Tells by its name whether an entry is written; the others are read like them.

    Raises
    ------
    DataError
        Where the archive is damaged, of another format, or holds something that is refused; nothing is left behind.
    PrerequisiteError
        Where the disk has no room, or a file can't be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
        try:
            _Unpacking(archive, building, progress, wanted).run()
            building.chmod(0o755)
            building.rename(folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    except HarnessError:
        raise
    except OSError as error:
        if error.errno in (None, EINVAL):  # how decoders say that their input is damaged
            raise _damaged(archive, error) from error
        raise PrerequisiteError(
            f"{archive} can't be unpacked to {folder.parent} ({error.strerror}): make room or choose another folder."
        ) from error
    except Exception as error:  # a decoder may raise any error for a damaged archive
        raise _damaged(archive, error) from error


def _damaged(archive: Path, error: Exception) -> DataError:
    what = " ".join(str(error).split())[:200] or type(error).__name__
    return DataError(
        f"{archive} can't be unpacked, it is truncated or no archive ({what}): move it away and fetch it again."
    )


class _Unpacking:
    """One archive on its way into a folder."""

    def __init__(
        self, archive: Path, root: Path, progress: UnpackProgress | None, wanted: Callable[[PurePosixPath], bool]
    ) -> None:
        self._archive, self._root, self._progress, self._wanted = archive, root, progress, wanted
        self._size = archive.stat().st_size
        self._limit = _MOST_PER_BYTE * self._size + _MOST_ANYWAY
        self._entries = self._written = 0

    def run(self) -> None:
        """Unpack everything; any error of a decoder is raised as it is."""
        with self._archive.open("rb") as stream:
            start = stream.read(6)
            stream.seek(0)
            if start.startswith(b"PK"):
                self._unpack_zip(stream)
            else:
                reader = next((read for magic, read in _READERS.items() if start.startswith(magic)), None)
                self._unpack_tar(stream, reader(stream) if reader else stream)
        if not self._entries:
            raise EOFError("it holds nothing")

    def _unpack_tar(self, stream: IO[bytes], content: IO[bytes]) -> None:
        tape = _Tape(content, self._require_limit)
        with tarfile.open(fileobj=tape, mode="r|", bufsize=1 << 20) as tar:  # type: ignore[call-overload]  # it only reads
            for member in tar:
                if member.issparse():
                    raise self._refused(member.name, "is a sparse file")
                if not (member.isdir() or member.isreg()):
                    raise self._refused(member.name, "is a link or a device")
                self._add(member.name, member.size if member.isreg() else None, partial(tar.extractfile, member))
                self._report(stream)
            rest = tape.rest(tar.offset)
        if not rest or rest.strip(b"\0"):
            raise EOFError("it breaks off, or an entry is damaged")

    def _unpack_zip(self, stream: IO[bytes]) -> None:
        with zipfile.ZipFile(stream) as zipped:
            self._require_limit(sum(max(member.file_size, 0) for member in zipped.infolist()))
            for member in zipped.infolist():
                kind = stat.S_IFMT(member.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise self._refused(member.filename, "is a link or a device")
                if member.flag_bits & 1:
                    raise self._refused(member.filename, "is encrypted")
                size = None if member.is_dir() else member.file_size
                self._add(member.filename, size, partial(zipped.open, member))
                self._report(stream)

    def _add(self, name: str, size: int | None, open_source: Callable[[], IO[bytes] | None]) -> None:
        """Write one entry; a folder has no size."""
        target = self._target(name)
        self._entries += target != self._root
        if not self._wanted(PurePosixPath(name)):
            return
        self._written += max(size or 0, _BLOCK)
        self._require_limit(self._written)
        if size is None:
            self._make_folder(target)
            return
        require_space(self._root, size, f"'{name}' in {self._archive}")
        self._make_folder(target.parent)
        if target.exists():
            raise self._refused(name, "occurs twice")
        source = open_source()
        assert source is not None, "a regular member has content"
        with source, target.open("xb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
        if target.stat().st_size != size:
            raise EOFError(f"'{name}' has {target.stat().st_size} of {size} bytes")

    def _target(self, name: str) -> Path:
        """Return where a member belongs, or refuse a name that could mean another place on some system."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            raise self._refused(name, "leaves the folder")
        if any(ord(letter) < ord(" ") for letter in name):
            raise self._refused(name, "has a control character in its name")
        if any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts):
            raise self._refused(name, f"has a name of more than {_LONGEST_NAME} bytes")
        return self._root.joinpath(*path.parts)

    def _make_folder(self, target: Path) -> None:
        try:
            target.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise self._refused(target.name, "is a file and a folder at once") from error

    def _require_limit(self, size: int) -> None:
        if size > self._limit:
            raise DataError(
                f"{self._archive} is not unpacked because its {self._size:,} bytes become more than {self._limit:,}: "
                "fetch it from the dataset's page, or unpack it by hand."
            )

    def _refused(self, name: str, why: str) -> DataError:
        shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
        return DataError(
            f"{self._archive} is not unpacked because its entry {shown!r} {why}: fetch it from the dataset's page."
        )

    def _report(self, stream: IO[bytes]) -> None:
        if self._progress is not None:
            self._progress(min(stream.tell(), self._size), self._size)


class _Tape:
    """The content of a tar file, read from front to end; what was read last can be seen again.

    Parameters
    ----------
    content
        Decompressed.
    check
        Called with the bytes read so far.
    """

    def __init__(self, content: IO[bytes], check: Callable[[int], None]) -> None:
        self._content, self._check = content, check
        self._read, self._last = 0, b""

    def read(self, size: int) -> bytes:
        """Return that number of bytes, fewer only at the end."""
        parts, missing = [], size
        while missing and (part := self._content.read(missing)):
            parts.append(part)
            missing -= len(part)
        if content := b"".join(parts):
            self._last = content
            self._read += len(content)
            self._check(self._read)
        return content

    def rest(self, start: int) -> bytes:
        """Return what follows a place in what was read last, to the end; zeros after the first ones are left out."""
        rest = self._last[max(0, start - self._read + len(self._last)) :] if start < self._read else b""
        while more := self.read(1 << 20):
            rest += more.strip(b"\0")
        return rest
