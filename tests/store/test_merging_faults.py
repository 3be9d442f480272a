"""Merging what is damaged, busy, full or killed half way: nothing is lost, changed or half there."""

from __future__ import annotations

import os
import shutil
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from merging_folders import A, B, files_beside, measured, on, store_with, tree
from report_records import make_record

from harness.errors import PrerequisiteError, UsageError
from harness.files.arrays import read_arrays
from harness.store.claims import Claim
from harness.store.details import read_counts
from harness.store.maps import ANOMALY_MAP, ImageMaps, save_maps
from harness.store.merging import Merged, merge_folders
from harness.store.record import Record, decode_record
from harness.store.several import open_store
from harness.store.store import Store


def half_records(folder: Path) -> list[Path]:
    """Return the records whose counts are missing or of another run."""
    store = open_store([folder])
    return [store.path(record.cell) for record in store.all() if read_counts(store.home(record), record) is None]


def killed_after(steps: int, merge) -> bool:
    """Run a merge in a process that ends without notice after some renames; return whether it came to its end."""
    child = os.fork()
    if child == 0:
        left = iter(range(steps))

        def counted(method):
            def rename(path: Path, target: Path) -> Path:
                if next(left, None) is None:
                    os._exit(9)
                return method(path, target)

            return rename

        Path.rename, Path.replace = counted(Path.rename), counted(Path.replace)  # type: ignore[method-assign]
        merge()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_merge_that_is_killed_at_any_step_leaves_no_half_record_and_is_repeated(tmp_path: Path):
    a, b = tmp_path / "a", tmp_path / "b"
    measured(a, 2, seed=1)
    measured(b, 3, seed=2, method="btf")
    sources = {folder: tree(folder) for folder in (a, b)}
    whole = tmp_path / "whole"
    old = measured(whole, 1, seed=3)
    start = tmp_path / "start"
    shutil.copytree(whole, start)
    merge_folders([a, b], whole)
    outcome = {name: value for name, value in tree(whole).items() if not name.startswith("aside")}
    ends = 0
    for steps in count():
        to = tmp_path / f"killed-{steps}"
        shutil.copytree(start, to)
        ends = killed_after(steps, lambda to=to: merge_folders([a, b], to))
        assert half_records(to) == []
        kept = [path for path in to.rglob(f"{old.cell.stem}.json") if decode_record(path.read_bytes()) == old]
        assert len(kept) == 1, "the old record is in its place or aside"
        merged = merge_folders([a, b], to)
        assert merged.warnings == ()
        assert {name: value for name, value in tree(to).items() if not name.startswith("aside")} == outcome
        if ends:
            break
    assert steps > 10
    assert {folder: tree(folder) for folder in sources} == sources


def test_a_cell_that_is_being_measured_is_left_as_it_is(tmp_path: Path):
    a, b, to = (tmp_path / name for name in "abc")
    old, new, other = measured(to, 1, seed=1), measured(a, 2, seed=2), measured(b, 2, method="btf")
    with Claim(to, old.cell) as claim:
        assert claim.take()
        merged = merge_folders([a, b], to)
    assert ([file.path for file in merged.busy], merged.copied) == ([Store(to).path(old.cell)], 1)
    assert str(Store(to).path(old.cell)) in merged.warnings[0]
    assert Store(to).read(old.cell) == old
    with Claim(a, new.cell) as claim:
        assert claim.take()
        merged = merge_folders([a, b], to)
    assert ([file.path for file in merged.busy], merged.present) == ([Store(a).path(new.cell)], 1)
    assert (Store(to).read(old.cell), Store(to).read(other.cell)) == (old, other)
    assert merge_folders([a, b], to).copied == 1
    assert Store(to).read(old.cell) == new


def damage_record(folder: Path, record: Record) -> Path:
    path = Store(folder).path(record.cell)
    path.write_bytes(path.read_bytes()[:-20])
    return path


def name_another_cell(folder: Path, record: Record) -> Path:
    return Store(folder).path(record.cell).rename(Store(folder).cells / "other.json")


def damage_counts(folder: Path, record: Record) -> Path:
    path = Store(folder).counts_path(record.cell)
    path.write_bytes(path.read_bytes()[:-50])
    return path


