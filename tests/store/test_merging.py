"""Merged folders: which record counts, what lies beside it, and that nothing is lost, changed or half there."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from hashlib import sha256
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from count_records import counted_record
from hypothesis import given, settings
from hypothesis import strategies as st
from report_records import make_record

from harness.errors import PrerequisiteError, UsageError
from harness.files.arrays import read_arrays
from harness.report.tables import TableRequest, measured_grids
from harness.store.claims import Claim
from harness.store.details import read_counts
from harness.store.environment import Environment
from harness.store.fitted import read_cell, save_fitted
from harness.store.maps import ANOMALY_MAP, ImageMaps, kept_maps, save_maps
from harness.store.merging import Merged, merge_folders
from harness.store.record import Record, decode_record
from harness.store.several import open_store
from harness.store.store import Store

A = Environment(cpu="CPU A", cores=2, threads=2, device="cpu", device_name="CPU A")
B = replace(A, cpu="CPU B", device_name="CPU B")
FEWER = replace(A, threads=1)
UNKNOWN = Environment()
HISTORIC = Path(__file__).parents[1] / "historic"


def day(number: int) -> str:
    return f"2026-01-{number:02d}T00:00:00+00:00"


def on(environment: Environment, number: int = 1, method: str = "cfm", **changes) -> Record:
    record = make_record(method, changes.pop("category", "bagel"), **{"created": day(number), **changes})
    return replace(record, environment=environment)


def tree(folder: Path) -> dict[str, str]:
    """Return every file of a folder with a digest of its content, but for the locks' empty folders."""
    files = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


def store_with(folder: Path, *records: Record) -> Path:
    for record in records:
        Store(folder).write(record)
    return folder


def measured(folder: Path, number: int = 1, seed: int = 0, method: str = "cfm", **changes) -> Record:
    """Write a record with counts, maps and log, as a run leaves them."""
    store = Store(folder)
    record = counted_record(store, method, seed=seed, created=day(number), **changes)
    record = replace(record, environment=A)
    store.write(record)
    save_maps(
        store.maps_path(record.cell),
        record.cell,
        [ImageMaps("test/hole/000", 0.5, {ANOMALY_MAP: np.full((8, 8), float(seed))})],
    )
    store.log_path(record.cell).parent.mkdir(exist_ok=True)
    store.log_path(record.cell).write_text(f"log {seed}\n")
    return record


def files_beside(folder: Path, record: Record) -> list[bytes]:
    store = Store(folder)
    paths = (store.counts_path, store.maps_path, store.log_path)
    return [path(record.cell).read_bytes() for path in paths]


def test_a_record_comes_with_all_that_belongs_to_it(tmp_path: Path):
    a, b, to = (tmp_path / name for name in "abc")
    first, second = measured(a), measured(b, method="btf")
    merged = merge_folders([a, b], to)
    assert (merged.copied, merged.conflicts, merged.warnings) == (2, [], ())
    assert sorted(Store(to).all(), key=lambda record: record.cell.method) == [second, first]
    for folder, record in ((a, first), (b, second)):
        assert files_beside(to, record) == files_beside(folder, record)
        assert read_counts(Store(to), record) is not None
        assert kept_maps(Store(to), record) is not None


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_the_newest_ok_record_counts_and_the_other_is_listed_with_what_differs(tmp_path: Path, order: str):
    a, b, to = (tmp_path / name for name in "abc")
    older, newer = measured(a, 1, seed=1), measured(b, 2, seed=2)
    merged = merge_folders([tmp_path / name for name in order], to)
    (conflict,) = merged.conflicts
    assert (conflict.won, conflict.lost) == (Store(b).path(newer.cell), Store(a).path(older.cell))
    assert conflict.moved_to is None
    assert f"created {newer.created} and {older.created}" in conflict.differs
    assert any(clause.startswith("p_auroc ") for clause in conflict.differs)
    assert Store(to).all() == [newer]
    assert files_beside(to, newer) == files_beside(b, newer)


def test_a_failed_record_never_takes_the_place_of_an_ok_one_and_is_kept_as_the_attempt_after_it(tmp_path: Path):
    ok, failed = on(A, 1), on(A, 2, status="oom", reason="full")
    a, b, to = store_with(tmp_path / "a", ok), store_with(tmp_path / "b", failed), tmp_path / "c"
    assert merge_folders([b, a], to).conflicts == []
    assert (Store(to).all(), Store(to).all_failed()) == ([ok], [failed])
    later = on(A, 3)
    merged = merge_folders([store_with(tmp_path / "d", later)], to)
    assert (Store(to).all(), Store(to).all_failed()) == ([later], [])
    assert {conflict.moved_to is not None for conflict in merged.conflicts} == {True}
    assert all("status ok and oom" in c.differs for c in merged.conflicts if "failed" in c.lost.parts)
    (aside,) = (to / "aside").iterdir()
    assert (Store(aside).all(), Store(aside).all_failed()) == ([ok], [failed])


