"""A results folder of 10,000 records as tables: ratio to parsing the same bytes, and seconds.

Seconds are of the processor, which are those of the clock where nothing else runs.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import islice, product
from time import process_time

import pytest
from report_records import full_record, make_cell

from harness.data.base import DATASETS
from harness.report.published import read_published
from harness.report.tables import Request, measured_grids
from harness.store import Store

COUNT = 10_000
TEMPLATES = 20
ROUNDS = 2
MOST_RATIO = 1.5
MOST_SECONDS = 5


def cells():
    """Yield cells of CFM with many learning rates: every category, training-set size and split of MVTec 3D-AD."""
    sets = [*product((5, 10, 50), ("first", "0", "1", "2", "3", "4")), ("full", "first")]
    for rate in range(1, 1000):
        for (shots, split), category in product(sets, DATASETS["mvtec3d"].categories):
            yield make_cell(f"cfm[lr={rate / 1000}]", category, shots=shots, split=split)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    found = Store(tmp_path_factory.mktemp("results"))
    templates = [full_record(seed) for seed in range(TEMPLATES)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        for index, cell in enumerate(islice(cells(), COUNT)):
            found.write(replace(templates[index % TEMPLATES], cell=cell))
    return found


def test_ten_thousand_records_into_tables(store, benchmark, capsys):
    published = read_published()

    def plain():
        return [json.loads(path.read_bytes()) for path in sorted(store.cells.glob("*.json"))]

    def tables():
        begin = process_time()
        records = store.all()
        read = process_time()
        grids = measured_grids(records, published, Request())
        assert (len(records), len({grid.title for grid in grids})) == (COUNT, len(grids))
        return read - begin, process_time() - read

    def seconds(call):
        begin = process_time()
        call()
        return process_time() - begin

    slow = min(seconds(plain) for _ in range(ROUNDS))
    reading, showing = min((tables() for _ in range(ROUNDS)), key=sum)
    total = reading + showing
    benchmark.extra_info["ratio"] = total / slow
    benchmark.pedantic(tables, rounds=1)
    with capsys.disabled():
        print(f"\nrecords {COUNT}, {sum(path.stat().st_size for path in store.cells.iterdir()) / 1e6:.0f} MB")
        print(f"read {reading:.2f} s + tables {showing:.2f} s = {total:.2f} s; json.loads {slow:.2f} s")
        print(f"ratio {total / slow:.2f}")
    assert total / slow <= MOST_RATIO
    assert total <= MOST_SECONDS
