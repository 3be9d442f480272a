"""How long the command line takes to start: ratio to importing numpy, and seconds.

Seconds are of the processor, which are those of the clock where nothing else runs.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from dataclasses import dataclass
from time import perf_counter

import pytest

ROUNDS = 7
MOST_SECONDS = 0.5

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import numpy": ["-c", "import numpy"],
    "harness --help": ["-m", "harness", "--help"],
    "harness status --help": ["-m", "harness", "status", "--help"],
    "harness run --dry-run": ["-m", "harness", "run", "--methods", "cfm", "--device", "cpu", "--dry-run"],
}
MOST_RATIO = {"harness --help": 1.5, "harness status --help": 3, "harness run --dry-run": 5}
"""To importing numpy."""


@dataclass(frozen=True, order=True)
class Seconds:
    processor: float
    clock: float


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty folder, with the toy dataset in the cache."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    start(COMMANDS["harness run --dry-run"])


def start(command) -> Seconds:
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    subprocess.run([sys.executable, *command], capture_output=True, check=True)
    after, end = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    return Seconds(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, end - begin)


def test_the_command_line_starts_fast(empty, benchmark, capsys):
    rounds = [{name: start(command) for name, command in COMMANDS.items()} for _ in range(ROUNDS)]
    best = {name: min(one[name] for one in rounds) for name in COMMANDS}
    ratios = {name: found.processor / best["import numpy"].processor for name, found in best.items()}
    benchmark.extra_info["ratios"] = ratios
    benchmark.pedantic(start, args=(COMMANDS["harness --help"],), rounds=1)
    with capsys.disabled():
        print(f"\n{'':24}{'processor s':>13}{'clock s':>9}{'to numpy':>10}")
        for name, found in best.items():
            print(f"{name:24}{found.processor:13.3f}{found.clock:9.3f}{ratios[name]:10.1f}")
    assert {name for name, most in MOST_RATIO.items() if ratios[name] > most} == set()
    assert {name for name in MOST_RATIO if best[name].processor > MOST_SECONDS} == set()
