"""Download a file: resumed where it stopped, verified, and under its own name only when it is complete."""

from __future__ import annotations

import hashlib
import http.client
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from http import HTTPStatus
from pathlib import Path

from harness.errors import PrerequisiteError, UsageError

__all__ = ["DownloadProgress", "checked_url", "confirmed_url", "download", "require_space"]

DownloadProgress = Callable[[int, int | None], None]
"""Called with the bytes received and the size of the file, None where the server does not state it."""

_TIMEOUT = 30.0
_CHUNK = 1 << 18
_PAGE = 1 << 20
"""Bytes of a web page that are searched for a form."""

_AGENT = "harness/0.1"
_NETWORK = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)
_SAFE = "!#$%&'()*+,/:;=?@[]~"
"""Characters of an address that stay as they are; others are sent percent-encoded."""

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)


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
    if target.is_file() and _mismatch(target, sha256, md5, size) is None:
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _receive(job, progress)
        wrong = _mismatch(job.part, sha256, md5, size)
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


def checked_url(url: str, before: str = "") -> str:
    """Return an address as it is sent.

    Parameters
    ----------
    url
        Of a file, or what a server leads to.
    before
        The address that led to it; empty for the first one.

    Raises
    ------
    ValueError
        Where it is not http or https, where it leads from https to http, and where it has no usable host or port. The
        text says what it must be.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = (parts.hostname or "").encode("idna"), parts.port
    except ValueError:  # UnicodeError is one
        raise ValueError(f"'{url}' is no address") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"'{url}' must be an address that starts with http:// or https://")
    if before and parts.scheme == "http" and urllib.parse.urlsplit(before).scheme == "https":
        raise ValueError(f"'{url}' must be an address of https, as '{before}' is")
    if not host or port == 0 or not re.fullmatch(r"[!-~]+", parts.netloc):
        raise ValueError(f"'{url}' must name a host in ASCII")
    return urllib.parse.quote(url, safe=_SAFE)


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


def confirmed_url(page: str, url: str) -> str | None:
    """Return the address that a page's download form leads to, None where it has no form.

    Parameters
    ----------
    page
        HTML.
    url
        Address of the page.

    Raises
    ------
    ValueError
        Where the form leads to what can be no address.
    """
    form = _FormParser()
    with suppress(AssertionError):  # how the parser ends at some broken declarations
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
        try:
            following = None if confirmed else confirmed_url(page, url)
            if following is None:
                raise job.error("answers with a web page instead of the file, its quota may be used up")
            url, confirmed = checked_url(following, url), True
        except ValueError as error:
            raise job.error(f"leads to another address ({error})") from error


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to an address that may be downloaded from."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        return super().redirect_request(req, fp, code, msg, headers, checked_url(newurl, req.full_url))


def _open(request: urllib.request.Request) -> http.client.HTTPResponse:
    """Send a request, by http or https alone: not one of the other schemes that urllib knows."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _CheckedRedirects(),
    ):
        opener.add_handler(handler)
    try:
        response = opener.open(request, timeout=_TIMEOUT)
    except ValueError as error:  # of an address that a server leads to, or of a header that is none
        raise urllib.error.URLError(f"it leads to another address: {error}") from error
    assert isinstance(response, http.client.HTTPResponse)
    return response


def _transfer(url: str, job: _Download, progress: DownloadProgress | None) -> str | None:
    """Send one request; return the page where the answer is a web page, raise where the file stays incomplete."""
    offset = _length(job.part)
    try:
        response = _open(_request(url, offset, job))
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not offset:
            raise
        if error.headers.get("Content-Range", "").rpartition("/")[2] == str(offset):
            return None
        job.remove_partial()
        return _transfer(url, job, progress)
    with response:
        if response.headers.get_content_type() == "text/html" and not url.endswith((".html", ".htm")):
            return _read(response, _PAGE).decode("utf-8", "replace")
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
    match = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return offset > 0 and match is not None and int(match[1]) == offset


def _request(url: str, offset: int, job: _Download) -> urllib.request.Request:
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if _is_version(version := _text(job.validator)):
            headers["If-Range"] = version
    return urllib.request.Request(checked_url(url), headers=headers)


def _save(response: http.client.HTTPResponse, offset: int, job: _Download, progress: DownloadProgress | None) -> None:
    """Write what follows the first bytes to the part file, as long as it can be the published one."""
    total = _total(response, offset)
    if job.size is not None and total not in (None, job.size):
        raise _RefusedError(f"has a file that is not the published one ({total:,} bytes instead of {job.size:,})")
    total = job.size if total is None else total
    if total is not None:
        require_space(job.target.parent, total - offset, str(job.target))
    with job.part.open("ab" if offset else "wb") as stream:
        _remember_version(response, job)
        done = offset
        while chunk := _read(response, _CHUNK):
            done += len(chunk)
            if total is not None and done > total:
                raise _RefusedError(f"sends more than {total:,} bytes, which is not the published file")
            stream.write(chunk)
            if progress is not None:
                progress(done, total)
    if total is not None and done < total:
        raise ConnectionError(f"interrupted after {done:,} of {total:,} bytes")


def _total(response: http.client.HTTPResponse, offset: int) -> int | None:
    """Return the size of the file by an answer; None where that does not say."""
    match = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if match and offset and match[3] != "*":
        return int(match[3])
    length = response.headers.get("Content-Length", "").strip()
    return offset + int(length) if re.fullmatch(r"\d{1,18}", length, re.ASCII) else None


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


def _read(response: http.client.HTTPResponse, size: int) -> bytes:
    try:
        return response.read(size)
    except (OSError, ValueError) as error:
        raise ConnectionError(_reason(error)) from error


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        error = error.reason if isinstance(error.reason, BaseException) else error
    return " ".join(str(error).split()) or type(error).__name__
