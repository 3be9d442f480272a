"""A real HTTP server on 127.0.0.1 for download tests: byte ranges, interruptions, pages instead of files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class FileServer:
    """What is served, and what was asked for.

    ``cuts`` holds the number of bytes after which each of the next answers breaks off; ``ranges`` False ignores Range
    headers; ``forms`` maps a path to the page that stands in its place until a request has ``confirm`` in its query;
    ``raw`` maps a path to whole answers, sent as they are, one for each request. ``heads`` are the paths whose headers
    alone were asked for; ``head`` False refuses that.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    forms: dict[str, str] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    raw: dict[str, list[bytes]] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    head: bool = True
    address: str = ""

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"


@contextmanager
def running(server: FileServer) -> Iterator[FileServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.lstrip("/").partition("?")
            wanted = self.headers.get("Range")
            server.requests.append((self.path, wanted))
            if server.raw.get(path):
                self.wfile.write(server.raw[path].pop(0))
                self.close_connection = True
                return None
            if path in server.forms and "confirm" not in query:
                return self.answer(200, server.forms[path].encode(), {"Content-Type": "text/html; charset=utf-8"})
            if path not in server.files:
                return self.answer(404, b"no", {"Content-Type": "text/plain"})
            return self.send_file(server.files[path], wanted)

        def do_HEAD(self) -> None:
            server.heads.append(self.path)
            path = self.path.lstrip("/").partition("?")[0]
            status = (200 if path in server.files else 404) if server.head else 405
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if path in server.forms else "application/octet-stream")
            self.send_header("Content-Length", str(len(server.files.get(path, b""))))
            self.end_headers()

        def send_file(self, content: bytes, wanted: str | None) -> None:
            tag = f'"{sha256(content).hexdigest()[:8]}"'
            headers = {"Content-Type": "application/octet-stream", "ETag": tag}
            if not (server.ranges and wanted and self.headers.get("If-Range", tag) == tag):
                return self.answer(200, content, headers)
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                return self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self.answer(206, content[start:], headers)

        def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            cut = server.cuts.pop(0) if server.cuts and status in (200, 206) else len(content)
            self.wfile.write(content[:cut])
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.address = f"http://127.0.0.1:{httpd.server_port}"
    try:
        yield server
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()
