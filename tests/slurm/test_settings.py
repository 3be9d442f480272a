"""What a user tells Slurm, and the batch script that comes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from report_records import make_record

from harness import registry
from harness.errors import UsageError
from harness.plan.job import Job
from harness.slurm.resources import Needs, classes_of, devices_of, needs_of, options_of
from harness.slurm.script import PullerScript, passed_environment
from harness.slurm.settings import SlurmSettings, read_slurm_settings
from harness.store.measurements import Memory, Size


def test_what_is_typed_wins_over_the_project() -> None:
    table = {"partition": "long", "cpus_per_task": 6, "requeue-not": True, "setup": ["module load a"], "workers": 3}
    settings = read_slurm_settings(
        {**table, "cpu": {"partition": "cpu"}}, ["partition=gpu,gres=gpu:a100:1,nodelist=n[1,2]", "cpu.mem=8G"]
    )
    assert settings.options == {
        "partition": "gpu",
        "cpus-per-task": "6",
        "requeue-not": "",
        "gres": "gpu:a100:1",
        "nodelist": "n[1,2]",
    }
    assert settings.cpu_options == {"partition": "cpu", "mem": "8G"}
    assert (settings.setup, settings.pullers) == (("module load a",), 3)
    typed = read_slurm_settings(table, ["exclusive=no,time=90m,poll=1s,look-again=2m"], ["module load b"], 5)
    assert typed.options["exclusive"] == "no"
    assert typed.options["time"] == "90"
    assert (typed.poll_seconds, typed.look_again_seconds) == (1.0, 120.0)
    assert (typed.setup, typed.pullers) == (("module load b",), 5)


@pytest.mark.parametrize(
    ("time", "minutes"), [("8h", "480"), ("30s", "1"), ("90s", "2"), ("2d", "2880"), ("1-12:00", "1-12:00")]
)
def test_times_as_elsewhere_in_harness_or_as_slurm_writes_them(time: str, minutes: str) -> None:
    assert read_slurm_settings({}, [f"time={time}"]).options == {"time": minutes}


@pytest.mark.parametrize(
    ("table", "given", "fact"),
    [
        ({}, "array=0-9", "'array' is an option of sbatch that harness sets itself"),
        ({}, "cpu.requeue", "'requeue' is an option of sbatch that harness sets itself"),
        ({}, "Partition x=1", "'Partition x' is not a long option"),
        ({}, "comment=a\nb", "not a valid value of an option"),
        ({}, "poll=soon", "'poll=soon' is not a valid time"),
        ({"partition": ["a"]}, "", "sets 'partition' to neither a text nor a number"),
        ({"cpu": "mem=8G"}, "", "[tool.harness.slurm.cpu]"),
        ({"setup": 3}, "", "sets 'setup'"),
        ({"workers": 0}, "", "sets 'workers' to 0"),
    ],
)
def test_wrong_settings_are_refused(table: dict[str, object], given: str, fact: str) -> None:
    with pytest.raises(UsageError) as error:
        read_slurm_settings(table, [given] if given else [])
    assert fact in str(error.value)


def jobs(*methods: str) -> list[Job]:
    return [Job(make_record(method).cell, None, ("a",), {}) for method in methods]


@pytest.fixture
def one_without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``btf`` be a method that uses no GPU, with sixteen cores."""
    method = registry.load("btf")
    monkeypatch.setattr(method, "meta", replace(method.meta, uses_gpu=False, cores=16))


