"""Other load on the machine, told apart from a measurement's own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness.measure.gpus import compute_processes, count_others, list_gpus, parse_compute_processes
from harness.measure.load import CpuTimes, LoadWatch, OtherLoad, beside_on_gpu, other_load
from harness.store.environment import Gpu

needs_proc = pytest.mark.skipif(not Path("/proc/stat").exists(), reason="this system has no /proc/stat")

SPIN = "import time\nend = time.monotonic() + {}\nwhile time.monotonic() < end: pass"
PASS = """
import json, time
from dataclasses import asdict
from harness.measure.load import LoadWatch
print("ready", flush=True)
input()
watch = LoadWatch("cpu")
time.sleep(1.2)
print(json.dumps(asdict(watch.finish())))
"""


@needs_proc
def test_a_busy_sibling_is_seen() -> None:
    busy = subprocess.Popen([sys.executable, "-c", SPIN.format(30)])
    measuring = subprocess.Popen([sys.executable, "-c", PASS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert measuring.stdout.readline() == "ready\n"
        found = json.loads(measuring.communicate("go\n", timeout=60)[0])
    finally:
        for process in (busy, measuring):
            process.kill()
            process.wait()
    assert found["contended"] is True
    assert found["cores"] > 0.1 * os.cpu_count()
    assert found["sentence"].startswith("other processes used ")


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def hash_for(seconds: float) -> None:
    """Keep a core busy outside the interpreter's lock."""
    end = time.monotonic() + seconds
    block = bytes(1_000_000)
    while time.monotonic() < end:
        hashlib.sha256(block).digest()


def own_threads() -> None:
    threads = [threading.Thread(target=hash_for, args=(1.2,)) for _ in range(os.cpu_count())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def own_children() -> None:
    children = [subprocess.Popen([sys.executable, "-c", SPIN.format(1.2)]) for _ in range(os.cpu_count())]
    for child in children:
        child.wait()


@needs_proc
@pytest.mark.parametrize("work", [own_threads, own_children])
def test_own_load_is_not_taken_for_others(work) -> None:
    """Others can have used only what was left, however busy the machine is."""
    watch, started, before = LoadWatch("cpu"), time.perf_counter(), cpu_seconds()
    work()
    found, seconds = watch.finish(), time.perf_counter() - started
    own = (cpu_seconds() - before) / seconds
    assert own > 0.2
    assert found.cores <= os.cpu_count() - own + 0.25


@needs_proc
def test_children_that_still_run_are_own_too() -> None:
    with subprocess.Popen([sys.executable, "-c", SPIN.format(30)]) as child:
        try:
            time.sleep(0.3)
            watch, started, before = LoadWatch("cpu"), time.perf_counter(), child_seconds(child.pid)
            time.sleep(1)
            found, seconds = watch.finish(), time.perf_counter() - started
            own = (child_seconds(child.pid) - before) / seconds
        finally:
            child.kill()
    assert own > 0.1
    assert found.cores <= os.cpu_count() - own + 0.25


def child_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu(wall: float, busy: float, own: float) -> CpuTimes:
    return CpuTimes(wall, busy, own, cores=4)


@pytest.mark.parametrize(
    ("busy", "own", "limit", "contended", "cores"),
    [
        (20.0, 20.0, 0.1, False, 0.0),
        (19.0, 20.0, 0.1, False, 0.0),
        (24.0, 20.0, 0.1, False, 0.4),
        (24.2, 20.0, 0.1, True, 0.42),
        (24.2, 20.0, 0.5, False, 0.42),
        (22.0, 0.0, 0.5, True, 2.2),
    ],
)
def test_others_are_what_the_cores_did_less_what_one_did_oneself(busy, own, limit, contended, cores) -> None:
    found = other_load(cpu(100.0, 1000.0, 5.0), cpu(110.0, 1000.0 + busy, 5.0 + own), limit)
    assert found.contended is contended
    assert found.cores == pytest.approx(cores)
    assert bool(found.sentence) is contended


@pytest.mark.parametrize(
    ("begin", "end", "said"),
    [(None, None, "no /proc/stat"), (cpu(1.0, 1.0, 1.0), cpu(1.1, 1.4, 1.0), "too short")],
)
def test_what_cannot_be_told_is_said_and_not_called_contended(begin, end, said) -> None:
    found = other_load(begin, end, 0.1)
    assert (found.contended, found.cores) == (False, None)
    assert said in found.sentence


QUIET = OtherLoad(False, "", 0.1)


@pytest.mark.parametrize(
    ("load", "others", "contended", "said"),
    [
        (QUIET, [0, 0], False, ""),
        (QUIET, [0, 1], True, "1 other process used the GPU"),
        (QUIET, [3, 1], True, "3 other processes used the GPU"),
        (QUIET, [2, None], True, "2 other processes used the GPU"),
        (QUIET, [None, 0], False, "other processes on the GPU are unknown: the driver does not list even this one"),
        (OtherLoad(True, "busy cores", 3.0), [1, 1], True, "1 other process used the GPU; busy cores"),
        (OtherLoad(True, "busy cores", 3.0), [0, 0], True, "busy cores"),
    ],
)
def test_processes_on_the_gpu_are_load_too(load, others, contended, said) -> None:
    found = beside_on_gpu(load, others)
    assert (found.contended, found.sentence, found.cores) == (contended, said, load.cores)


LISTED = """\
GPU-1b2c3d4e-0000-1111-2222-333344445555, 4242
GPU-1b2c3d4e-0000-1111-2222-333344445555, 77
GPU-99999999-0000-1111-2222-333344445555, [Insufficient Permissions]
"""


def test_nvidia_smi_s_list_of_processes_is_read() -> None:
    first, second = "1b2c3d4e-0000-1111-2222-333344445555", "99999999-0000-1111-2222-333344445555"
    assert parse_compute_processes(LISTED) == {first: [4242, 77], second: [None]}
    assert parse_compute_processes("") == {}
    assert parse_compute_processes("No running processes found\n") == {}


@pytest.mark.parametrize(
    ("listed", "others"),
    [([], None), ([42], 0), ([42, 43], 0), ([42, 7], 1), ([7, 8, 9], 2), ([None], 0), ([None, 7], 1), ([42, None], 1)],
)
def test_own_processes_on_the_gpu_do_not_count_under_whatever_id(listed, others) -> None:
    assert count_others(listed, {42, 43}) == others


def test_nvidia_smi_is_asked_for_gpus_and_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    gpus, reason = list_gpus()
    assert (gpus, reason.rpartition(", and ")[2]) == ((), "nvidia-smi is not installed")
    assert compute_processes() == {}
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\ncase $1 in *gpu=*) echo 'Test GPU, 10 MiB, 1.2';; *) echo 'GPU-a, 5';; esac\n")
    tool.chmod(0o755)
    assert list_gpus() == ((Gpu("Test GPU", "10 MiB", "1.2"),), "")
    tool.write_text("#!/bin/sh\necho 'Test GPU, 10 MiB, 1.2, GPU-a, 300.00 W, 450.00 W, [N/A]'\n")
    assert list_gpus() == ((Gpu("Test GPU", "10 MiB", "1.2", "GPU-a", 300.0, 450.0),), "")
    tool.write_text("#!/bin/sh\ncase $1 in *gpu=*) echo 'Test GPU, 10 MiB, 1.2';; *) echo 'GPU-a, 5';; esac\n")
    assert compute_processes() == {"a": [5]}
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert list_gpus()[0] == ()
    assert "nvidia-smi fails" in list_gpus()[1]
