"""Training logs of a run: a file for each cell, written as it comes, and what loggers of other packages get."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_records import make_cell

from harness.plan.job import Job, job_from_json, job_to_json
from harness.running.events import EventWriter, parse_event
from harness.running.training_log import CSV_NAME, TrainingLog, has_tensorboard

METHOD = """
from dataclasses import replace

from colour_distance import ColourDistance


class Trained(ColourDistance):
    meta = replace(ColourDistance.meta, name="trained")

    def fit(self, samples, *, seed, device, progress):
        super().fit(samples, seed=seed, device=device, progress=progress)
        for epoch in range(4):
            progress("train", epoch, 3, **({"loss": 1 / epoch} if epoch else {}))
"""


def lines_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / CSV_NAME).read_text())))


def test_a_run_logs_each_cell_in_a_folder_of_its_own(
    harness: Any, tiny_mvtec: Path, tmp_path: Path, records: Callable[[], list[dict[str, Any]]]
) -> None:
    (tmp_path / "trained.py").write_text(METHOD)
    where = ("--dataset", "mvtec3d", "--data", tiny_mvtec, "--categories", "bagel", "--shots", "5", "--preset", "quick")
    done = harness("run", "--methods", "./trained.py:Trained", *where, "--log", "logs", "-v")
    assert done.returncode == 0, done.stderr
    (record,) = records()
    (folder,) = (path for path in (tmp_path / "logs").iterdir() if path.is_dir())
    assert folder.name.endswith(record["id"])
    lines = lines_of(folder)
    assert [(line["stage"], line["step"], line["name"]) for line in lines] == [
        ("train", str(step), "loss") for step in (1, 2, 3)
    ]
    assert [float(line["value"]) for line in lines] == pytest.approx([1, 1 / 2, 1 / 3])
    first, *steps, last = map(json.loads, (folder / "lines.jsonl").read_text().splitlines())
    assert first == {"name": folder.name, "method": "trained", "device": "cpu"}
    assert [step["step"] for step in steps] == [1, 2, 3]
    assert last == "closed"
    failed = [note for note in record["notes"] if "training log" in note]
    assert [note.split("'")[1] for note in failed] == ["broken", "failing"]
    stages = [line.partition(": ")[2].partition(",")[0] for line in done.stderr.splitlines() if ": " in line]
    assert stages.index("fit") < stages.index("latency") < stages.index("score")
    quiet = harness("run", "--methods", "./trained.py:Trained", *where, "--rerun", "all", "-q")
    assert quiet.returncode == 0
    assert "I-AUROC" not in quiet.stderr
    assert "I-AUROC" in quiet.stdout


def job(tmp_path: Path) -> Job:
    return replace(Job(make_cell(), None, (), {}), log=tmp_path / "logs")


def test_a_job_without_a_folder_logs_nothing(tmp_path: Path) -> None:
    told: list[tuple[Any, ...]] = []
    log = TrainingLog(Job(make_cell(), None, (), {}))
    log.beside(lambda *step, **values: told.append((*step, values)))("train", 1, 2, loss=0.5)
    log.close()
    assert told == [("train", 1, 2, {"loss": 0.5})]
    assert log.failures == []
    assert not list(tmp_path.iterdir())


def test_lines_are_there_as_soon_as_they_are_told_and_none_after_the_end(tmp_path: Path) -> None:
    log = TrainingLog(job(tmp_path), uses_torch=False)
    progress = log.beside(lambda *step, **values: None)
    (folder,) = (tmp_path / "logs").iterdir()
    progress("train", 1, 3, loss=0.25, accuracy=1.0)
    assert [(line["name"], line["value"]) for line in lines_of(folder)] == [("loss", "0.25"), ("accuracy", "1")]
    progress("train", 2, 3)
    progress("train", 2, 3, loss=math.nan)
    log.close()
    log.close()
    progress("train", 3, 3, loss=0.1)
    assert [line["value"] for line in lines_of(folder)] == ["0.25", "1", "nan"]


def test_a_folder_that_can_not_be_written_costs_the_log_alone(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    log = TrainingLog(job(tmp_path), uses_torch=False)
    log.write("train", 1, {"loss": 1.0})
    assert len(log.failures) == 1
    assert "'csv'" in log.failures[0]


@pytest.mark.skipif(not has_tensorboard(), reason="tensorboard is not installed")
def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = TrainingLog(job(tmp_path))
    for step in (1, 2):
        log.write("train", step, {"loss": 1 / step, "other": math.inf})
    log.close()
    assert log.failures == []
    (folder,) = (tmp_path / "logs").iterdir()
    found = EventAccumulator(str(folder)).Reload()
    assert [(event.step, event.value) for event in found.Scalars("train/loss")] == [(1, 1.0), (2, 0.5)]
    assert found.Tags()["scalars"] == ["train/loss"]


def test_the_folder_travels_with_a_job(tmp_path: Path) -> None:
    assert job_from_json(job_to_json(job(tmp_path))).log == tmp_path / "logs"


def test_events_carry_the_newest_finite_numbers_of_their_stage() -> None:
    stream = io.StringIO()
    events = EventWriter(stream)
    events.progress("train", 1, 2, loss=0.5, odd=math.nan)
    events.progress("train", 2, 2, rate=0.1)
    events.progress("fuse", 0, 1)
    events.stage("score")
    events.progress("score", 1, 1)
    read = [event for line in stream.getvalue().splitlines() if (event := parse_event(line))]
    assert [(event.stage, event.values) for event in read if event.kind == "progress"] == [
        ("train", {"loss": 0.5}),
        ("train", {"loss": 0.5, "rate": 0.1}),
        ("score", {}),
    ]
