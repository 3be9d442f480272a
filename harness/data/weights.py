"""The folder of pretrained weights: which files it holds, whether they are the published ones, and how to get them.

Names and addresses of the files are in each method's ``meta.weights``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from harness.contract import WeightFile
from harness.data.download import DownloadProgress, download
from harness.distribution import install_command
from harness.errors import PrerequisiteError
from harness.files.caches import CACHES
from harness.files.digest import is_published_sha256
from harness.files.hashes import FileHashes
from harness.files.paths import user_path

__all__ = ["ResolvedWeight", "WeightState", "WeightStatus", "WeightStore", "default_weights_dir"]

WeightState = Literal["present", "unverified", "missing"]
"""``present``: the published file, or one without a published digest; ``unverified``: another sha256 than published."""


@dataclass(frozen=True, slots=True)
class WeightStatus:
    """Whether the weights folder holds a file.

    Parameters
    ----------
    state
        See :data:`WeightState`.
    path
        The file that would be used, None where it is missing.
    sha256
        Of that file, hexadecimal.
    verified
        True where the sha256 is the published one, as far as that is published.
    """

    state: WeightState
    path: Path | None = None
    sha256: str | None = None
    verified: bool = False


@dataclass(frozen=True, slots=True)
class ResolvedWeight:
    """A file that a cell uses, as its record names it."""

    name: str
    path: Path
    sha256: str
    verified: bool


def default_weights_dir() -> Path:
    """Return ``$HARNESS_WEIGHTS_DIR``, else ``weights`` below the cache folder."""
    chosen = os.environ.get("HARNESS_WEIGHTS_DIR")
    return user_path(chosen) if chosen else CACHES["weights"].path


class WeightStore:
    """A folder of weight files, downloaded or put there by hand.

    Parameters
    ----------
    folder
        Where the files lie; :func:`default_weights_dir` where None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_weights_dir()
        self._hashes = FileHashes(self.folder)

    def status(self, file: WeightFile) -> WeightStatus:
        """Return which file would be used: the published one, else an alternative, else that of an installed package.

        Where there is none of these, it is an unverified one of that name.

        Raises
        ------
        PrerequisiteError
            Where the file can't be read.
        """
        own = self._inspect(self.folder / file.name, file.sha256)
        if own is not None and own.state == "present":
            return own
        others = [self._inspect(self.folder / name, None) for name in file.alternatives]
        path = _shipped_path(file)
        others += [self._inspect(path, file.sha256)] if path else []
        return next((status for status in others if status is not None), own or WeightStatus("missing"))

    def resolve(self, files: Sequence[WeightFile], *, unverified: bool) -> dict[str, ResolvedWeight]:
        """Return the files that a method needs, by their names in ``meta.weights``.

        Parameters
        ----------
        files
            What the method declares.
        unverified
            Accept files whose sha256 is not the published one.

        Raises
        ------
        PrerequisiteError
            Where a file is missing, unreadable, or not the published one; the message says how to get it.
        """
        statuses = {file.name: (file, self.status(file)) for file in files}
        missing = [file for file, status in statuses.values() if status.state == "missing"]
        if missing:
            raise PrerequisiteError(self._missing(missing))
        for file, status in statuses.values():
            if status.state == "unverified" and not unverified:
                raise PrerequisiteError(self._unverified(file, status))
        return {
            name: ResolvedWeight(name, status.path, status.sha256, status.verified)
            for name, (_, status) in statuses.items()
            if status.path is not None and status.sha256 is not None
        }

    def fetch(self, file: WeightFile, progress: DownloadProgress | None = None) -> Path:
        """Download a file into the folder and verify it; a file that is already there is kept.

        Raises
        ------
        PrerequisiteError
            Where the download fails or the file is not the published one, and where a package that ships it is not
            installed.
        """
        if file.shipped:
            status = self.status(file)
            if status.path is None:
                raise PrerequisiteError(self._missing([file]))
            return status.path
        path = self.folder / file.name
        download(file.url, path, sha256=file.sha256, size=file.size, progress=progress)
        return path

    def _inspect(self, path: Path, published: str | None) -> WeightStatus | None:
        if not path.is_file():
            return None
        try:
            sha256 = self._hashes.of([path])[path]
        except OSError as error:
            raise PrerequisiteError(f"{path} can't be read ({error.strerror}): check its permissions.") from error
        verified = published is not None and is_published_sha256(sha256, published)
        return WeightStatus("present" if verified or published is None else "unverified", path, sha256, verified)

    def _missing(self, files: Sequence[WeightFile]) -> str:
        described = "; ".join(_describe(file) for file in files)
        extras = dict.fromkeys(file.extra for file in files if file.shipped)
        mends = (
            ["run 'harness weights fetch', or put the files there by hand"]
            if any(not file.shipped for file in files)
            else []
        )
        mends += [f"install the package that ships them with {install_command(*extras)}"] if extras else []
        return f"Weights are missing in {self.folder}: {described}; {'; '.join(mends)}."

    def _unverified(self, file: WeightFile, status: WeightStatus) -> str:
        return (
            f"{status.path} is not the published file (sha256 {status.sha256} instead of {file.sha256}): "
            "move it away and run 'harness weights fetch', or pass --unverified to use it as it is."
        )


def _describe(file: WeightFile) -> str:
    size = f"{file.size:,} bytes" if file.size else "size not published"
    sha256 = f"sha256 {file.sha256}" if file.sha256 else "no sha256 published"
    others = f", or {' or '.join(file.alternatives)}" if file.alternatives else ""
    return f"{file.name}{others} ({size}, {sha256}, from {file.url})"


def _shipped_path(file: WeightFile) -> Path | None:
    """Return where an installed package has the file; the package is not imported."""
    package, _, inside = file.shipped.partition("/")
    found = find_spec(package) if package else None
    return next((Path(folder) / inside for folder in (found.submodule_search_locations or () if found else ())), None)