def test_what_gives_way_in_the_folder_lies_in_a_folder_that_can_be_read(tmp_path: Path):
    to, newer = tmp_path / "c", tmp_path / "new"
    old, new = measured(to, 1, seed=1), measured(newer, 2, seed=2)
    before = files_beside(to, old)
    (conflict,) = merge_folders([newer, to], to).conflicts
    assert Store(to).all() == [new]
    assert files_beside(to, new) == files_beside(newer, new)
    (aside,) = (to / "aside").iterdir()
    assert (conflict.lost, conflict.moved_to) == (Store(to).path(old.cell), Store(aside).path(old.cell))
    assert Store(aside).all() == [old]
    assert files_beside(aside, old) == before


def test_maps_of_an_earlier_run_do_not_stay_beside_the_numbers_of_a_later_one(tmp_path: Path):
    to = tmp_path / "c"
    old = measured(to, 1, seed=1)
    merge_folders([store_with(tmp_path / "new", on(A, 2))], to)
    assert kept_maps(Store(to), old) is None
    (aside,) = (to / "aside").iterdir()
    assert kept_maps(Store(aside), old) is not None


def test_what_a_record_lacks_comes_from_another_folder_with_the_same_record(tmp_path: Path):
    a, b, to = (tmp_path / name for name in "abc")
    record = measured(a)
    shutil.copytree(a, b)
    shutil.rmtree(a / "maps")
    shutil.rmtree(b / "counts")
    assert merge_folders([a], to).copied == 1
    merged = merge_folders([a, b], to)
    assert (merged.copied, merged.completed, merged.conflicts) == (0, 1, [])
    assert read_counts(Store(to), record) is not None
    assert kept_maps(Store(to), record) is not None
    assert merge_folders([a, b], to).present == 1


