"""Folders with faults are merged: what can be read is there, what can't is named, and nothing else is written."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutated_records import OTHER, mutated_records
from report_records import full_record

from harness.store.merging import merge_folders
from harness.store.several import open_store
from harness.store.store import Store


@settings(max_examples=300, derandomize=True, suppress_health_check=list(HealthCheck))
@given(mutated=mutated_records(), into=st.booleans())
def test_a_mutated_record_is_merged_as_it_is_read_or_left_out(mutated, into, tmp_path_factory):
    """It lies in the folder that is merged from, or in that which is merged into, beside whole records."""
    folder = tmp_path_factory.mktemp("merged")
    theirs, ours = Store(folder / "theirs"), Store(folder / "ours")
    whole = full_record(1, dataset="toy", category="bump", preset="quick", weights="random", shots=10)
    for record in (OTHER, whole):
        theirs.write(record)
        ours.write(replace(record, created="2025-01-01T00:00:00+00:00"))
    name, content = mutated
    with suppress(OSError):
        ((ours if into else theirs).cells / name).write_bytes(content)
    before = {path: path.read_bytes() for path in theirs.folder.rglob("*") if path.is_file()}
    merged = merge_folders([theirs.folder], ours.folder)
    assert {path: path.read_bytes() for path in before} == before
    assert set(theirs.folder.iterdir()) == {theirs.cells}
    assert ours.read(OTHER.cell) == theirs.read(OTHER.cell) == OTHER
    read = {record.cell.id for record in theirs.all()}
    assert read <= {record.cell.id for record in open_store([ours.folder]).all()}
    assert set(theirs.left_out) <= set(merged.left_out)
    assert not any("\n" in sentence for sentence in merged.warnings)
    json.dumps(merged.to_json(), allow_nan=False)
    assert set(folder.iterdir()) == {theirs.folder, ours.folder}
