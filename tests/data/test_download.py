import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fileserver import FileServer, running

from harness.data.download import download
from harness.data.web import confirmed_url, stated_size
from harness.errors import PrerequisiteError, UsageError

CONTENT = np.random.default_rng(0).bytes(1_000_000)
SHA256, MD5 = hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with running(FileServer(files={"weights.pth": CONTENT})) as started:
        yield started


def part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def only(folder: Path, *names: str) -> bool:
    return sorted(path.name for path in folder.iterdir()) == sorted(names)


class TestDownload:
    def test_a_file_arrives_verified(self, server, tmp_path):
        target, seen = tmp_path / "new" / "w.pth", []
        download(
            server.url("weights.pth"),
            target,
            sha256=SHA256.upper(),
            md5=MD5,
            size=len(CONTENT),
            progress=lambda done, total: seen.append((done, total)),
        )
        assert target.read_bytes() == CONTENT
        assert only(target.parent, "w.pth")
        assert seen[-1] == (len(CONTENT), len(CONTENT))
        assert seen == sorted(seen)

    def test_an_interrupted_transfer_goes_on_by_itself(self, server, tmp_path):
        server.cuts = [300_000, 200_000]
        download(server.url("weights.pth"), tmp_path / "w", sha256=SHA256)
        assert (tmp_path / "w").read_bytes() == CONTENT
        assert [wanted for _, wanted in server.requests] == [None, "bytes=300000-", "bytes=500000-"]

    def test_without_progress_it_stops_and_the_next_call_goes_on(self, server, tmp_path):
        server.cuts = [400_000, 0]
        with pytest.raises(PrerequisiteError, match="interrupted after 400,000 of 1,000,000 bytes"):
            download(server.url("weights.pth"), tmp_path / "w", sha256=SHA256)
        assert part(tmp_path / "w").stat().st_size == 400_000
        assert not (tmp_path / "w").exists()
        server.requests.clear()
        download(server.url("weights.pth"), tmp_path / "w", sha256=SHA256)
        assert (tmp_path / "w").read_bytes() == CONTENT
        assert [wanted for _, wanted in server.requests] == ["bytes=400000-"]

    def test_ctrl_c_keeps_what_arrived(self, server, tmp_path):
        def stop(done: int, _: int | None) -> None:
            if done > 500_000:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            download(server.url("weights.pth"), tmp_path / "w", progress=stop)
        assert part(tmp_path / "w").stat().st_size > 500_000
        download(server.url("weights.pth"), tmp_path / "w", sha256=SHA256)
        assert only(tmp_path, "w")

    def test_a_server_without_ranges_starts_over(self, server, tmp_path):
        server.ranges, server.cuts = False, [300_000]
        download(server.url("weights.pth"), tmp_path / "w", sha256=SHA256)
        assert (tmp_path / "w").read_bytes() == CONTENT

    def test_a_file_that_changed_in_between_starts_over(self, server, tmp_path):
        server.cuts = [300_000, 0]
        with pytest.raises(PrerequisiteError):
            download(server.url("weights.pth"), tmp_path / "w")
        server.files["weights.pth"] = CONTENT[::-1]
        download(server.url("weights.pth"), tmp_path / "w")
        assert (tmp_path / "w").read_bytes() == CONTENT[::-1]

    def test_a_part_that_was_complete_is_taken(self, server, tmp_path):
        part(tmp_path / "w").write_bytes(CONTENT)
        download(server.url("weights.pth"), tmp_path / "w", sha256=SHA256)
        assert only(tmp_path, "w")

    def test_a_part_that_is_too_long_is_thrown_away(self, server, tmp_path):
        part(tmp_path / "w").write_bytes(CONTENT + b"more")
        download(server.url("weights.pth"), tmp_path / "w", sha256=SHA256)
        assert (tmp_path / "w").read_bytes() == CONTENT

    @pytest.mark.parametrize("wrong", [{"sha256": "0" * 64}, {"md5": "0" * 32}, {"size": 5}])
    def test_another_file_than_published_is_removed(self, server, tmp_path, wrong):
        with pytest.raises(PrerequisiteError, match="not the published one"):
            download(server.url("weights.pth"), tmp_path / "w", **wrong)
        assert only(tmp_path)

    def test_a_file_that_is_there_is_left_alone(self, server, tmp_path):
        (tmp_path / "w").write_bytes(CONTENT)
        download(server.url("weights.pth"), tmp_path / "w", sha256=SHA256)
        assert server.requests == []

    def test_a_wrong_file_that_is_there_is_replaced(self, server, tmp_path):
        (tmp_path / "w").write_bytes(b"stale")
        download(server.url("weights.pth"), tmp_path / "w", sha256=SHA256)
        assert (tmp_path / "w").read_bytes() == CONTENT

    def test_no_network_says_what_to_bring_and_where(self, tmp_path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}/w.pth"
        with pytest.raises(PrerequisiteError) as caught:
            download(url, tmp_path / "w.pth", size=343_279_349)
        for needed in (url, "343,279,349 bytes", str(tmp_path / "w.pth"), "by hand"):
            assert needed in str(caught.value)

    def test_an_unknown_file_is_an_error(self, server, tmp_path):
        with pytest.raises(PrerequisiteError, match=r"the server answers 404 .*size not published"):
            download(server.url("other"), tmp_path / "w")

    def test_other_addresses_are_refused(self, tmp_path):
        with pytest.raises(UsageError, match="http"):
            download((tmp_path / "x").as_uri(), tmp_path / "w")

    def test_a_folder_that_can_not_be_written_is_told(self, server, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(PrerequisiteError, match="choose another folder"):
            download(server.url("weights.pth"), tmp_path / "file" / "w")

    def test_a_confirmation_page_is_followed(self, server, tmp_path):
        server.forms["weights.pth"] = PAGE.format(action=server.url("weights.pth"))
        download(server.url("weights.pth?id=7"), tmp_path / "w", sha256=SHA256)
        assert server.requests[-1][0] == "/weights.pth?id=7&export=download&confirm=t&uuid=a-b"

    def test_a_page_without_a_form_is_an_error_and_no_file(self, server, tmp_path):
        server.forms["weights.pth"] = "<html><p>Quota exceeded</p></html>"
        with pytest.raises(PrerequisiteError, match="a web page instead of the file"):
            download(server.url("weights.pth"), tmp_path / "w")
        assert not (tmp_path / "w").exists()

    def test_a_page_that_leads_to_itself_ends(self, server, tmp_path):
        server.forms["weights.pth"] = '<form action=""><input name="id" value="7"></form>'
        with pytest.raises(PrerequisiteError, match="a web page instead of the file"):
            download(server.url("weights.pth"), tmp_path / "w")
        assert len(server.requests) == 2


PAGE = """<!DOCTYPE html><html><head><title>Virus scan warning</title></head><body><p>Too large to scan</p>
<form id="download-form" action="{action}" method="get"><input type="submit" value="Download anyway"/>
<input type="hidden" name="id" value="7"><input type="hidden" name="export" value="download">
<input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="a-b"></form></body></html>"""


def test_a_forms_address_may_be_relative():
    page = PAGE.format(action="/download")
    assert (
        confirmed_url(page, "https://a.org/uc?id=7") == "https://a.org/download?id=7&export=download&confirm=t&uuid=a-b"
    )
    assert confirmed_url("<p>no form</p>", "https://a.org") is None


class TestStatedSize:
    def test_the_headers_are_enough(self, server):
        assert stated_size(server.url("weights.pth")) == len(CONTENT)
        assert (server.heads, server.requests) == (["/weights.pth"], [])

    def test_a_server_that_answers_requests_for_files_alone(self, server):
        server.head = False
        assert stated_size(server.url("weights.pth")) == len(CONTENT)
        assert server.requests == [("/weights.pth", None)]

    def test_a_form_is_followed_once(self, server):
        server.forms["weights.pth"] = PAGE.format(action=server.url("weights.pth"))
        assert stated_size(server.url("weights.pth?id=7")) == len(CONTENT)
        server.forms["weights.pth"] = "<html><p>Quota exceeded</p></html>"
        assert stated_size(server.url("weights.pth")) is None

    def test_none_where_nobody_answers_or_says(self, server):
        assert stated_size(server.url("other")) is None
        assert stated_size("no address") is None
        assert stated_size("file:///etc/passwd") is None
        server.head, server.raw["weights.pth"] = False, [b"HTTP/1.0 200 OK\r\n\r\nfile"]
        assert stated_size(server.url("weights.pth")) is None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            assert stated_size(f"http://127.0.0.1:{free.getsockname()[1]}/w") is None
