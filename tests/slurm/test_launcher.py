"""``harness run --launcher slurm`` on a real cluster, as its users meet it."""

from __future__ import annotations

import json
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from slurm_bed import PARTITIONS, Bed, wait_until
from slurm_runs import CATEGORIES, Finish, Start, fits, held, outcome

from harness.files.locks import is_locked
from harness.registry import split_list
from harness.slurm.submission import submissions


def states(finish: Finish) -> Counter[str]:
    """Return how many cells are in each state that ``harness status`` knows."""
    code, said = finish("status", "--json")
    assert code == 0, said
    return Counter(json.loads(said)["counts"])


def comparable(record: dict[str, Any]) -> dict[str, Any]:
    return {part: record[part] for part in ("cell", "status", "metrics", "by_defect", "test_images", "samples")}


def test_twelve_cells_over_three_pullers(start: Start, records, methods: str, gates: Path, tmp_path: Path) -> None:
    """Each is measured once, with the metrics of a local run; a second command has nothing to do."""
    for category in CATEGORIES:
        (gates / category).touch()
    remote = start("--workers", "3", methods=methods)
    local = start("--launcher", "local", "--results", "local", methods=methods)
    for process in (remote, local):
        code, said = outcome(process)
        assert code == 0, said
    assert set(fits(gates).values()) == {2}
    measured = records()
    assert len(measured) == 12
    assert list(map(comparable, measured)) == list(map(comparable, records(tmp_path / "local")))
    assert 1 < len({record["environment"]["job"] for record in measured}) <= 3
    assert not list((tmp_path / "results" / "slurm").glob("*/jobs.json"))
    code, said = outcome(start("--workers", "3", methods=methods))
    assert (code, "Nothing to do" in said) == (0, True)


def test_a_following_command_ends_and_another_goes_on(
    start: Start, finish: Finish, bed: Bed, methods: str, gates: Path, tmp_path: Path
) -> None:
    """Ctrl-C names the way to end the pullers; SIGKILL says nothing. Neither ends them, and none is submitted twice."""
    results, two = tmp_path / "results", ",".join(split_list(methods)[:2])
    run = start("--workers", "2", methods=two)
    wait_until(lambda: len(held(results)) == 2, 120, "two cells are claimed")
    (submission,) = submissions(results)
    tasks = bed.tasks()
    assert states(finish) == {"running": 2, "queued": 2}
    run.send_signal(signal.SIGINT)
    code, said = outcome(run)
    assert code == 130
    assert f"scancel {submission.jobs[0]}" in said
    assert "harness run --collect" in said
    collecting = start("run", "--collect")
    wait_until(lambda: is_locked(submission.folder / "following.lock"), 60, "the second follows")
    collecting.kill()
    collecting.wait()
    assert bed.tasks() == tasks
    following = start("--workers", "2", methods=two)
    wait_until(lambda: is_locked(submission.folder / "following.lock"), 60, "the third follows")
    for category in CATEGORIES:
        (gates / category).touch()
    code, said = outcome(following)
    assert code == 0, said
    assert f"jobs {submission.jobs[0]};" in said
    assert list(fits(gates).values()) == 4 * [1]
    assert submissions(results) == ()
    code, said = finish("run", "--collect")
    assert code == 6
    assert "No puller has anything left to do" in said


def test_pullers_that_wait_are_told_and_can_be_ended(
    start: Start, finish: Finish, bed: Bed, methods: str, tmp_path: Path
) -> None:
    """Arrays are no larger than the cluster allows."""
    results, method = tmp_path / "results", split_list(methods)
    run = start("--workers", "7", "--slurm", f"partition={PARTITIONS[2]}", methods=methods)
    wait_until(lambda: len(bed.tasks("PENDING")) == 7, 120, "seven pullers wait")
    (submission,) = submissions(results)
    assert len(submission.jobs) == 2
    assert states(finish) == {"queued": 2 * len(method)}
    code, said = finish("cancel")
    assert code == 0, said
    assert f"jobs {submission.jobs[0]}, {submission.jobs[1]}" in said
    assert bed.tasks() == []
    code, said = outcome(run)
    assert code == 3
    assert "12 cells without a record" in said
    assert states(finish) == {"planned": 12}
    code, said = finish("cancel")
    assert (code, "No puller runs or waits" in said) == (0, True)


def test_a_machine_without_a_gpu_plans_cells_for_one(finish: Finish, bed: Bed, tmp_path: Path) -> None:
    """What the device is, is decided on the node: one that has none says so."""
    assert shutil.which("nvidia-smi") is None
    code, said = finish("--device", "cuda:0", "--slurm", "gres=no", methods="colour-distance")
    assert code == 3
    assert "2 cells without a record" in said
    assert "There is no CUDA device 0" in said
    (script,) = (tmp_path / "results" / "slurm").glob("*/*.sh")
    assert "gres" not in script.read_text()
    code, said = finish("--device", "cuda:0", methods="colour-distance")
    assert code == 5
    assert "sbatch failed" in said
    assert "gres" in said
    assert submissions(tmp_path / "results") == ()


def test_locks_that_do_not_hold_between_machines(start: Start, bed: Bed, methods: str, tmp_path: Path) -> None:
    """A node that sees no lock of another machine measures nothing; the command says why and ends the pullers."""
    site = tmp_path / "no-locks"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import fcntl\nfcntl.flock = lambda handle, operation: None\n")
    code, said = outcome(start("--setup", f"export PYTHONPATH={site}:$PYTHONPATH", methods="colour-distance"))
    assert code == 5
    assert f"Locks don't hold on {tmp_path}/results" in said
    assert "does not see one that is held here" in said
    wait_until(lambda: bed.tasks() == [], 60, "the pullers end")
    assert not list((tmp_path / "results" / "cells").iterdir())
