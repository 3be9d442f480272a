"""Reading records: long lists are parsed late, other layouts are understood, files may vanish meanwhile."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_records import full_record, make_record

from harness.errors import PrerequisiteError
from harness.store.store import Store

RECORD = full_record(1)

TRICKY = st.text(max_size=8) | st.sampled_from(
    ['"raw_ms": [1, 2]', '\n "images": [\n', "\n ]", "]", '\\"raw_ms": [', '"', "\\", "\u2028", '{"raw_ms": 3}']
)


def test_everything_comes_back_and_is_written_again_byte_by_byte(tmp_path):
    store = Store(tmp_path)
    path = store.write(RECORD)
    before = path.read_bytes()
    (found,) = store.all()
    assert found == RECORD == store.read(RECORD.cell)
    assert [image["id"] for image in found.images[:2]] == ["test/good/000", "test/good/001"]
    assert np.median(np.asarray(found.latency["device"]["raw_ms"])) == RECORD.latency["device"]["median_ms"]
    store.write(found)
    assert path.read_bytes() == before
    assert json.loads(before) == json.loads(json.dumps(found.to_json()))


def test_a_file_can_be_read_by_a_person(tmp_path):
    lines = Store(tmp_path).write(RECORD).read_text(encoding="utf-8").splitlines()
    assert '  {"id": "test/good/000", "defect": "good", "label": 0, "score": 0.' in "\n".join(lines)
    assert sum(line.strip().startswith('"raw_ms": [') and line.endswith("]") for line in lines) == 4
    assert '  "i_auroc": ' in "\n".join(lines)
    assert len(lines) < 400


@pytest.mark.parametrize("layout", [{"indent": 1}, {"indent": 2}, {}, {"separators": (",", ":")}])
def test_other_layouts_hold_the_same_record(tmp_path, layout):
    store = Store(tmp_path)
    store.write(RECORD).write_text(json.dumps(RECORD.to_json(), **layout), encoding="utf-8")
    assert store.all() == [RECORD]


@given(TRICKY, TRICKY, st.lists(TRICKY, max_size=2), st.lists(st.floats(0, 9), max_size=3))
def test_no_text_is_mistaken_for_a_list(tmp_path_factory, reason, name, notes, raw):
    record = replace(
        make_record(),
        reason=reason,
        notes=tuple(notes),
        images=({"id": name, "defect": reason, "label": 0, "score": 0.5},),
        latency={"device": {"median_ms": 1.0, "raw_ms": raw, "note": name}},
        environment={"device": name, "probe": {"raw_ms": raw, "images": [{"id": reason}]}},
        undefined={name: reason},
    )
    store = Store(tmp_path_factory.mktemp("store"))
    store.write(record)
    assert store.all() == [record]


def test_a_list_that_cannot_be_read_names_its_file_when_it_is_asked_for(tmp_path):
    store = Store(tmp_path)
    path = store.write(RECORD)
    path.write_text(path.read_text(encoding="utf-8").replace('"label": 1,', '"label": 1', 1), encoding="utf-8")
    (found,) = store.all()
    assert found.metrics == RECORD.metrics
    with pytest.raises(PrerequisiteError, match=path.name):
        len(found.images)


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"cell": 3, "latency": {"device": 4}}', "\x00"])
def test_what_is_no_record_is_named(tmp_path, text):
    store = Store(tmp_path)
    path = store.write(RECORD)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PrerequisiteError, match=path.name):
        store.all()


def test_records_may_come_and_go_while_they_are_read(tmp_path):
    store = Store(tmp_path)
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
