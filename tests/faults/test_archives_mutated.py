"""Archives with faults: nothing but a documented error, nothing outside the folder, nothing without end."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import resource
import tarfile
import zipfile
from collections import namedtuple
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import mutated_bytes

from harness.data import download
from harness.data import unpack as unpacking
from harness.data.unpack import unpack
from harness.errors import DataError, PrerequisiteError

CONTENT = {"bagel/train/good/rgb/000.png": bytes(range(256)) * 20, "bagel/empty.txt": b"", "ü/näme.txt": b"text\n" * 99}
KINDS = ("w", "w:gz", "w:bz2", "w:xz", "zip")


def tar_bytes(kind: str, entries: dict[str, bytes], *, pax: dict[str, dict[str, str]] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=kind, format=tarfile.PAX_FORMAT) as tar:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = len(content), (pax or {}).get(name, {})
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def packed(kind: str, entries: dict[str, bytes]) -> bytes:
    if kind != "zip":
        return tar_bytes(kind, entries)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return out.getvalue()


WHOLE = {kind: packed(kind, CONTENT) for kind in KINDS}


def refused(tmp_path: Path, content: bytes, match: str, error: type[Exception] = DataError) -> None:
    archive = tmp_path / "a"
    archive.write_bytes(content)
    with pytest.raises(error, match=match) as caught:
        unpack(archive, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return an archive with faults: most of what it says of itself stands at block starts and at its end."""
    kind = draw(st.sampled_from(KINDS))
    blocks = st.integers(0, len(WHOLE[kind]) // 512).map(lambda n: n * 512)
    return kind, draw(mutated_bytes(WHOLE[kind], places=blocks, spans=(0, 1, 2, 4, 16, 512, 2000), most=5))


@settings(max_examples=600, derandomize=True)
@given(mutated=mutations())
def test_a_mutated_archive_is_whole_or_refused(mutated):
    kind, content = mutated
    with TemporaryDirectory() as name:
        outside = Path(name)
        archive, out = outside / "archive", outside / "inside" / "out"
        archive.write_bytes(content)
        try:
            unpack(archive, out)
        except (DataError, PrerequisiteError):
            assert not list((outside / "inside").iterdir())
        else:
            found = files_of(out)
            if kind not in ("w", "zip"):  # these carry a checksum of everything
                assert found == CONTENT
            assert sum(map(len, found.values())) <= 100 * len(content) + 64 * 10**6
        assert sorted(path.name for path in outside.iterdir()) == ["archive", "inside"]


@pytest.mark.parametrize("kind", ["w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("place", [1, 5, 8])
def test_a_damaged_trailer_is_seen(tmp_path, kind, place):
    """A tar ends before its compressed stream does, so that nobody needs to read the checksum there."""
    content = bytearray(WHOLE[kind])
    content[-place] ^= 0x40
    refused(tmp_path, bytes(content), "truncated or no archive")


@pytest.mark.parametrize("kind", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("what", ["end", "header"])
def test_a_tar_that_loses_its_last_entries_is_seen(tmp_path, kind, what):
    """To a reader of tar files, where a header is damaged or missing is their end."""
    content = bytearray(WHOLE["w"])
    start = content.rindex(b"ustar") - 257
    if what == "end":
        del content[start:]
    else:
        content[start : start + 20] = b"x" * 20
    compress = {"w": bytes, "w:gz": gzip.compress, "w:bz2": bz2.compress, "w:xz": lzma.compress}[kind]
    refused(tmp_path, compress(bytes(content)), "truncated or no archive")


@pytest.mark.parametrize("kind", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_sparse_file_is_refused(tmp_path, kind):
    sparse = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(3 * 10**9)}
    entries = {"bagel/huge": b"1\n0\n0\n".ljust(512, b"\0")}
    refused(tmp_path, tar_bytes(kind, entries, pax={"bagel/huge": sparse}), "sparse")


@pytest.mark.parametrize("kind", ["w:gz", "w:bz2", "w:xz", "zip"])
def test_an_archive_that_grows_without_measure_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(unpacking, "_MOST_ANYWAY", 10**6)
    refused(tmp_path, packed(kind, {"bagel/zeros": bytes(20 * 10**6)}), "become more than")


def test_entries_without_number_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "_MOST_ANYWAY", 10**6)
    refused(tmp_path, packed("w:xz", {f"bagel/{index}": b"" for index in range(1000)}), "become more than")


@pytest.mark.parametrize("kind", KINDS)
def test_what_images_and_clouds_need_is_let_through(tmp_path, kind):
    (tmp_path / "a").write_bytes(packed(kind, {"bagel/half": os.urandom(10**6) + bytes(3 * 10**7)}))
    unpack(tmp_path / "a", tmp_path / "out")
    assert (tmp_path / "out" / "bagel" / "half").stat().st_size == 31 * 10**6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "why"),
    [("b/" + "n" * 300, "255 bytes"), ("ü" * 200, "255 bytes"), ("b/a\x1b[2Jb", "control"), ("/".join("d" * 2000), "")],
)
def test_a_name_that_no_file_system_takes_is_refused(tmp_path, kind, name, why):
    refused(tmp_path, packed(kind, {name: b"x"}), why, (DataError, PrerequisiteError))


@pytest.mark.parametrize("header", ["size", "mtime", "path", "linkpath", "uid", "atime"])
@pytest.mark.parametrize("value", ["-1", "1e400", "nan", "9" * 400, "x", "", "1_0", "0x10"])
def test_a_number_in_a_header_that_is_none(tmp_path, header, value):
    archive = tmp_path / "a"
    archive.write_bytes(tar_bytes("w", {"bagel/a": b"x"}, pax={"bagel/a": {header: value}}))
    try:
        unpack(archive, tmp_path / "out")
    except (DataError, PrerequisiteError):
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("method", [1, 6, 9, 97, 99, 65535])
def test_a_method_of_compression_that_python_lacks(tmp_path, method):
    content = bytearray(packed("zip", {"bagel/a": b"x" * 99}))
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = content.index(signature) + offset
        content[at : at + 2] = method.to_bytes(2, "little")
    refused(tmp_path, bytes(content), "can't be unpacked")


def test_a_full_disk_before_and_while_unpacking(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patched:
        patched.setattr(download.shutil, "disk_usage", lambda _: usage(10**9, 10**9, 9))
        refused(tmp_path, WHOLE["w:xz"], "make room", PrerequisiteError)
        patched.setattr(download.shutil, "disk_usage", lambda _: usage(10**9, 10**9, len(WHOLE["w:xz"])))
        refused(tmp_path, WHOLE["w:xz"], "make room", PrerequisiteError)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))  # as a quota: writing beyond it fails
    try:
        archive = tmp_path / "a"
        with pytest.raises(PrerequisiteError, match="make room"):
            unpack(archive, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
