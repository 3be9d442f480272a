"""Records on disk: what comes back, what is refused, and files of schema 1."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from count_records import RAW_TIMES, counted_record
from hypothesis import given
from hypothesis import strategies as st
from report_records import full_record, make_cell, make_record

from harness.store.details import counts_digest, read_counts, read_details
from harness.store.record import ImageScore, Record, TestImages
from harness.store.store import Store

RECORD = full_record(1)

TRICKY = st.text(max_size=8) | st.sampled_from(["\n", "]", '\\"', '"', "\\", "\u2028", '{"schema": 3}'])


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path)


def test_everything_comes_back_and_is_written_again_byte_by_byte(store):
    path = store.write(RECORD)
    before = path.read_bytes()
    assert store.all() == [RECORD]
    assert store.read(RECORD.cell) == RECORD
    store.write(store.all()[0])
    assert path.read_bytes() == before
    assert json.loads(before) == json.loads(json.dumps(RECORD.to_json()))


def test_a_file_can_be_read_by_a_person(store):
    lines = store.write(RECORD).read_text(encoding="utf-8").splitlines()
    assert lines[:3] == ["{", ' "schema": 2,', f' "id": "{RECORD.cell.id}",']
    assert f'  "i_auroc": {RECORD.metrics["i_auroc"]},' in lines
    assert f'   "median_ms": {RECORD.latency.device.median_ms},' in lines
    assert len(lines) < 500


@pytest.mark.parametrize("layout", [{"indent": 2}, {}, {"separators": (",", ":")}, {"sort_keys": True}])
def test_other_layouts_hold_the_same_record(store, layout):
    store.write(RECORD).write_text(json.dumps(RECORD.to_json(), **layout), encoding="utf-8")
    assert store.all() == [RECORD]


@given(TRICKY, TRICKY, st.lists(TRICKY, max_size=2), st.floats(0, 1))
def test_any_text_and_number_comes_back(tmp_path_factory, reason, name, notes, number):
    parameters = {"whole": 1, "exact": 1.0, "flag": True, "text": "1", name: number}
    record = replace(
        make_record(parameters=parameters, environment={"device": name, "packages": {name: reason}}),
        reason=reason,
        notes=tuple(notes),
        metrics={"i_auroc": number, "p_auroc": None},
        undefined={name: reason},
    )
    store = Store(tmp_path_factory.mktemp("store"))
    store.write(record)
    (again,) = store.all()
    assert again == record
    assert {key: type(value) for key, value in again.cell.parameters.items()} == {
        key: type(value) for key, value in parameters.items()
    }


def changed(*place: str, value: Any) -> str:
    """Return the file of a record with one value replaced."""
    plain = RECORD.to_json()
    part = plain
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    return json.dumps(plain)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "truncated"),
        ("[1]", "array"),
        ("{}", "schema"),
        ("\x00", "malformed"),
        ('{"schema": 2, "id": "0"}', "cell"),
        (changed("schema", value=99), "schema is 99"),
        (changed("id", value="0123456789abcdef"), "0123456789abcdef"),
        (changed("cell", "shots", value=5), RECORD.cell.id),
        (changed("cell", "protocol", "eval_size", value="large"), r"protocol\.eval_size"),
        (changed("latency", "device", "median_ms", value="40"), r"latency\.device\.median_ms"),
        (changed("environment", "packages", "torch", value=2), r"environment\.packages"),
        (changed("status", value="fine"), r"\$\.status"),
        (changed("metrics", "i_auroc", value=7.0), r"<= 1\.0 - at `\$\.metrics"),
        (changed("metrics", "i_auroc", value=-0.1), r">= 0\.0 - at `\$\.metrics"),
        (changed("metrics", "i_auroc", value=float("nan")), "malformed"),
        (changed("by_defect", "bent", value={"i_auroc": 1.5}), r"by_defect"),
        (changed("latency", "device", "median_ms", value=-1), r"latency\.device\.median_ms"),
        (changed("latency", "device", "median_ms", value=float("inf")), "malformed"),
        (changed("latency", "device", "calls", value=10**40), r"latency\.device\.calls"),
        (changed("memory", "static", "mb", value=-3), r"memory\.static\.mb"),
        (changed("samples", "train", value=-1), r"samples\.train"),
        (changed("created", value="soon"), "isoformat"),
        (changed("test_images", "defects", value={"a/b": 3}), "name of its defect"),
        (changed("cell", "new", value=1), "'new'"),
        (changed("cell", "protocol", "new", value=1), "'new'"),
        (changed("cell", "protocol", "latency", value={"new": 1}), "'new'"),
        ('{"schema": 2, "id": "0", "cell": ' + "[" * 100_000, "malformed|truncated|depth"),
        (json.dumps(RECORD.to_json())[:-1] + ', "deep": ' + "[" * 100_000 + "]" * 100_000 + "}", "depth"),
    ],
)
def test_what_is_no_record_is_left_out_with_its_reason(store, text, reason):
    path, other = store.write(RECORD), make_record("cfm-t")
    store.write(other)
    path.write_text(text, encoding="utf-8")
    assert (store.all(), store.read(RECORD.cell)) == ([other], None)
    (left_out,) = store.left_out
    assert left_out.path == path
    assert re.search(reason, left_out.why)
    store.write(RECORD)
    assert len(store.all()) == 2
    assert store.left_out == ()
    (kept,) = (store.folder / "aside").iterdir()
    assert kept.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": "../../escaped"},
        {"dataset": "/tmp/escaped"},
        {"dataset": ".."},
        {"category": "a\\b"},
        {"category": "a\x1b[31mb"},
        {"category": ""},
        {"split": "a\nb"},
        {"given": {"size": "\x1b]0;title\x07"}},
        {"shots": 0},
    ],
)
def test_a_name_that_could_lead_elsewhere_is_no_records(store, changes):
    cell = make_cell(**changes)
    record = replace(make_record(), cell=cell)
    with pytest.raises(ValueError):
        store.write(record)
    store.cells.mkdir(exist_ok=True)
    (store.cells / f"{cell.stem}.json").write_text(json.dumps(record.to_json()), encoding="utf-8")
    assert store.all() == []
    assert len(store.left_out) == 1


def test_a_long_name_of_a_category_has_a_file_name_that_file_systems_take(store):
    record = make_record(category="c" * 250)
    assert len(store.write(record).name) < 240
    assert store.all() == [record]


def test_names_that_begin_with_a_dot_are_passed_over_and_copies_are_told(store):
    path = store.write(RECORD)
    (path.parent / f"._{path.name}").write_bytes(b"\0\5\26\7")
    for name in (f"{path.name}.conflict.json", f"copy of {path.name}"):
        (path.parent / name).write_bytes(path.read_bytes())
    assert store.all() == [RECORD]
    assert sorted(one.path.name for one in store.left_out) == sorted(
        [f"{path.name}.conflict.json", f"copy of {path.name}"]
    )
    assert all("its name is not that of its cell" in one.why for one in store.left_out)


@pytest.mark.parametrize("what", ["folder", "pipe", "socket", "link to itself", "huge", "forbidden"])
def test_what_is_no_file_that_can_be_read_is_left_out_and_replaced(store, what, monkeypatch):
    path, other = store.write(RECORD), make_record("cfm-t")
    store.write(other)
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "socket":
        monkeypatch.chdir(path.parent)  # a socket's address is short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("s")
        (path.parent / "s").rename(path)
    elif what == "link to itself":
        path.symlink_to(path.name)
    elif what == "huge":
        with path.open("wb") as stream:
            stream.truncate(10**12)
    else:
        path.write_bytes(b"")
        real = os.open

        def refusing(name, *arguments, **options):
            if Path(name) == path:
                raise PermissionError(13, "Permission denied")
            return real(name, *arguments, **options)

        monkeypatch.setattr(os, "open", refusing)
    assert store.all() == [other]
    assert [one.path for one in store.left_out] == [path]
    monkeypatch.undo()
    store.write(RECORD)
    assert len(store.all()) == 2
    assert len(list((store.folder / "aside").iterdir())) == 1


def test_an_archive_of_another_run_belongs_to_no_record(store):
    first = counted_record(store, seed=1)
    assert [image.id for image in read_details(store, first).images[:2]] == ["test/000", "test/001"]
    np.testing.assert_array_equal(read_details(store, first).raw_ms["device"], RAW_TIMES["device"])
    assert read_counts(store, first) is not None
    second = counted_record(store, seed=2)
    assert first.details != second.details
    for record, kept in ((first, False), (second, True), (replace(second, details=""), False)):
        details = read_details(store, record)
        assert (bool(details.images), bool(details.raw_ms)) == (kept, kept)
        assert (read_counts(store, record) is not None) == kept
        assert bool(counts_digest(store, record)) == kept


ENVIRONMENT_1 = {
    "harness": "0.1.0",
    "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
    "cpu": "Test CPU",
    "cores": 2,
    "gpus": [],
    "gpus_reason": "nvidia-smi is not installed",
    "driver": None,
    "packages": {"torch": "2.6.0"},
    "provider": {"distribution": "harness", "version": "0.1.0"},
    "device": "cpu",
    "device_name": "Test CPU",
    "threads": 2,
    "contended": False,
    "contention": "",
    "other_load_cores": 0.01,
}


def write_schema_1(store: Store, record: Record) -> Record:
    """Write a record as version 0.1 did: scores and raw times in its own file, nothing where nothing is known."""
    images = read_details(store, record).images
    window = {"calls": 8, "median_ms": 40.0, "low_ms": 39, "high_ms": 41.5, "p95_ms": None, "raw_ms": [40.0, 41.5] * 4}
    plain = {
        "schema": 1,
        "id": record.cell.id,
        "cell": record.cell.to_json(),
        "status": "ok",
        "reason": "",
        "metrics": dict(record.metrics),
        "undefined": {},
        "by_defect": {},
        "latency": {"device": window, "device_events": {"median_ms": None, "reason": "the device is a CPU"}},
        "memory": {"static": {"mb": 5, "source": "VmRSS"}, "paper_mb": 437.908},
        "seconds": {"fit": 2.5, "method": 2.0},
        "samples": {"train": 50, "test": 12},
        "images": [
            {"id": image.id, "defect": image.defect, "label": image.label, "score": image.score} for image in images
        ],
        "weights": {"vit.pth": {"sha256": "00", "verified": False}},
        "environment": ENVIRONMENT_1,
        "notes": ["a note"],
        "log": [],
        "created": "2026-01-01T00:00:00+00:00",
    }
    store.path(record.cell).parent.mkdir(parents=True, exist_ok=True)
    store.path(record.cell).write_text(json.dumps(plain, indent=1), encoding="utf-8")
    found = store.read(record.cell)
    assert found is not None
    return found


def test_a_record_of_schema_1_is_the_same_record(store):
    typed = counted_record(store)
    old = write_schema_1(store, typed)
    assert (old.schema, old.details) == (1, "")
    assert store.all() == [old]
    assert (old.cell, old.cell.id, store.path(old.cell)) == (typed.cell, typed.cell.id, store.path(typed.cell))
    assert old.metrics == typed.metrics
    assert old.test_images == typed.test_images == TestImages.of(read_details(store, typed).images)
    assert old.test_images.defects == {"good": 4, "hole": 8}
    assert (old.latency.device.high_ms, old.latency.device_events.reason) == (41.5, "the device is a CPU")
    assert (old.memory.static.mb, old.memory.static.source, old.memory.paper_mb) == (5, "VmRSS", 437.908)
    assert (old.samples.train, old.weights["vit.pth"].verified, old.notes) == (50, False, ("a note",))
    assert (old.environment.hardware, old.environment.provider.version) == ("Test CPU, 2 cores, 2 threads", "0.1.0")


def test_scores_raw_times_and_counts_of_schema_1(store):
    typed = counted_record(store)
    details = read_details(store, typed)
    old = write_schema_1(store, typed)
    assert read_details(store, old).images == details.images
    np.testing.assert_array_equal(read_details(store, old).raw_ms["device"], [40.0, 41.5] * 4)
    assert set(read_details(store, old).raw_ms) == {"device"}
    assert read_counts(store, old) is not None
    key = counts_digest(store, old)
    counted_record(store, seed=2)
    assert read_counts(store, old) is None
    assert counts_digest(store, old) != key
    assert read_details(store, old).images == details.images
    store.counts_path(old.cell).unlink()
    assert (read_counts(store, old), counts_digest(store, old)) == (None, "")


def test_test_images_are_equal_in_any_order_and_whatever_their_scores():
    images = [ImageScore(f"test/{n}", "hole" if n else "good", int(n > 0), 0.1 * n) for n in range(3)]
    same = TestImages.of(replace(image, score=0.5) for image in reversed(images))
    assert TestImages.of(images).digest == same.digest
    assert TestImages.of(images).defects == same.defects == {"good": 1, "hole": 2}
    assert TestImages.of(images[:2]).digest != same.digest


def test_records_may_come_and_go_while_they_are_read(store):
    records = [make_record(category=name) for name in ("bagel", "carrot", "foam")]
    for record in records:
        store.write(record)
    stop = threading.Event()

    def other_run() -> None:
        while not stop.is_set():
            store.path(records[1].cell).unlink(missing_ok=True)
            store.write(records[1])

    thread = threading.Thread(target=other_run)
    thread.start()
    try:
        for _ in range(200):
            assert len(store.all()) in (2, 3)
            assert store.read(records[1].cell) in (None, records[1])
    finally:
        stop.set()
        thread.join()
    assert store.all() == records
    assert store.read(make_cell(category="tire")) is None
