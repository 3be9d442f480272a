"""Pullers that end in any way, daemons that are killed: no cell is lost, none is measured twice."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from slurm_bed import CORES, Bed, wait_until
from slurm_runs import CATEGORIES, Finish, Start, fits, held, outcome

from harness.registry import split_list
from harness.store.claims import holders
from harness.store.store import Store


def at_carrot(results: Path) -> int:
    """Return how many cells of the second category are held."""
    return sum("carrot" in stem for stem in holders(results))


def test_pullers_that_are_killed_cancelled_timed_out_and_preempted(
    start: Start, finish: Finish, bed: Bed, methods: str, gates: Path, records, tmp_path: Path
) -> None:
    """Six pullers hold a cell each; four end, the others go on while no controller answers.

    Then the node dies: it is taken for down while its pullers go on. A second command brings the rest.
    """
    results = tmp_path / "results"
    run = start("--workers", "6", methods=methods)
    wait_until(lambda: len(held(results)) == 6, 120, "six cells are claimed")
    first, second, *_ = sorted(held(results))
    os.kill(held(results)[first].pid, signal.SIGKILL)
    bed.ask("scancel", second)
    wait_until(lambda: len(bed.tasks("RUNNING")) == 4, 60, "two pullers are ended")
    script = tmp_path / "urgent.sh"
    script.write_text("#!/bin/bash\nsleep 1\n")
    bed.ask("sbatch", "--partition=urgent", f"--cpus-per-task={CORES - 3}", "--output=/dev/null", str(script))
    wait_until(lambda: len(held(results)) == 3, 60, "a third is preempted")
    bed.ask("scontrol", "update", f"jobid={min(held(results))}", "timelimit=1")
    wait_until(lambda: len(held(results)) == 2, 120, "a fourth comes near its time limit")

    bed.kill("slurmctld")
    away = time.monotonic()
    (gates / "bagel").touch()
    wait_until(lambda: at_carrot(results) == 2, 120, "two pullers measure what they find of bagel")
    while time.monotonic() < away + 30:
        time.sleep(0.1)
    assert run.poll() is None
    bed.start_controller()
    done = len(records())
    assert set(fits(gates).values()) == {1}
    assert len(fits(gates)) == done >= 2

    bed.kill("slurmd")
    code, said = outcome(run)
    assert code == 3
    assert f"{12 - len(records())} cells without a record, and no puller is left" in said
    assert said.count("ok gated") == done
    assert len(held(results)) == 2
    statuses = sorted(record["status"] for record in records())
    assert statuses in (done * ["ok"], ["killed", *done * ["ok"]])  # the cell of the first, unless another took it

    bed.start_node()
    (gates / "carrot").touch()
    code, said = finish("--workers", "3", methods=methods)
    assert code == 0, said
    store = Store(results)
    assert [record.status for record in store.all()] == 12 * ["ok"]
    assert (store.all_failed(), store.left_out) == ([], ())
    assert all(number == 1 for cell, number in fits(gates).items() if cell.startswith("bagel"))
    assert not list(results.glob("*/.harness-*"))


def test_the_last_puller_is_killed_in_the_middle_of_a_cell(
    start: Start, finish: Finish, methods: str, gates: Path, tmp_path: Path
) -> None:
    """Its cell has failed, and says so; the cells that nobody took are no failures. A second command measures both."""
    results, method = tmp_path / "results", split_list(methods)[0]
    run = start("--workers", "1", methods=method)
    wait_until(lambda: held(results), 120, "a cell is claimed")
    (holder,) = held(results).values()
    os.kill(holder.pid, signal.SIGKILL)
    code, said = outcome(run)
    assert code == 3
    assert "1 cell without a record, and no puller is left" in said
    (record,) = Store(results).all()
    assert record.status == "killed"
    assert f"job {holder.job_name} on {holder.host}" in record.reason
    for category in CATEGORIES:
        (gates / category).touch()
    code, said = finish("--workers", "1", methods=method)
    assert code == 0, said
    assert [record.status for record in Store(results).all()] == ["ok", "ok"]
    assert list(fits(gates).values()) == [1, 1]
