"""Downloading one file: resumed where it stopped, verified, and never half there under its own name."""

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
"""Called with the bytes that are there and the size of the file, None where the server doesn't tell."""

_TIMEOUT = 30.0
_CHUNK = 1 << 18
_AGENT = "harness/0.1"
_NETWORK = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)


@dataclass(frozen=True, slots=True)
class _Wanted:
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
            f"{self.url} {what}: try again, or bring the file ({size}) by hand and put it at {self.target}."
        )

    def forget(self) -> None:
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
    """Download a file, or go on with a download that was interrupted.

    What arrived lies in ``<target>.part``. It is continued with an HTTP range request, at once as long as bytes keep
    arriving, and otherwise by the next call. A file that is there already and matches is left alone.

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
    wanted = _Wanted(url, target, size)
    if target.is_file() and _mismatch(target, sha256, md5, size) is None:
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _receive(wanted, progress)
        wrong = _mismatch(wanted.part, sha256, md5, size)
        if wrong:
            wanted.forget()
            raise wanted.error(f"gave another file than the published one ({wrong}), so it was removed")
        wanted.part.replace(target)
        wanted.forget()
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
        found = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = found.get("action")
        elif tag == "input" and found.get("name"):
            self.fields[str(found["name"])] = found.get("value") or ""


def _mismatch(path: Path, sha256: str | None, md5: str | None, size: int | None) -> str | None:
    """Return in words how a file differs from what is published, None where it doesn't."""
    found = path.stat().st_size
    if size is not None and found != size:
        return f"{found:,} bytes instead of {size:,}"
    for name, published in (("sha256", sha256), ("md5", md5)):
        if published is not None and (value := _hash(path, name)) != published.lower():
            return f"{name} {value} instead of {published}"
    return None


def _hash(path: Path, name: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, partial(hashlib.new, name, usedforsecurity=False)).hexdigest()


def _receive(wanted: _Wanted, progress: DownloadProgress | None) -> None:
    """Fill the part file; every interruption after which more bytes are there is followed by another try."""
    url, confirmed = wanted.url, False
    while True:
        before = _length(wanted.part)
        try:
            page = _transfer(url, wanted, progress)
        except _NETWORK as error:
            if _length(wanted.part) <= before:
                raise wanted.error(f"can't be downloaded ({_reason(error)})") from error
            continue
        if page is None:
            return
        following = None if confirmed else confirmed_url(page, url)
        if following is None:
            raise wanted.error("answers with a web page instead of the file, its quota may be used up")
        url, confirmed = following, True


def _transfer(url: str, wanted: _Wanted, progress: DownloadProgress | None) -> str | None:
    """Do one request; return the page where the answer is one, raise where the file isn't complete afterwards."""
    offset = _length(wanted.part)
    try:
        response = urllib.request.urlopen(_request(url, offset, wanted), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not offset:
            raise
        if error.headers.get("Content-Range", "").rpartition("/")[2] == str(offset):
            return None
        wanted.forget()
        return _transfer(url, wanted, progress)
    with response:
        if response.headers.get_content_type() == "text/html" and not url.endswith((".html", ".htm")):
            return str(response.read(1 << 20).decode("utf-8", "replace"))
        resumed = response.status == HTTPStatus.PARTIAL_CONTENT
        with wanted.part.open("ab" if resumed else "wb") as stream:
            _remember_version(response, wanted)
            _copy(response, stream, offset if resumed else 0, wanted, progress)
    return None


def _request(url: str, offset: int, wanted: _Wanted) -> urllib.request.Request:
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if wanted.validator.is_file():
            headers["If-Range"] = wanted.validator.read_text("utf-8")
    return urllib.request.Request(url, headers=headers)


def _remember_version(response: http.client.HTTPResponse, wanted: _Wanted) -> None:
    """Keep what tells the server whether the file is still the one that was begun."""
    etag = response.headers.get("ETag", "")
    version = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
    if version:
        wanted.validator.write_text(version, "utf-8")


def _copy(
    response: http.client.HTTPResponse,
    stream: IO[bytes],
    offset: int,
    wanted: _Wanted,
    progress: DownloadProgress | None,
) -> None:
    length = response.headers.get("Content-Length")
    total = offset + int(length) if length else wanted.size
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
