"""A results folder of 2,000 records as a report: ratio to parsing the same bytes, seconds, and the peak of memory.

Seconds are of the processor, which are those of the clock where nothing else runs.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from many_records import parsed_plainly, seconds, write_records

from harness.report.html.sections import make_sections
from harness.report.html.writing import write_report
from harness.store.published import read_published

COUNT = 2_000
ROUNDS = 2
MOST_RATIO = 6
MOST_MB_FOR_EACH = 0.02
_PEAK = """
import sys
from harness.cli.main import main
from harness.measure.host import status_bytes
try:
    main()
finally:
    print(status_bytes("VmHWM") / 1e6, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("results"), COUNT)


def test_two_thousand_records_as_a_report(store, benchmark, capsys, tmp_path):
    published = read_published()

    def report():
        write_report(tmp_path / "report", make_sections(store.all(), published), store=store)

    slow = min(seconds(lambda: parsed_plainly(store)) for _ in range(ROUNDS))
    fast = min(seconds(report) for _ in range(ROUNDS))
    benchmark.extra_info["ratio"] = fast / slow
    benchmark.pedantic(report, rounds=1)
    pages = list((tmp_path / "report" / "cells").iterdir())
    with capsys.disabled():
        size = sum(page.stat().st_size for page in pages) / 1e6
        print(f"\nrecords {COUNT}, pages {size:.0f} MB; {fast:.2f} s; json.loads {slow:.2f} s; ratio {fast / slow:.1f}")
    assert len(pages) == COUNT
    assert fast / slow <= MOST_RATIO


def test_the_memory_of_a_report_grows_by_little_more_than_its_records(store, capsys, tmp_path):
    def peak(*options):
        command = [sys.executable, "-c", _PEAK, "report", "--results", str(store.folder), "--open", "no", *options]
        done = subprocess.run([*command, "--to", str(tmp_path / "pages")], check=True, capture_output=True, text=True)
        return float(done.stderr.splitlines()[-1])

    every, one = peak(), peak("--categories", "bagel", "--shots", "full")
    with capsys.disabled():
        print(f"\npeak {every:.0f} MB with {COUNT} records on pages, {one:.0f} MB with few")
    assert every - one <= MOST_MB_FOR_EACH * COUNT
