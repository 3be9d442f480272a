"""A results folder of 10,000 records as tables: ratio to parsing the same bytes, and seconds.

Seconds are of the processor, which are those of the clock where nothing else runs.
"""

from __future__ import annotations

from time import process_time

import pytest
from many_records import parsed_plainly, seconds, write_records

from harness.report.tables import TableRequest, measured_grids
from harness.store.published import read_published

COUNT = 10_000
ROUNDS = 2
MOST_RATIO = 1.5
MOST_SECONDS = 5


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("results"), COUNT)


def test_ten_thousand_records_into_tables(store, benchmark, capsys):
    published = read_published()

    def tables():
        begin = process_time()
        records = store.all()
        read = process_time()
        grids = measured_grids(records, published, TableRequest())
        assert (len(records), len({grid.title for grid in grids})) == (COUNT, len(grids))
        return read - begin, process_time() - read

    slow = min(seconds(lambda: parsed_plainly(store)) for _ in range(ROUNDS))
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
