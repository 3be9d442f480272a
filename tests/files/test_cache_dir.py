"""Small files that cost only time where they can't be used."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

from harness.files.cache_dir import read_cached, write_cached


def test_what_is_written_is_read_and_reading_is_its_last_use(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    write_cached(path, b"[1]")
    os.utime(path, (0, 0))
    assert read_cached(path, json.loads) == [1]
    assert path.stat().st_mtime > 0
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_file_is_nothing_and_a_damaged_one_is_named(tmp_path: Path, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        assert read_cached(tmp_path / "a.json", json.loads) is None
        assert not caplog.records
        write_cached(tmp_path / "a.json", b"{")
        assert read_cached(tmp_path / "a.json", json.loads) is None
    assert str(tmp_path / "a.json") in caplog.text


def test_a_folder_that_cannot_be_written_is_named_once(tmp_path: Path, caplog) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        for name in "ab":
            write_cached(tmp_path / "file" / "clean" / name, b"")
            assert read_cached(tmp_path / "file" / "clean" / name, bytes) is None
    assert len(caplog.records) == 1
    assert str(tmp_path / "file" / "clean") in caplog.text


def test_a_failed_write_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    write_cached(tmp_path / "a", b"content")
    assert list(tmp_path.iterdir()) == []
