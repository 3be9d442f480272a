"""Download a file: resumed where it stopped, verified, and under its own name only when it is complete."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from http import HTTPStatus
from pathlib import Path
from typing import IO

from harness.errors import PrerequisiteError, UsageError

__all__ = ["DownloadProgress", "confirmed_url", "download"]

DownloadProgress = Callable[[int, int | None], None]
"""Called with the bytes received and the size of the file, None where the server does not state it."""

_TIMEOUT = 30.0
_CHUNK = 1 << 18
_AGENT = "harness/0.1"
_NETWORK = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)


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

    Parameters
    ----------
    url
        An http or https address. Where the answer is a page with a download form, as Google Drive gives for large
        files, the form is followed once.
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
    PrerequisiteError
        Where the network, the server or the disk fails, or the file is not the published one (it is removed then).
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise UsageError(f"{url} can't be downloaded: give an address that starts with http:// or https://.")
    job = _Download(url, target, size)
    if target.is_file() and _mismatch(target, sha256, md5, size) is None:
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _receive(job, progress)
        wrong = _mismatch(job.part, sha256, md5, size)
        if wrong:
            job.remove_partial()
            raise job.error(f"gave a file that is not the published one ({wrong}) and was removed")
        job.part.replace(target)
        job.remove_partial()
    except OSError as error:
        what = f"{error.filename or target} can't be written ({error.strerror or error})"
        raise PrerequisiteError(f"{what}: make room or choose another folder.") from error


def confirmed_url(page: str, url: str) -> str | None:
    """Return the address that a page's download form leads to, None where it has no form.

    Parameters
    ----------
    page
        HTML.
    url
        Address of the page.
    """
    form = _FormParser()
    form.feed(page)
    if form.action is None:
        return None
    return urllib.parse.urljoin(url, form.action) + "?" + urllib.parse.urlencode(form.fields)


class _FormParser(HTMLParser):
    """Collects the action and the hidden fields of a page's first form."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = attributes.get("action")
        elif tag == "input" and attributes.get("name"):
            self.fields[str(attributes["name"])] = attributes.get("value") or ""


def _mismatch(path: Path, sha256: str | None, md5: str | None, size: int | None) -> str | None:
    """Return how a file differs from the published one, in words; None where it does not."""
    actual = path.stat().st_size
    if size is not None and actual != size:
        return f"{actual:,} bytes instead of {size:,}"
    for name, published in (("sha256", sha256), ("md5", md5)):
        if published is not None and (value := _hash(path, name)) != published.lower():
            return f"{name} {value} instead of {published}"
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
        except _NETWORK as error:
            if _length(job.part) <= before:
                raise job.error(f"can't be downloaded ({_reason(error)})") from error
            continue
        if page is None:
            return
        following = None if confirmed else confirmed_url(page, url)
        if following is None:
            raise job.error("answers with a web page instead of the file, its quota may be used up")
        url, confirmed = following, True


def _transfer(url: str, job: _Download, progress: DownloadProgress | None) -> str | None:
    """Send one request; return the page where the answer is a web page, raise where the file stays incomplete."""
    offset = _length(job.part)
    try:
        response = urllib.request.urlopen(_request(url, offset, job), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not offset:
            raise
        if error.headers.get("Content-Range", "").rpartition("/")[2] == str(offset):
            return None
        job.remove_partial()
        return _transfer(url, job, progress)
    with response:
        if response.headers.get_content_type() == "text/html" and not url.endswith((".html", ".htm")):
            return str(response.read(1 << 20).decode("utf-8", "replace"))
        resumed = response.status == HTTPStatus.PARTIAL_CONTENT
        with job.part.open("ab" if resumed else "wb") as stream:
            _remember_version(response, job)
            _copy(response, stream, offset if resumed else 0, job, progress)
    return None


def _request(url: str, offset: int, job: _Download) -> urllib.request.Request:
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if job.validator.is_file():
            headers["If-Range"] = job.validator.read_text("utf-8")
    return urllib.request.Request(url, headers=headers)


def _remember_version(response: http.client.HTTPResponse, job: _Download) -> None:
    """Save the version of the file, by which the server recognises whether it has changed."""
    etag = response.headers.get("ETag", "")
    version = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
    if version:
        job.validator.write_text(version, "utf-8")


def _copy(
    response: http.client.HTTPResponse,
    stream: IO[bytes],
    offset: int,
    job: _Download,
    progress: DownloadProgress | None,
) -> None:
    length = response.headers.get("Content-Length")
    total = offset + int(length) if length else job.size
    done = offset
    while chunk := _read(response):
        stream.write(chunk)
        done += len(chunk)
        if progress is not None:
            progress(done, total)
    if total is not None and done < total:
        raise ConnectionError(f"interrupted after {done:,} of {total:,} bytes")


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_CHUNK)
    except OSError as error:
        raise ConnectionError(_reason(error)) from error


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        error = error.reason if isinstance(error.reason, BaseException) else error
    return " ".join(str(error).split()) or type(error).__name__