def swap_maps(folder: Path, record: Record) -> Path:
    path, other = Store(folder).maps_path(record.cell), make_record("ast").cell
    save_maps(path, other, [ImageMaps("test/000", 0.5, {ANOMALY_MAP: np.ones((8, 8))})])
    return path


def pipe_as_counts(folder: Path, record: Record) -> Path:
    path = Store(folder).counts_path(record.cell)
    path.unlink()
    os.mkfifo(path)
    return path


def link_as_log(folder: Path, record: Record) -> Path:
    path, secret = Store(folder).log_path(record.cell), folder.parent / "secret"
    secret.write_text("secret")
    path.unlink()
    path.symlink_to(secret)
    return path


def text_as_fitted(folder: Path, record: Record) -> Path:
    path = Store(folder).fitted_path(record.cell)
    path.parent.mkdir()
    path.write_text("../../etc/passwd")
    return path


FAULTS = [damage_record, name_another_cell, damage_counts, swap_maps, pipe_as_counts, link_as_log, text_as_fitted]


@pytest.mark.parametrize("damage", FAULTS)
def test_a_file_that_can_not_be_used_is_named_and_the_rest_is_merged(tmp_path: Path, damage):
    a, b, to = (tmp_path / name for name in "abc")
    record, other = measured(a), measured(b, method="btf")
    path = damage(a, record)
    merged = merge_folders([a, b], to)
    assert [file.path for file in merged.left_out] == [path]
    (sentence,) = merged.warnings
    assert (str(path) in sentence, "\n" in sentence) == (True, False)
    records = Store(to).all()
    assert (other in records, record in records) == (True, damage not in FAULTS[:2])
    assert not any(b"secret" in file.read_bytes() for file in to.rglob("*") if file.is_file())
    relative = path.relative_to(a)
    assert not (to / relative).exists()


def test_a_file_in_the_place_of_a_record_that_is_none_is_moved_aside(tmp_path: Path):
    a, to = tmp_path / "a", tmp_path / "c"
    record = measured(a)
    path = Store(to).path(record.cell)
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "nowhere")
    Store(to).counts_path(record.cell).mkdir(parents=True)
    merged = merge_folders([a], to)
    assert (merged.copied, merged.warnings, Store(to).all()) == (1, (), [record])
    (aside,) = (to / "aside").iterdir()
    assert Store(aside).path(record.cell).is_symlink()
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_must_not_change_is_not_written_to(tmp_path: Path):
    a, b = store_with(tmp_path / "a", on(A)), store_with(tmp_path / "b", on(B))
    linked, through = tmp_path / "linked", tmp_path / "through"
    linked.mkdir()
    (linked / "cells").symlink_to(a / "cells")
    through.mkdir()
    (through / "machines").symlink_to(a)
    before = tree(a), tree(b)
    for to in (a / "inner", a / "machines" / "x", linked, through):
        with pytest.raises(UsageError, match="which a merge does not change"):
            merge_folders([a, b], to)
    for folders, to in (([a], a), ([a, a / "..", a / "cells" / ".."][::2], a)):
        with pytest.raises(UsageError, match="nothing to merge"):
            merge_folders(folders, to)
    with pytest.raises(UsageError, match="no results folder"):
        merge_folders([a, tmp_path / "nowhere"], tmp_path / "c")
    assert (tree(a), tree(b)) == before
    assert not (tmp_path / "c").exists()


def test_a_folder_that_is_named_twice_counts_once(tmp_path: Path):
    a = store_with(tmp_path / "a", on(A))
    (tmp_path / "link").symlink_to(a)
    merged = merge_folders([a, tmp_path / "link", a], tmp_path / "c")
    assert merged == Merged(tmp_path / "c", copied=1)
    assert not Merged(tmp_path / "c", copied=1).is_empty


def test_a_full_disk_is_one_sentence_and_the_merge_goes_on_when_there_is_room(tmp_path: Path, monkeypatch):
    a, to = tmp_path / "a", tmp_path / "c"
    record = measured(a)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(PrerequisiteError, match="No space left on device") as error:
            merge_folders([a], to)
    assert "\n" not in str(error.value)
    assert Store(to).all() == []
    assert merge_folders([a], to).copied == 1
    assert files_beside(to, record) == files_beside(a, record)
    assert "version" in read_arrays(Store(to).counts_path(record.cell))
