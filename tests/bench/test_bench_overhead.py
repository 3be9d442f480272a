"""What the harness adds to a cell of a minute: wall time less the method's own calls and the start of the process."""

from __future__ import annotations

import io

from harness.plan.planning import make_plan
from harness.plan.selection import Selection
from harness.running.events import EventWriter
from harness.running.stages import CellRun
from harness.store.store import Store

MOST_SHARE = 0.02
METHOD = "cfm-t"


def measured(folder):
    """Run both categories of the toy dataset at quick in this process, and return the seconds of the stages."""
    plan = make_plan(Selection(methods=(METHOD,), weights="random"), Store(folder))
    return [CellRun(job.placed(folder, None), EventWriter(io.StringIO())).run().seconds for job in plan.to_run]


def test_overhead_of_a_cell(benchmark, capsys, tmp_path):
    cells = benchmark.pedantic(measured, args=(tmp_path,), rounds=1)
    with capsys.disabled():
        for seconds in cells:
            share = seconds["overhead"] / 60
            print(f"\noverhead {seconds['overhead']:.2f} s: {share:.1%} of a minute", end="")
            print(f", {seconds['overhead'] / (seconds['overhead'] + seconds['method']):.1%} of this cell")
    warm = min(seconds["overhead"] for seconds in cells)
    assert warm <= MOST_SHARE * max(60, *(seconds["method"] for seconds in cells))
