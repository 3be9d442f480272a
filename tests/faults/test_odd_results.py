"""A results folder that went through other systems and hands: each reading verb names what it leaves out once."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from count_records import counted_record
from report_records import make_record

from harness.api import results
from harness.store.maps import ANOMALY_MAP, ImageMaps, save_maps
from harness.store.store import Store

VERBS = {
    "tables": "cfm-t",
    "tables --table all --format csv": "cfm-t",
    "status": "cfm-t",
    "status --json": '"cfm-t"',
    "status --failed": "nothing went wrong",
    "leaderboard update": "2 added",
    "plot latency --to p.png": "p.png",
    "plot pro --to p.png": "p.png",
    "report --open no": "index.html",
}
SETTINGS = {"dataset": "toy", "preset": "quick", "weights": "random", "shots": 10}
STRAY = 9


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two good records, of which one has counts, beside ten files that are no records."""
    store = Store(tmp_path / "results")
    good = store.write(counted_record(store, "cfm-t", "bump", **SETTINGS))
    plain = json.loads(
        store.write(make_record("btf", "bump", defects=("hole",), **SETTINGS)).read_text(encoding="utf-8")
    )
    files = {
        f"._{good.name}": b"\0\5\26\7",
        "truncated.json": b'{"schema": 2',
        f"{good.name}.conflict.json": good.read_bytes(),
        f"copy of {good.name}": good.read_bytes(),
        "newer.json": json.dumps({**plain, "schema": 99}).encode(),
        "unknown key.json": json.dumps({**plain, "cell": {**plain["cell"], "new": 1}}).encode(),
        "deep.json": b"[" * 100_000,
        "wrong types.json": json.dumps({**plain, "latency": [], "metrics": "none"}).encode(),
    }
    for name, content in files.items():
        (store.cells / name).write_bytes(content)
    (store.cells / "folder.json").mkdir()
    os.mkfifo(store.cells / "pipe.json")
    return store


def entries(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("verb", VERBS)
def test_stray_files_are_counted_once_and_the_rest_is_shown(harness, store, tmp_path, verb):
    before = entries(store.cells)
    outcome = harness(*verb.split())
    assert outcome.returncode == 0, outcome.stderr
    assert VERBS[verb] in outcome.stdout
    assert outcome.stderr.count("files are left out") == 1
    assert f"{STRAY} files are left out" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert entries(store.cells) == before
    assert entries(tmp_path) <= {"results", "p.png"}


def test_from_python_the_same_is_a_warning(store):
    with pytest.warns(UserWarning, match=f"{STRAY} files are left out"):
        found = results(store.folder)
    assert [record.cell.method for record in found] == ["btf", "cfm-t"]


@pytest.mark.parametrize("content", [b"PK", b"", "huge header", "pipe"])
def test_damaged_counts_and_maps_leave_every_verb_its_numbers(harness, tmp_path, content):
    store = Store(tmp_path / "results")
    records = [counted_record(store, name, "bump", seed=n, **SETTINGS) for n, name in enumerate(("cfm-t", "cfm"))]
    for record in records:
        store.write(record)
    cell = records[0].cell
    save_maps(store.maps_path(cell), cell, [ImageMaps("test/000", 0.0, {ANOMALY_MAP: np.eye(8)})])
    for path in (store.counts_path(cell), store.maps_path(cell)):
        path.unlink()
        if content == "pipe":
            os.mkfifo(path)
        elif content == "huge header":
            text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000000,), }"
            with zipfile.ZipFile(path, "w") as archive:
                for name in ("header.npy", "ids.npy"):
                    archive.writestr(name, b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
        else:
            path.write_bytes(content)
    for verb in ("tables --table differences", "tables", "report --open no", "plot pro --to p.png"):
        outcome = harness(*verb.split())
        assert outcome.returncode == 0, outcome.stderr
        assert outcome.stderr.count("left out:") == 1
        assert store.counts_path(cell).name in outcome.stderr
    assert "no counts of the test images are stored with the records of cfm-t" in harness(
        "tables", "--table", "differences"
    ).stdout.replace("\n", " ")
    shown = harness("show", "--methods", "cfm-t")
    assert (shown.returncode, "Traceback" in shown.stderr) == (6, False)
    assert "left out:" in shown.stderr
    verified = harness("status", "--verify")
    assert verified.returncode == 3
    assert "its counts are damaged" in verified.stdout
