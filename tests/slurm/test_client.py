"""Slurm's commands, as they answer on a real cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from slurm_bed import PARTITIONS, Bed, process_ids, read_link, wait_until

from harness.errors import PrerequisiteError
from harness.slurm.client import ControllerAwayError, cancel, cluster_value, queued_tasks, submit


def script(folder: Path, *options: str, body: str = "sleep 60") -> Path:
    path = folder / f"{len(list(folder.glob('*.sh')))}.sh"
    lines = [f"#SBATCH --{option}" for option in ("job-name=mine", f"output={folder}/%A_%a.log", *options)]
    path.write_text("\n".join(["#!/bin/bash", *lines, body, ""]))
    return path


def test_tasks_of_an_array_from_submission_until_slurm_has_forgotten_them(bed: Bed, tmp_path: Path) -> None:
    waiting = submit(script(tmp_path, "array=0-2", f"partition={PARTITIONS[2]}"))
    running = submit(script(tmp_path, "array=0-1"))
    ended = submit(script(tmp_path, "array=0", body="exit 3"))
    wait_until(lambda: sum(task.is_running for task in queued_tasks("mine", [running])) == 2, 60, "both run")
    tasks = queued_tasks("mine", [waiting, running])
    assert {task.name for task in tasks if task.is_queued} == {f"{waiting}_{index}" for index in range(3)}
    assert {task.reason for task in tasks if task.is_queued} == {"PartitionDown"}
    assert {(task.name, bool(task.host)) for task in tasks if task.is_running} == {
        (f"{running}_{index}", True) for index in range(2)
    }
    assert queued_tasks("of-another", [waiting, running]) == ()
    wait_until(lambda: not any(task.is_live for task in queued_tasks("mine", [ended])), 60, "the third has failed")
    cancel("of-another", [running])
    assert sum(task.is_running for task in queued_tasks("mine", [running])) == 2
    cancel("mine", [waiting, running, ended, 4_000_000])
    wait_until(lambda: not any(task.is_live for task in queued_tasks("mine", [waiting, running])), 60, "all are ended")
    wait_until(lambda: queued_tasks("mine", [waiting, running, ended]) == (), 120, "Slurm forgets them")
    assert queued_tasks("mine", []) == ()


def test_what_slurm_refuses_is_told_in_its_words(bed: Bed, tmp_path: Path) -> None:
    most = int(cluster_value("MaxArraySize"))
    with pytest.raises(PrerequisiteError, match="Invalid job array specification"):
        submit(script(tmp_path, f"array=0-{most}"))
    with pytest.raises(PrerequisiteError, match=r"sbatch.*invalid partition"):
        submit(script(tmp_path, "partition=none"))
    assert cluster_value("NoSuchSetting") == ""


def test_a_controller_that_is_away_is_no_answer(bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.slurm.client._TRIES", 1)
    bed.kill("slurmctld")
    calls: list[tuple[type[Exception], Callable[[], object]]] = [
        (ControllerAwayError, lambda: queued_tasks("mine", [1])),
        (PrerequisiteError, lambda: submit(script(tmp_path))),
        (PrerequisiteError, lambda: cancel("mine", [1])),
    ]
    with ThreadPoolExecutor(len(calls)) as pool:  # each takes 9 s
        answers = [(kind, pool.submit(call)) for kind, call in calls]
    bed.start_controller()
    for kind, answer in answers:
        with pytest.raises(kind, match="Unable to contact"):
            answer.result()


def test_where_there_is_no_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for call in (lambda: submit(tmp_path), lambda: queued_tasks("mine", [1]), lambda: cluster_value("MaxArraySize")):
        with pytest.raises(PrerequisiteError, match="login node of a Slurm cluster"):
            call()


START = """
import sys, time
from pathlib import Path
from slurm_bed import Bed
bed = Bed(Path(sys.argv[1]))
bed.start()
script = bed.folder / "job.sh"
script.write_text("#!/bin/bash\\nsleep 600 & sleep 600\\n")
bed.ask("sbatch", f"--output={bed.folder}/log/job", str(script))
while not bed.tasks("RUNNING"):
    time.sleep(0.1)
if sys.argv[2] == "stop":
    bed.stop()
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_nothing_outlives_a_bed(cluster: Bed, tmp_path: Path, how: str) -> None:
    """Neither daemon nor job: where it is stopped, and where the process of the tests is killed."""

    def left() -> list[int]:
        links = [(pid, read_link(pid, kind)) for pid in process_ids() for kind in ("exe", "cwd")]
        return [pid for pid, link in links if link.startswith(str(tmp_path)) and pid != process.pid]

    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", START, str(tmp_path), how]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if how == "stop":
            assert not left()
        else:
            assert len(left()) >= 5
        process.kill()
    wait_until(lambda: not left(), 10, "all processes end")