def test_two_folders_that_differ_in_hardware_alone_have_two_rows_and_no_mean_over_both(tmp_path: Path):
    cells = [("cfm", category) for category in ("bagel", "foam")]
    for name, environment, ms in (("a", A, 40.0), ("b", B, 10.0)):
        records = (make_record(*cell, latency={"device": {"median_ms": ms}}) for cell in cells)
        store_with(tmp_path / name, *(replace(record, environment=environment) for record in records))
    merged = merge_folders([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    assert (merged.copied, merged.conflicts, len(merged.side_by_side)) == (4, [], 2)
    for folders in ([tmp_path / "c"], [tmp_path / "a", tmp_path / "b"]):
        store = open_store(folders)
        request = TableRequest(tables=("timing",))
        grids = measured_grids(store.all(), None, request, None, store.elsewhere)
        means = {grid.keys["machine"]: [row.values[0].number for row in grid.rows] for grid in grids}
        assert means == {"CPU A, 2 cores, 2 threads": [40.0], "CPU B, 2 cores, 2 threads": [10.0]}


def test_accuracy_is_of_one_machine_where_one_has_all_cells(tmp_path: Path):
    a, b = tmp_path / "a", tmp_path / "b"
    store_with(a, on(A, 1), on(A, 5, category="foam", shift=0.002), on(A, 1, category="rope"))
    store_with(b, on(B, 3), on(B, 2, category="foam", shift=0.005))
    merge_folders([a, b], tmp_path / "c")
    for folders in ([tmp_path / "c"], [a, b], [b, a]):
        store = open_store(folders)
        assert {record.environment.cpu for record in store.all()} == {"CPU A"}
        assert {record.environment.cpu for record in store.elsewhere} == {"CPU B"}
        wanted = open_store(folders, "cpu b")
        assert [record.environment.cpu for record in wanted.all()] == ["CPU B", "CPU B", "CPU A"]


def test_threads_and_unknown_hardware_have_places_of_their_own(tmp_path: Path):
    environments = (A, FEWER, B, UNKNOWN, replace(A, threads=None))
    folders = [store_with(tmp_path / str(n), on(one, n + 1)) for n, one in enumerate(environments)]
    to = tmp_path / "to"
    assert merge_folders(folders, to).copied == len(environments)
    store = open_store([to])
    records = [*store.all(), *store.elsewhere]
    assert {record.environment.hardware for record in records} == {one.hardware for one in environments}
    assert len(store.folders_read) == len(environments)
    assert merge_folders(folders[::-1], to).present == len(environments)


def test_a_record_of_an_earlier_schema_is_copied_as_it_is(tmp_path: Path):
    content = next(HISTORIC.rglob("*.json")).read_bytes()
    record = decode_record(content)
    path = Store(tmp_path / "a").path(record.cell)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert merge_folders([tmp_path / "a"], tmp_path / "c").copied == 1
    assert Store(tmp_path / "c").path(record.cell).read_bytes() == content


class Fitted:
    """A method whose state is one number."""

    def __init__(self, value: float) -> None:
        self.value = value

    def state(self) -> dict[str, np.ndarray]:
        return {"value": np.array([self.value])}

    def restore(self, state, *, seed, device) -> None:
        self.value = float(state["value"][0])


def test_a_fitted_method_is_the_cells_and_comes_from_the_record_that_counts_where_that_has_one(tmp_path: Path):
    a, b = tmp_path / "a", tmp_path / "b"
    older, newer = measured(a, 1, seed=1), measured(b, 2, seed=2)
    path, cell = Store(a).fitted_path(older.cell), older.cell
    save_fitted(path, Fitted(1.0), cell)
    merge_folders([b, a], tmp_path / "c")
    assert Store(tmp_path / "c").all() == [newer]
    assert Store(tmp_path / "c").fitted_path(cell).read_bytes() == path.read_bytes()
    save_fitted(Store(b).fitted_path(cell), Fitted(2.0), cell)
    merge_folders([a, b], tmp_path / "d")
    assert read_cell(Store(tmp_path / "d").fitted_path(cell)) == cell
    assert Store(tmp_path / "d").fitted_path(cell).read_bytes() == Store(b).fitted_path(cell).read_bytes()
    merge_folders([b], a)
    assert Store(a).fitted_path(cell).read_bytes() == Store(b).fitted_path(cell).read_bytes()
    (aside,) = (a / "aside").iterdir()
    assert Store(aside).fitted_path(cell).exists()
    save_fitted(Store(b).fitted_path(cell), Fitted(2.0), make_record("ast").cell)
    assert [file.why for file in merge_folders([b], tmp_path / "e").left_out] == [
        "it holds a method that was fitted for another cell"
    ]


RECORDS = st.builds(
    lambda environment, number, method, category, status: on(
        environment, number, method, category=category, **({"status": status} if status != "ok" else {})
    ),
    st.sampled_from([A, B, FEWER, UNKNOWN]),
    st.integers(1, 9),
    st.sampled_from(["cfm", "btf"]),
    st.sampled_from(["bagel", "foam"]),
    st.sampled_from(["ok", "ok", "ok", "oom"]),
)
FOLDERS = st.lists(st.lists(RECORDS, max_size=5), min_size=2, max_size=4)
NUMBERS = count()


def write_folders(root: Path, contents: list[list[Record]]) -> list[Path]:
    """Write results folders in which no two records are equal, so that a mix-up shows."""
    folders = [root / str(index) for index in range(len(contents))]
    for folder, records in zip(folders, contents, strict=True):
        (folder / "cells").mkdir(parents=True)
        store_with(folder, *(replace(record, notes=(str(next(NUMBERS)),)) for record in records))
    return folders


def records_below(folder: Path) -> dict[str, Record]:
    """Return every record below a folder by its path there."""
    return {str(path.relative_to(folder)): decode_record(path.read_bytes()) for path in folder.rglob("*.json")}


def ok_records(folders: list[Path]) -> list[tuple[str, str, str]]:
    """Return cell, hardware and time of every ok record that is read from folders, on whatever machine."""
    store = open_store(folders)
    records = [record for record in (*store.all(), *store.elsewhere) if record.status == "ok"]
    return sorted((record.cell.id, record.environment.hardware, record.created) for record in records)


@settings(max_examples=60)
@given(FOLDERS)
def test_a_merged_folder_is_read_like_the_folders_that_it_is_of(tmp_path_factory, contents):
    root = tmp_path_factory.mktemp("merged")
    folders, to = write_folders(root, contents), root / "to"
    before = [tree(folder) for folder in folders]
    merged = merge_folders(folders, to)
    assert [tree(folder) for folder in folders] == before
    assert merged.warnings == ()
    assert ok_records([to]) == ok_records(folders)
    chosen = [
        [(record.cell.id, record.status, record.created) for record in open_store(read).all()]
        for read in ([to], folders)
    ]
    assert chosen[0] == chosen[1]
    read = [*records_below(to).values()]
    lost = {conflict.lost for conflict in merged.conflicts}
    for folder in folders:
        for path, record in records_below(folder).items():
            assert (record in read) != (folder / path in lost), "it is there, or it is listed"
    after = tree(to)
    again = merge_folders(folders, to)
    assert (again.copied, again.completed, again.conflicts, tree(to)) == (0, 0, merged.conflicts, after)


def test_a_merge_that_is_repeated_lists_the_same_conflicts(tmp_path):
    failed = on(FEWER, 3, status="oom")
    contents = [[on(B, 4)], [on(B, 2), failed], [on(A, 3)], [on(FEWER, 3)]]
    folders = write_folders(tmp_path, contents)
    first = merge_folders(folders, tmp_path / "to").conflicts
    assert {conflict.lost.parent.name for conflict in first} == {"cells", "failed"}
    assert merge_folders(folders, tmp_path / "to").conflicts == first


@settings(max_examples=60)
@given(FOLDERS)
def test_folders_merged_one_after_the_other_give_the_same_and_lose_nothing(tmp_path_factory, contents):
    root = tmp_path_factory.mktemp("merged")
    folders, to = write_folders(root, contents), root / "to"
    shutil.copytree(folders[0], to)
    present = [*records_below(to).values()]
    for folder in folders[1:]:
        merge_folders([folder], to)
        now = [*records_below(to).values()]
        assert all(record in now for record in present)
        present = now
    assert ok_records([to]) == ok_records(folders)


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
