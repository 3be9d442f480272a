"""Hashes of files are remembered as long as the files stay as they are."""

from __future__ import annotations

import os
import time
from hashlib import sha256
from pathlib import Path

import pytest

from harness.files import hashes
from harness.files.hashes import FileHashes


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """The files that were read, in order."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hashes, "_SETTLED_NS", 0)
    paths: list[Path] = []
    original = hashes.file_sha256
    monkeypatch.setattr(hashes, "file_sha256", lambda path: (paths.append(path), original(path))[1])
    return paths


def test_a_file_is_read_once_and_again_after_any_change(tmp_path: Path, read: list[Path]) -> None:
    path = tmp_path / "data" / "a.bin"
    path.parent.mkdir()
    path.write_bytes(b"old!")
    status = path.stat()
    for _ in range(2):
        assert FileHashes(path.parent).of([path]) == {path: sha256(b"old!").hexdigest()}
    assert read == [path]
    path.write_bytes(b"new!")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert FileHashes(path.parent).of([path]) == {path: sha256(b"new!").hexdigest()}
    assert read == [path, path]


def test_a_file_written_just_now_is_not_remembered(
    tmp_path: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "_SETTLED_NS", int(60e9))
    path = tmp_path / "a.bin"
    path.write_bytes(b"x")
    for _ in range(2):
        FileHashes(tmp_path).of([path])
    assert read == [path, path]
    assert time.time_ns() - path.stat().st_mtime_ns < int(60e9)


def test_a_damaged_entry_is_made_again(tmp_path: Path, read: list[Path]) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"x")
    FileHashes(tmp_path).of([path])
    (entry,) = (tmp_path / "cache" / "sha256").iterdir()
    for content in (b"[1]", b'{"a": 1}', b"{", b"\xff"):
        entry.write_bytes(content)
        assert FileHashes(tmp_path).of([path]) == {path: sha256(b"x").hexdigest()}
