"""A whole cell, run twice by the command line: what its record holds of speed, memory and environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from harness.data.mvtec3d import MVTec3D
from harness.files.digest import digest
from harness.plan.job import write_job
from harness.plan.plan_file import read_plan
from harness.store.details import read_details
from harness.store.store import Store

STAGES = ["start", "load", "fit", "state", "reading", "latency", "score", "metrics", "memory", "record"]


def path_with(site: Path) -> str:
    return os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))


@pytest.fixture(scope="module")
def stores(plugin_site: Path, tiny_mvtec: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Store]:
    """Run one cell in two processes, into two results folders."""
    folders = [tmp_path_factory.mktemp("run") for _ in range(2)]
    command = [sys.executable, "-m", "harness", "run", "--methods", "colour-distance", "--dataset", "mvtec3d"]
    command += ["--data", str(tiny_mvtec), "--categories", "bagel", "--shots", "5", "--preset", "quick"]
    environment = os.environ | {"PYTHONPATH": path_with(plugin_site), "OMP_NUM_THREADS": "1"}
    for folder in folders:
        subprocess.run([*command, "--device", "cpu"], cwd=folder, env=environment, check=True, timeout=120)
    return [Store(folder / "results") for folder in folders]


@pytest.fixture(scope="module")
def twice(stores: list[Store]) -> list[dict[str, Any]]:
    """The two records, as their files hold them."""
    return [json.loads(next(store.cells.glob("*.json")).read_text()) for store in stores]


def test_two_runs_of_one_cell_give_identical_metrics(twice, stores) -> None:
    first, second = twice
    assert first["status"] == second["status"] == "ok"
    assert first["id"] == second["id"]
    for part in ("metrics", "by_defect", "test_images", "undefined", "samples"):
        assert first[part] == second[part]
    details = [read_details(store, record) for store in stores for record in store.all()]
    assert details[0].images == details[1].images
    for record, one in zip(twice, details, strict=True):
        assert {name: len(times) for name, times in one.raw_ms.items()} == {
            name: window["calls"] for name, window in record["latency"].items() if window["calls"]
        }


@pytest.fixture(scope="module")
def larger_mvtec(tiny_mvtec: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A category with more test samples than are held: 9 of each kind, every third alike but for a corner."""
    root = tmp_path_factory.mktemp("larger")
    shutil.copytree(tiny_mvtec / "bagel", root / "bagel")
    for path in list((root / "bagel" / "test").rglob("00?.*")):
        for more in (3, 6):
            shutil.copy(path, path.with_stem(f"{int(path.stem) + more:03d}"))
    for number, path in enumerate((root / "bagel" / "test").rglob("rgb/*.png")):
        colours = np.array(Image.open(path))
        colours[0, 0] = number  # off the object, where it changes no prediction
        Image.fromarray(colours).save(path)
    return root