def test_methods_without_a_gpu_occupy_none(one_without_gpu: None) -> None:
    settings = read_slurm_settings(
        {}, ["partition=gpu,gres=gpu:1,constraint=a100", "cpu.partition=cpu,cpu.constraint=no"]
    )
    cells = jobs("btf", "cfm", "cfm-t")
    classes = classes_of(cells, ("auto",), settings)
    assert {name: [job.cell.method for job in of] for name, of in classes.items()} == {
        "gpu": ["cfm", "cfm-t"],
        "cpu": ["btf"],
    }
    assert options_of("cpu", needs_of(classes["cpu"], []), settings) == {
        "exclusive": "",
        "cpus-per-task": "16",
        "partition": "cpu",
    }
    assert options_of("gpu", needs_of(classes["gpu"], []), settings) == {
        "exclusive": "",
        "cpus-per-task": "4",
        "partition": "gpu",
        "gres": "gpu:1",
        "constraint": "a100",
    }
    assert (devices_of("cpu", ("auto",)), devices_of("gpu", ("auto",))) == (("cpu",), ("cuda",))


def test_classes_follow_the_devices_that_are_named(one_without_gpu: None) -> None:
    cells, plain = jobs("btf", "cfm"), SlurmSettings()
    assert list(classes_of(cells, ("auto",), plain)) == ["any"]
    assert list(classes_of(cells, ("cpu",), read_slurm_settings({}, ["gres=gpu:1"]))) == ["cpu"]
    assert list(classes_of(cells, ("cuda:0",), plain)) == ["cpu", "gpu"]
    assert classes_of([], ("cpu",), plain) == classes_of([], ("auto",), plain) == {}
    assert options_of("gpu", Needs(4), plain)["gres"] == "gpu:1"
    assert "gres" not in options_of("any", Needs(4), plain)
    assert (devices_of("any", ("auto",)), devices_of("gpu", ("cuda:0",))) == (("auto",), ("cuda:0",))


def test_memory_by_the_peaks_of_earlier_records() -> None:
    earlier = [
        replace(make_record("cfm", name), memory=Memory(peak_fit=Size(mb=fit), peak_inference=Size(mb=2000.0)))
        for name, fit in (("bagel", 1000.0), ("carrot", 8000.0))
    ]
    of_another = [replace(make_record("btf"), memory=Memory(peak_fit=Size(mb=99_000.0)))]
    needs = needs_of(jobs("cfm"), [*earlier, *of_another])
    assert needs == Needs(4, 15_000)
    assert needs_of(jobs("cfm"), []) == Needs(4)
    assert options_of("cpu", needs, SlurmSettings())["mem"] == "15000M"
    assert options_of("cpu", needs, read_slurm_settings({}, ["mem-per-cpu=2G"])) == {
        "exclusive": "",
        "cpus-per-task": "4",
        "mem-per-cpu": "2G",
    }
    assert "exclusive" not in options_of("cpu", needs, read_slurm_settings({}, ["exclusive=no"]))


def test_the_script_runs_this_interpreter_with_the_variables_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_WEIGHTS_DIR", "/a b/$weights")
    monkeypatch.setenv("HARNESS_CACHE", "/shared/cache")
    monkeypatch.setenv("SECRET", "x")
    folder = tmp_path / "50%"
    script = PullerScript(
        "harness-1", folder, 3, {"gres": "gpu:1", "exclusive": ""}, ("echo set up",), passed_environment(), tmp_path
    )
    lines = script.text().splitlines()
    assert lines[0] == "#!/bin/bash -l"
    header = [line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")]
    assert {"array=0-2", "no-requeue", "signal=B:TERM@60", "export=NIL", "gres=gpu:1", "exclusive"} <= set(header)
    assert f"output={tmp_path}/50%%/puller-%A_%a.log" in header
    assert lines[-1] == f"exec {sys.executable} -P -m harness run --plan {folder}/plan.json"
    shown = "\n".join([*lines[:-2], "env"])
    done = subprocess.run(["bash", "-c", shown], env={"TMPDIR": "/local"}, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("set up\n")
    variables = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    assert variables["HARNESS_WEIGHTS_DIR"] == "/a b/$weights"
    assert variables["HARNESS_CACHE"] == f"/local/harness-{os.getuid()}"
    assert "SECRET" not in variables
    assert variables["PATH"] == os.environ["PATH"]
