"""Servers that answer otherwise than they should: one sentence, no byte too many, and nothing but http and https."""

from __future__ import annotations

import hashlib
from collections import namedtuple
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from fileserver import FileServer, running
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.data import download as module
from harness.data.download import download
from harness.data.web import checked_url
from harness.errors import PrerequisiteError, UsageError

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with running(FileServer(files={"w": CONTENT})) as started:
        yield started


def answer(status: str = "200 OK", body: bytes = CONTENT, **headers: str) -> bytes:
    lines = [f"HTTP/1.0 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("utf-8") + body


def refused(server: FileServer, target: Path, *answers: bytes, **facts) -> str:
    """Download what is answered so; return the one sentence it ends with."""
    server.raw["w"] = [*answers]
    with pytest.raises(PrerequisiteError) as caught:
        download(server.url("w"), target, **facts)
    assert not target.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/w",
        "data:text/plain,x",
        "http://[::bad",
        "http://exämple.org/w",
        "http://127.0.0.1:port/w",
        "http://127.0.0.1:99999/w",
        "http://" + "a" * 70 + ".org/w",
        "http://a b/",
    ],
)
class TestWhereAServerLeads:
    def test_by_a_redirect(self, server, tmp_path, location):
        refused(server, tmp_path / "w", answer("302 Found", b"", Location=location))

    def test_by_a_form(self, server, tmp_path, location):
        page = f'<form action="{location}"><input name="id" value="7"></form>'.encode()
        refused(server, tmp_path / "w", answer(body=page, Content_Type="text/html"))
        assert len(server.requests) == 1


def test_a_local_file_is_never_copied(server, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    page = f'<form action="{secret.as_uri()}"></form>'.encode()
    for first in (answer(body=page, Content_Type="text/html"), answer("302 Found", b"", Location=secret.as_uri())):
        refused(server, tmp_path / "w", first, sha256=SHA256)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret"]


def test_https_never_leads_to_http():
    with pytest.raises(ValueError, match="https"):
        checked_url("http://a.org/w", "https://a.org/w")
    assert checked_url("https://a.org/w", "http://a.org/w") == "https://a.org/w"


def test_other_letters_of_a_path_are_percent_encoded(server, tmp_path):
    assert checked_url("https://a.org/ü b?q=ä") == "https://a.org/%C3%BC%20b?q=%C3%A4"
    server.raw["w"] = [answer("302 Found", b"", Location=server.url("w?name=\xfc"))]
    download(server.url("w"), tmp_path / "w", sha256=SHA256)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "", "w", "http://", "http://[::bad", "https://ü.org/", "HTTP:/x"]
)
def test_an_address_that_is_none_is_a_usage_error(tmp_path, url):
    with pytest.raises(UsageError):
        download(url, tmp_path / "w")


@pytest.mark.parametrize(
    ("first", "part"),
    [
        (answer("204 No Content", b""), "204"),
        (answer("206 Partial Content", CONTENT[5:], Content_Range="bytes 5-9/10240"), "nobody asked for"),
        (answer("206 Partial Content", CONTENT), "nobody asked for"),
        (answer("203 Changed", CONTENT), "203"),
        (answer("404 Not here", b""), "404"),
        (answer("999 What", b""), "999"),
        (answer(body=b"", Content_Type="text/html"), "web page"),
        (answer(body=b"<![bad[ <form>", Content_Type="text/html"), "web page"),
        (b"no http at all", ""),
        (b"", ""),
        (answer(body=b"zz\r\n", Transfer_Encoding="chunked"), ""),
        (answer("302 Found", b""), "302"),
    ],
)
def test_an_answer_that_is_not_the_file_is_one_sentence(server, tmp_path, first, part):
    assert part in refused(server, tmp_path / "w", first, sha256=SHA256)


@pytest.mark.parametrize("length", ["abc", "-5", "1e3", "", "٣", "9" * 5000, "10 240"])
def test_a_length_that_is_none_does_not_count(server, tmp_path, length):
    server.raw["w"] = [answer(Content_Length=length)]
    download(server.url("w"), tmp_path / "w", sha256=SHA256)
    assert (tmp_path / "w").read_bytes() == CONTENT


@pytest.mark.parametrize("headers", [{}, {"Transfer_Encoding": "identity"}])
def test_a_body_past_the_published_size_is_cut_off(server, tmp_path, headers):
    largest = 0

    def watch(done: int, total: int | None) -> None:
        nonlocal largest
        largest = max(largest, (tmp_path / "w.part").stat().st_size)

    body = CONTENT * 300
    sentence = refused(server, tmp_path / "w", answer(body=body, **headers), size=len(CONTENT), progress=watch)
    assert "more than 10,240 bytes" in sentence
    assert largest <= len(CONTENT)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_length_is_refused_before_anything_is_written(server, tmp_path):
    sentence = refused(server, tmp_path / "w", answer(Content_Length="999999"), size=len(CONTENT))
    assert "999,999 bytes instead of 10,240" in sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", ["bytes 0-10239/10240", "bytes 5000-10239/10240", "bytes", "", "bytes x-y/z"])
def test_another_range_than_asked_for_starts_over(server, tmp_path, given):
    (tmp_path / "w.part").write_bytes(CONTENT[:4000])
    server.raw["w"] = [answer("206 Partial Content", CONTENT[4000:], Content_Range=given)]
    download(server.url("w"), tmp_path / "w", sha256=SHA256)
    assert (tmp_path / "w").read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == ["bytes=4000-", None]


def test_the_range_that_was_asked_for_is_appended(server, tmp_path):
    (tmp_path / "w.part").write_bytes(CONTENT[:4000])
    server.raw["w"] = [answer("206 Partial Content", CONTENT[4000:], Content_Range="bytes 4000-10239/10240")]
    download(server.url("w"), tmp_path / "w", sha256=SHA256)
    assert (tmp_path / "w").read_bytes() == CONTENT


def test_a_damaged_note_of_the_version_is_left_out(server, tmp_path):
    (tmp_path / "w.part").write_bytes(CONTENT[:4000])
    (tmp_path / "w.part.version").write_bytes(b"\xff\r\nX: y")
    download(server.url("w"), tmp_path / "w", sha256=SHA256)
    assert (tmp_path / "w").read_bytes() == CONTENT


def test_a_disk_without_room_is_told_before_anything_is_written(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 5000, 5000))
    with pytest.raises(PrerequisiteError, match=r"10,240 bytes more .* has 5,000 bytes free: make room"):
        download(server.url("w"), tmp_path / "w")
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=500, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_answer_gives_the_file_or_one_sentence(server, tmp_path, data):
    whole = answer(Content_Length=str(len(CONTENT)), Content_Type="application/zip", ETag='"a"')
    head = whole.index(b"\r\n\r\n") + 4
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, head - 1))
        damaged[where : where + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    server.raw["w"] = [bytes(damaged)]
    target = tmp_path / "inside" / "w"
    for leftover in (target, target.with_name("w.part"), target.with_name("w.part.version")):
        leftover.unlink(missing_ok=True)
    with suppress(PrerequisiteError):
        download(server.url("w"), target, sha256=SHA256, size=len(CONTENT))
    assert not target.exists() or target.read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
