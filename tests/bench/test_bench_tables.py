"""A results folder of 5,000 records as all tables in a terminal: ratio to parsing the same bytes, and seconds.

Seconds are of the processor, which are those of the clock where nothing else runs.
"""

from __future__ import annotations

import io
from time import process_time

import pytest
from many_records import parsed_plainly, seconds, write_records
from rich.console import Console

from harness.report.render.text import as_rich
from harness.report.tables import TABLES, TableRequest, measured_grids
from harness.store.published import read_published

COUNT = 5_000
ROUNDS = 2
MOST_RATIO = 4
MOST_SECONDS = 5
EVERY = TableRequest(tables=tuple(TABLES))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("results"), COUNT)


def test_five_thousand_records_as_all_tables(store, benchmark, capsys):
    published = read_published()

    def tables():
        begin = process_time()
        records = store.all()
        read = process_time()
        grids = measured_grids(records, published, EVERY)
        shown = process_time()
        console = Console(file=io.StringIO(), width=120)
        for grid in grids:
            console.print(as_rich(grid))
        assert (len(records), len(grids) > len(EVERY.tables)) == (COUNT, True)
        return read - begin, shown - read, process_time() - shown

    slow = min(seconds(lambda: parsed_plainly(store)) for _ in range(ROUNDS))
    reading, making, printing = min((tables() for _ in range(ROUNDS)), key=sum)
    total = reading + making + printing
    benchmark.extra_info["ratio"] = total / slow
    benchmark.pedantic(tables, rounds=1)
    with capsys.disabled():
        print(f"\nrecords {COUNT}, {sum(path.stat().st_size for path in store.cells.iterdir()) / 1e6:.0f} MB")
        print(f"read {reading:.2f} s + tables {making:.2f} s + terminal {printing:.2f} s; json.loads {slow:.2f} s")
        print(f"ratio {total / slow:.2f}")
    assert total / slow <= MOST_RATIO
    assert total <= MOST_SECONDS