def test_each_test_sample_is_predicted_once_beside_repeated_calls_and_the_memory_pass(
    harness, larger_mvtec: Path, records, plugin_site: Path, tmp_path: Path
) -> None:
    """A method so slow that the latency pass makes no more than a warm-up and 6 calls."""
    told = tmp_path / "told"
    where = ("--dataset", "mvtec3d", "--data", larger_mvtec, "--categories", "bagel", "--shots", "5")
    method = f"misbehaving[how=tell,where={told},seconds=0.2]"
    assert harness("run", "--methods", method, *where, "--preset", "quick", "--write-plan", "plan.json").returncode == 0
    (entry,) = read_plan(tmp_path / "plan.json").entries
    write_job(tmp_path / "job.json", entry.job.placed(tmp_path / "results", None).on("cpu"))
    worker = subprocess.run(
        [sys.executable, "-m", "harness.running", "job.json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path_with(plugin_site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert worker.returncode == 0, worker.stderr
    (record,) = records()

    dataset = MVTec3D(larger_mvtec)
    refs = dataset.refs("bagel", "test")
    ids = [ref.id for ref in refs]
    mixed = sorted(ids, key=lambda name: digest([record["id"], name]))
    held = sorted((ids[position * 18 // 16] for position in range(16)), key=mixed.index)
    rest = [name for name in mixed if name not in held[:7]]
    calls = [line.split() for line in told.read_text().splitlines()][5:]  # after those of fit
    names = {str(crc32(dataset.decode(ref).rgb.tobytes())): ref.id for ref in refs}
    seen = [names[content] for _, content, _ in calls]
    assert record["latency"]["device"]["calls"] == 6
    assert seen[:18] == held[:7] + rest
    assert seen[18:] == held[: record["memory"]["peak_inference"]["calls"]]
    assert {threads for _, _, threads in calls[:7]} == {"1"}  # nothing is read meanwhile
    assert len({id for id, _, _ in calls}) >= 18 + 6  # no id says which sample it is

    store = Store(tmp_path / "results")
    images = read_details(store, store.all()[0]).images
    scores = [image.score for image in images]
    assert [image.id for image in images] == ids
    assert len(set(scores[:9])) == 3
    assert all(scores[index] == scores[index - index % 9 + index % 3] for index in range(18))

    events = [json.loads(line) for line in worker.stdout.splitlines()]
    assert [event["stage"] for event in events if event["kind"] == "stage"] == STAGES
    steps = [(event["done"], event["total"]) for event in events if event["stage"] == "score" and "done" in event]
    assert steps[0][0] in (7, 8)  # the first may come too soon after an event of latency
    assert steps == sorted(steps)
    assert steps[-1] == (18, 18)


def test_memory_is_told_with_its_source_or_a_reason(twice) -> None:
    memory = twice[0]["memory"]
    for name in ("static", "peak_fit", "peak_inference"):
        assert memory[name]["source"]
        assert memory[name]["mb"] is not None or memory[name]["reason"]
    for name in ("peak_fit_reserved", "peak_inference_reserved", "device_delta"):
        assert memory[name]["mb"] is None
        assert memory[name]["reason"]
    assert memory["peak_inference"]["calls"] == 6
    assert memory["state_check"]["agrees"] is True
    assert memory["state_check"]["reported_mb"] == pytest.approx(memory["paper_mb"])


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="this system has no high-water mark")
def test_a_method_that_holds_next_to_nothing_is_charged_next_to_nothing(twice) -> None:
    """Neither the harness's libraries nor its samples, maps and metrics are the method's."""
    for record in twice:
        assert record["memory"]["static"]["mb"] < 10
        assert record["memory"]["peak_inference"]["mb"] < 10


def test_energy_is_a_number_with_its_counter_or_has_a_reason(twice) -> None:
    energy = twice[0]["energy"]["strict"]
    assert (energy["joules"] is None) == bool(energy["reason"])
    assert energy["joules"] is None or energy["calls"] == twice[0]["latency"]["device"]["calls"]
    assert twice[0]["energy"]["default"] is None, "on a CPU there is one pass"


def test_latency_has_its_windows_and_reading_its_columns(twice) -> None:
    latency = twice[0]["latency"]
    assert latency["device"]["calls"] == latency["end_to_end"]["calls"] >= 100
    assert 0 < latency["device"]["median_ms"] < latency["end_to_end"]["median_ms"]
    for window in ("device_events", "device_default", "end_to_end_default"):
        assert latency[window]["median_ms"] is None
        assert latency[window]["reason"]
    assert latency["decode"]["calls"] == 6
    assert latency["clean"]["calls"] >= 3


def test_time_is_split_into_stages_and_into_method_and_overhead(twice) -> None:
    seconds = twice[0]["seconds"]
    assert list(seconds) == [*STAGES, "method", "overhead"]
    after_start = sum(seconds[stage] for stage in STAGES[1:])
    assert seconds["method"] + seconds["overhead"] == pytest.approx(after_start, abs=0.1)
    assert 0 < seconds["method"] < after_start


def test_the_environment_tells_who_provides_the_method_and_what_else_ran(twice) -> None:
    environment = twice[0]["environment"]
    provider = environment["provider"]
    assert (provider["distribution"], provider["version"]) == ("colour-distance", "0.1.0")
    assert len(provider["source"]) == 64
    assert environment["threads"] >= 1
    assert environment["deterministic_algorithms"] is None  # a method without torch
    assert environment["contended"] is (environment["contention"].startswith("other processes used"))
    assert environment["other_load_cores"] is None or environment["other_load_cores"] >= 0
