"""Requests of a server by http and https alone: addresses, answers, and pages that stand in the way of a file."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from html.parser import HTMLParser
from http import HTTPStatus
from types import MappingProxyType

__all__ = [
    "NETWORK",
    "RANGE",
    "ask",
    "checked_url",
    "confirmed_url",
    "page_in",
    "read",
    "reason",
    "size_in",
    "stated_size",
]

NETWORK = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)
"""What a request may end with."""

RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
"""The header of an answer that is a part of a file: its first and last byte, and the bytes of the file."""

_TIMEOUT = 30.0
_QUESTION_TIMEOUT = 10.0
"""Seconds that a server may take to send something, and to say how large a file is."""

_PAGE = 1 << 20
"""Bytes of a web page that are searched for a form."""

_AGENT = "harness/0.1"
_SAFE = "!#$%&'()*+,/:;=?@[]~"
"""Characters of an address that stay as they are; others are sent percent-encoded."""


def stated_size(url: str) -> int | None:
    """Return the bytes of a file as its server states them, None where it can't be asked or does not say.

    Only the headers of an answer are read. A page with a download form is followed once.
    """
    with suppress(*NETWORK, OSError, ValueError):
        with suppress(urllib.error.HTTPError), ask(url, method="HEAD", timeout=_QUESTION_TIMEOUT) as response:
            if (size := _size_of_file(response, url)) is not None:
                return size
        with ask(url, timeout=_QUESTION_TIMEOUT) as response:  # a server may know no other question
            page = page_in(response, url)
            if page is None:
                return _size_of_file(response, url)
        if (following := confirmed_url(page, url)) is not None:
            with ask(checked_url(following, url), timeout=_QUESTION_TIMEOUT) as response:
                return _size_of_file(response, url)
    return None


def _size_of_file(response: http.client.HTTPResponse, url: str) -> int | None:
    return None if response.status != HTTPStatus.OK or _is_page(response, url) else size_in(response)


def ask(
    url: str, headers: Mapping[str, str] = MappingProxyType({}), *, method: str = "GET", timeout: float = _TIMEOUT
) -> http.client.HTTPResponse:
    """Send a request, by http or https alone: not one of the other schemes that urllib knows.

    Parameters
    ----------
    url
        Checked here, and so is every address that the server leads to.
    headers
        Beside those of every request.
    method
        ``GET`` or ``HEAD``.
    timeout
        Seconds.

    Raises
    ------
    ValueError
        Where the address can't be asked.
    OSError, http.client.HTTPException
        One of :data:`NETWORK`, where the answer is not a file.
    """
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity", **headers}
    request = urllib.request.Request(checked_url(url), headers=headers, method=method)
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
        response = opener.open(request, timeout=timeout)
    except ValueError as error:  # of an address that a server leads to, or of a header that is none
        raise urllib.error.URLError(f"it leads to another address: {error}") from error
    assert isinstance(response, http.client.HTTPResponse)
    return response


def page_in(response: http.client.HTTPResponse, url: str) -> str | None:
    """Return the page that answers the request of a file; None where the answer is not a web page."""
    return read(response, _PAGE).decode("utf-8", "replace") if _is_page(response, url) else None


def _is_page(response: http.client.HTTPResponse, url: str) -> bool:
    """Return whether an answer is a web page although a file was asked for."""
    return response.headers.get_content_type() == "text/html" and not url.endswith((".html", ".htm"))


def size_in(response: http.client.HTTPResponse, offset: int = 0) -> int | None:
    """Return the size of the whole file by an answer that begins at some byte; None where it does not say."""
    match = RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if match and offset and match[3] != "*":
        return int(match[3])
    length = response.headers.get("Content-Length", "").strip()
    return offset + int(length) if re.fullmatch(r"\d{1,18}", length, re.ASCII) else None


def read(response: http.client.HTTPResponse, size: int) -> bytes:
    """Read so many bytes of an answer; raise ConnectionError where it breaks off."""
    try:
        return response.read(size)
    except (OSError, ValueError) as error:
        raise ConnectionError(reason(error)) from error


def reason(error: BaseException) -> str:
    """Return why a request failed, on one line."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        error = error.reason if isinstance(error.reason, BaseException) else error
    return " ".join(str(error).split()) or type(error).__name__


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
        raise ValueError(f"'{url}' is not a valid address") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"'{url}' must be an address that starts with http:// or https://")
    if before and parts.scheme == "http" and urllib.parse.urlsplit(before).scheme == "https":
        raise ValueError(f"'{url}' must be an address of https, as '{before}' is")
    if not host or port == 0 or not re.fullmatch(r"[!-~]+", parts.netloc):
        raise ValueError(f"'{url}' must name a host in ASCII")
    return urllib.parse.quote(url, safe=_SAFE)


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


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to an address that may be downloaded from."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        return super().redirect_request(req, fp, code, msg, headers, checked_url(newurl, req.full_url))
