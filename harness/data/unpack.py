"""Unpack an archive from the internet: only regular files and folders, all inside one folder."""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

from harness.errors import DataError

__all__ = ["UnpackProgress", "unpack"]

UnpackProgress = Callable[[int, int | None], None]
"""Called with the bytes of the archive read so far and its size."""

_BROKEN = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError)


def unpack(archive: Path, folder: Path, progress: UnpackProgress | None = None) -> None:
    """Unpack a zip or a (compressed) tar file into a new folder.

    Only regular files and folders are written, with default permissions: a link, a device, an absolute path or a
    path with ``..`` is refused, whether or not it would leave the folder.

    Parameters
    ----------
    archive
        The file; its format is recognised by its content.
    folder
        Must not exist. It appears, complete, when everything is unpacked.
    progress
        Called after every file.

    Raises
    ------
    DataError
        Where the archive is truncated, of another format, or holds something that is refused; nothing is left behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
    try:
        with archive.open("rb") as stream:
            report = _reporter(stream, progress)
            if zipfile.is_zipfile(stream):
                _unpack_zip(stream, archive, building, report)
            else:
                stream.seek(0)
                _unpack_tar(stream, archive, building, report)
        if not any(building.iterdir()):
            raise EOFError("it holds nothing")
        building.chmod(0o755)
        building.rename(folder)
    except _BROKEN as error:
        raise DataError(
            f"{archive} can't be unpacked, it is truncated or no archive ({error}): delete it and fetch it again."
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _reporter(stream: IO[bytes], progress: UnpackProgress | None) -> Callable[[], None]:
    size = os.fstat(stream.fileno()).st_size

    def report() -> None:
        if progress is not None:
            progress(min(stream.tell(), size), size)

    return report


def _unpack_tar(stream: IO[bytes], archive: Path, root: Path, report: Callable[[], None]) -> None:
    with tarfile.open(fileobj=stream, mode="r:*") as tar:
        for member in tar:
            target = _target(archive, root, member.name)
            if member.isdir():
                _make_folder(archive, target)
            elif member.isreg():
                source = tar.extractfile(member)
                assert source is not None, "a regular member has content"
                _write(archive, source, target, member.size)
            else:
                raise _refused(archive, member.name, "is a link or a device")
            report()


def _unpack_zip(stream: IO[bytes], archive: Path, root: Path, report: Callable[[], None]) -> None:
    with zipfile.ZipFile(stream) as zipped:
        for member in zipped.infolist():
            target = _target(archive, root, member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(archive, member.filename, "is a link or a device")
            if member.flag_bits & 1:
                raise _refused(archive, member.filename, "is encrypted")
            if member.is_dir():
                _make_folder(archive, target)
            else:
                with zipped.open(member) as source:
                    _write(archive, source, target, member.file_size)
            report()


def _target(archive: Path, root: Path, name: str) -> Path:
    """Return where a member belongs, or refuse a name that could mean another place on some system."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name:
        raise _refused(archive, name, "leaves the folder")
    return root.joinpath(*path.parts)


def _make_folder(archive: Path, target: Path) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise _refused(archive, target.name, "is a file and a folder at once") from error


def _write(archive: Path, source: IO[bytes], target: Path, size: int) -> None:
    _make_folder(archive, target.parent)
    if target.exists():
        raise _refused(archive, target.name, "occurs twice")
    with source, target.open("xb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
    if target.stat().st_size != size:
        raise EOFError(f"{target.name} has {target.stat().st_size} of {size} bytes")


def _refused(archive: Path, name: str, why: str) -> DataError:
    return DataError(f"{archive} is not unpacked because its entry '{name}' {why}: fetch it from the dataset's page.")
