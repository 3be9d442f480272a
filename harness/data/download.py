"""Download a file: resumed where it stopped, verified, and under its own name only when it is complete."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path

from harness.data.web import NETWORK, RANGE, ask, checked_url, confirmed_url, page_in, read, reason, size_in
from harness.errors import PrerequisiteError, UsageError
from harness.files.digest import is_published_sha256

__all__ = ["DownloadProgress", "download", "mismatch", "require_space"]

DownloadProgress = Callable[[int, int | None], None]
"""Called with the bytes received and the size of the file, None where the server does not state it."""

_CHUNK = 1 << 18


class _RefusedError(Exception):
    """An answer of a server that no second attempt would make better; the text is what stands after its address."""


@dataclass(frozen=True, slots=True)
class _Download:
    url: str
    target: Path
    size: int | None

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def validator(self) -> Path:
        return self.target.with_name(self.target.name + ".part.version")

    def error(self, what: str) -> PrerequisiteError:
        size = f"{self.size:,} bytes" if self.size else "size not published"
        return PrerequisiteError(
            f"{self.url} {what}: try again, or get the file ({size}) by hand and put it at {self.target}."
        )

    def remove_partial(self) -> None:
        self.part.unlink(missing_ok=True)
        self.validator.unlink(missing_ok=True)


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    size: int | None = None,
    progress: DownloadProgress | None = None,
) -> None:
    """Download a file, or continue a download that was interrupted.

    Received bytes are in ``<target>.part``. An interrupted download is continued with an HTTP range request: at once
    where the last request received bytes, otherwise by the next call. A file that is already there and matches is kept.
    No more is written than the published size, and nothing where the disk has no room for the rest.

    Parameters
    ----------
    url
        An http or https address. Where the answer is a page with a download form, as Google Drive gives for large
        files, the form is followed once. Every address that a server leads to is http or https, too, and https where
        the one before it is.
    target
        Where the file belongs; it appears there complete and verified.
    sha256, md5
        Published digests, hexadecimal.
    size
        Published number of bytes.
    progress
        Called after every chunk.

    Raises
    ------
    UsageError
        Where the address is none of http or https.
    PrerequisiteError
        Where the network, the server or the disk fails, or the file is not the published one (it is removed then).
    """
    try:
        checked_url(url)
    except ValueError as error:
        raise UsageError(f"{url} can't be downloaded: {error}.") from error
    job = _Download(url, target, size)
    if target.is_file() and mismatch(target, sha256=sha256, md5=md5, size=size) is None:
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _receive(job, progress)
        wrong = mismatch(job.part, sha256=sha256, md5=md5, size=size)
        if wrong:
            raise _RefusedError(f"gave a file that is not the published one ({wrong}) and was removed")
        job.part.replace(target)
        job.remove_partial()
    except _RefusedError as error:
        job.remove_partial()
        raise job.error(str(error)) from error
    except OSError as error:
        what = f"{error.filename or target} can't be written ({error.strerror or error})"
        raise PrerequisiteError(f"{what}: make room or choose another folder.") from error


def require_space(folder: Path, size: int, what: str) -> None:
    """Raise PrerequisiteError where the disk of a folder has not as many bytes free as something takes.

    Parameters
    ----------
    folder
        Exists.
    size
        Bytes that will be written.
    what
        Will be written, for the sentence.
    """
    disk = shutil.disk_usage(folder)
    if disk.total and size > disk.free:  # some network file systems say 0 of everything
        raise PrerequisiteError(
            f"{what} takes {size:,} bytes more and {folder} has {disk.free:,} bytes free: "
            "make room or choose another folder."
        )


def mismatch(path: Path, *, sha256: str | None = None, md5: str | None = None, size: int | None = None) -> str | None:
    """Return how a file differs from the published one, in words; None where it does not."""
    actual = path.stat().st_size
    if size is not None and actual != size:
        return f"{actual:,} bytes instead of {size:,}"
    if sha256 is not None and not is_published_sha256(value := _hash(path, "sha256"), sha256):
        return f"sha256 {value} instead of {sha256}"
    if md5 is not None and (value := _hash(path, "md5")) != md5.lower():
        return f"md5 {value} instead of {md5}"
    return None


def _hash(path: Path, name: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, partial(hashlib.new, name, usedforsecurity=False)).hexdigest()


def _receive(job: _Download, progress: DownloadProgress | None) -> None:
    """Fill the part file; after an interruption, try again if bytes were received."""
    url, confirmed = job.url, False
    while True:
        before = _length(job.part)
        try:
            page = _transfer(url, job, progress)
        except NETWORK as error:
            if _length(job.part) <= before:
                raise job.error(f"can't be downloaded ({reason(error)})") from error
            continue
        if page is None:
            return
        try:
            following = None if confirmed else confirmed_url(page, url)
            if following is None:
                raise job.error("answers with a web page instead of the file, its quota may be used up")
            url, confirmed = checked_url(following, url), True
        except ValueError as error:
            raise job.error(f"leads to another address ({error})") from error


def _transfer(url: str, job: _Download, progress: DownloadProgress | None) -> str | None:
    """Send one request; return the page where the answer is a web page, raise where the file stays incomplete."""
    offset = _length(job.part)
    try:
        response = ask(url, _continuing(offset, job))
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not offset:
            raise
        if error.headers.get("Content-Range", "").rpartition("/")[2] == str(offset):
            return None
        job.remove_partial()
        return _transfer(url, job, progress)
    with response:
        if (page := page_in(response, url)) is not None:
            return page
        resumed = response.status == HTTPStatus.PARTIAL_CONTENT
        if not resumed and response.status != HTTPStatus.OK:
            raise _RefusedError(f"answers {response.status} {response.reason} instead of the file")
        if resumed and not _continues(response, offset):
            if not offset:
                raise _RefusedError("answers with a part of the file that nobody asked for")
            job.remove_partial()
            return _transfer(url, job, progress)
        _save(response, offset if resumed else 0, job, progress)
    return None


def _continues(response: http.client.HTTPResponse, offset: int) -> bool:
    """Return whether an answer is the part of the file that follows what is here."""
    match = RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return offset > 0 and match is not None and int(match[1]) == offset


def _continuing(offset: int, job: _Download) -> dict[str, str]:
    """Return the headers that ask for what follows the bytes that are here."""
    if not offset:
        return {}
    version = _text(job.validator)
    return {"Range": f"bytes={offset}-"} | ({"If-Range": version} if _is_version(version) else {})


def _save(response: http.client.HTTPResponse, offset: int, job: _Download, progress: DownloadProgress | None) -> None:
    """Write what follows the first bytes to the part file, as long as it can be the published one."""
    total = size_in(response, offset)
    if job.size is not None and total not in (None, job.size):
        raise _RefusedError(f"has a file that is not the published one ({total:,} bytes instead of {job.size:,})")
    total = job.size if total is None else total
    if total is not None:
        require_space(job.target.parent, total - offset, str(job.target))
    with job.part.open("ab" if offset else "wb") as stream:
        _remember_version(response, job)
        done = offset
        while chunk := read(response, _CHUNK):
            done += len(chunk)
            if total is not None and done > total:
                raise _RefusedError(f"sends more than {total:,} bytes, which is not the published file")
            stream.write(chunk)
            if progress is not None:
                progress(done, total)
    if total is not None and done < total:
        raise ConnectionError(f"interrupted after {done:,} of {total:,} bytes")


def _remember_version(response: http.client.HTTPResponse, job: _Download) -> None:
    """Save the version of the file, by which the server recognises whether it has changed."""
    etag = response.headers.get("ETag", "")
    version = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
    if _is_version(version):
        job.validator.write_text(version, "utf-8")


def _is_version(text: str) -> bool:
    """Return whether a text may stand in a header."""
    return bool(text) and text.isascii() and text.isprintable()


def _text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace") if path.is_file() else ""


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
