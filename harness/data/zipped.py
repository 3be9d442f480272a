"""Files of a ZIP archive, read without unpacking it; nothing that the archive says of itself is believed."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from zipfile import ZipFile, ZipInfo

from harness.data.images import Member, reading
from harness.errors import DataError
from harness.files.reading import open_regular

__all__ = ["Archive", "plain_name"]

_LARGEST = 2**30
"""Bytes of a file: a cloud of the largest size that is read takes less."""

_LITTER = ("._", ".DS_Store")
"""How names begin that macOS adds to archives and folders."""


def plain_name(name: str) -> str:
    """Return a path inside an archive in one form: slashes, without ``.`` and doubled ones."""
    return str(PurePosixPath(name.replace("\\", "/")))


class Archive:
    """An opened archive. Threads may share it.

    Parameters
    ----------
    path
        Of the archive.
    hint
        What the user can do about a bad file: the end of the error's sentence.

    Attributes
    ----------
    state
        Size, time of modification and place on the disk of the file that was opened.

    Raises
    ------
    DataError
        Where it can't be read as an archive.
    """

    def __init__(self, path: Path, hint: str) -> None:
        self.path, self._hint = path, hint
        with reading(path, "a ZIP archive", hint):
            stream = open_regular(path)
            self.state = _state(os.fstat(stream.fileno()))
            self._zip = ZipFile(stream)
        self._members: dict[str, ZipInfo] = {}
        self._twins: set[str] = set()
        for info in self._zip.infolist():
            name = plain_name(info.filename)
            if info.is_dir() or any(part.startswith(_LITTER) or part == "__MACOSX" for part in name.split("/")):
                continue
            if self._members.setdefault(name, info) is not info:
                self._twins.add(name)

    @property
    def is_current(self) -> bool:
        """False where the file has changed since it was opened."""
        try:
            return _state(self.path.stat()) == self.state
        except OSError:
            return False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files, in one form (:func:`plain_name`) and without folders and what macOS adds."""
        return tuple(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def facts(self, name: str) -> tuple[str, int, int]:
        """Return a file's name, size in bytes and CRC-32, as the archive states them; :meth:`read` compares them."""
        info = self._members[name]
        return name, info.file_size, info.CRC

    def read(self, name: str, largest: int = _LARGEST) -> Member:
        """Return a file of the archive, in memory.

        Raises
        ------
        DataError
            Where it is not there, is there twice, is encrypted, damaged, compressed in a way that is not known, larger
            than it says, or than ``largest`` bytes.
        """
        full = f"{self.path}/{name}"
        if name not in self._members or name in self._twins:
            how = "is there more than once" if name in self._twins else "does not exist"
            raise DataError(f"{full} {how}: {self._hint}.")
        info = self._members[name]
        if info.file_size > largest:
            raise DataError(f"{full} has {info.file_size / 1e6:.0f} MB, over {largest / 1e6:.0f} MB: {self._hint}.")
        with reading(Member(full, b""), "a file of its archive", self._hint), self._zip.open(info) as stream:
            content = stream.read(largest + 1)
        if len(content) != info.file_size:
            raise DataError(f"{full} has another size than its archive says: {self._hint}.")
        return Member(full, content)


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ino
