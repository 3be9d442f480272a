"""A whole cell, run twice by the command line: what its record holds of speed, memory and environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

STAGES = ["start", "load", "fit", "state", "score", "metrics", "latency", "memory", "record"]


@pytest.fixture(scope="module")
def twice(plugin_site: Path, tiny_mvtec: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Run one cell in two processes, into two results folders, and return both records."""
    folders = [tmp_path_factory.mktemp("run") for _ in range(2)]
    command = [sys.executable, "-m", "harness", "run", "--methods", "colour-distance", "--dataset", "mvtec3d"]
    command += ["--data", str(tiny_mvtec), "--categories", "bagel", "--shots", "5", "--preset", "quick"]
    environment = os.environ | {"PYTHONPATH": str(plugin_site), "OMP_NUM_THREADS": "1"}
    for folder in folders:
        subprocess.run([*command, "--device", "cpu"], cwd=folder, env=environment, check=True, timeout=120)
    return [json.loads(next((folder / "results" / "cells").glob("*.json")).read_text()) for folder in folders]


def test_two_runs_of_one_cell_give_identical_metrics(twice) -> None:
    first, second = twice
    assert first["status"] == second["status"] == "ok"
    assert first["id"] == second["id"]
    for part in ("metrics", "by_defect", "images", "undefined", "samples"):
        assert first[part] == second[part]


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


def test_latency_has_its_windows_and_reading_its_columns(twice) -> None:
    latency = twice[0]["latency"]
    assert latency["device"]["calls"] == latency["end_to_end"]["calls"] >= 100
    assert 0 < latency["device"]["median_ms"] < latency["end_to_end"]["median_ms"]
    assert latency["device_events"]["median_ms"] is None
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
    assert environment["provider"] == {"distribution": "colour-distance", "version": "0.1.0"}
    assert environment["threads"] >= 1
    assert "deterministic_algorithms" not in environment  # a method without torch
    assert environment["contended"] is (environment["contention"].startswith("other processes used"))
    assert environment["other_load_cores"] is None or environment["other_load_cores"] >= 0
