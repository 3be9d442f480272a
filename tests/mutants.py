"""Single-line faults, drawn by a seed, and whether the tests of their room notice them.

python tests/mutants.py                     # every area
python tests/mutants.py splits metrics      # some areas
python tests/mutants.py --only splits.py:97 # faults whose name holds this text
python tests/mutants.py --list              # the drawn faults, without running anything

The working tree is copied and only the copy is changed. Before any fault counts as noticed, the tests of its area
must pass on the copy as it is, and must fail for each module that can't be imported: tests that fail or that run
other code than the copy's end the run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import Phase, settings
from mutant_faults import Fault, drawn

TOP = Path(__file__).resolve().parents[1]
SEED = "2026"
AREAS_FILE = Path(__file__).with_name("mutants.toml")
BASELINE_LIMIT = 600.0
SHORTEST_LIMIT = 30.0
LIMIT_RATIO = 5.0
"""A fault's tests may take so many times the seconds of the tests without a fault, and never less than 30 s."""
PYTEST = ("-x", "-q", "--tb=line", "-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin")
PYTEST += ("--hypothesis-seed=0", "--hypothesis-profile=mutants", "-o", "addopts=--strict-markers")
OURS = ("harness", "methods", "conftest", "samples", "mutants", "mutant_faults")
PRELOADED = ("numpy", "pandas", "PIL.Image", "scipy.ndimage", "scipy.spatial", "sklearn.cluster", "torch")
"""Imported once: every run is forked from this process, which imports nothing of the tree."""
# The first failure is enough, however long its example is.
settings.register_profile("mutants", deadline=None, phases=(Phase.explicit, Phase.generate))
BROKEN = 'raise RuntimeError("this module is broken on purpose")\n'


@dataclass(frozen=True, slots=True)
class Area:
    """How many faults are drawn, and the tests that should notice those of each module."""

    name: str
    number: int
    modules: dict[str, list[str]]


def areas(names: Sequence[str] = ()) -> list[Area]:
    """Return the named areas of ``mutants.toml``, all where there is no name."""
    found = [
        Area(
            name,
            table["faults"],
            {module: [f"tests/{test}" for test in tests] for module, tests in table["modules"].items()},
        )
        for name, table in tomllib.loads(AREAS_FILE.read_text("utf-8")).items()
    ]
    if unknown := set(names) - {area.name for area in found}:
        known = ", ".join(area.name for area in found)
        raise SystemExit(f"There is no area {', '.join(sorted(unknown))}: choose of {known}.")
    return [area for area in found if not names or area.name in names]


class Copy:
    """A copy of the working tree in which one module at a time is faulty."""

    def __init__(self, folder: Path) -> None:
        self.top = folder
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=TOP, check=True, capture_output=True, text=True).stdout.split("\0")
        for name in filter(None, names):
            if (TOP / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(TOP / name, folder / name)

    def run(self, tests: Sequence[str], limit: float) -> tuple[str, str, float]:
        """Run tests in a child; return passed, failed or timeout, what pytest said, and the seconds it took."""
        shutil.rmtree(self.top / ".hypothesis", ignore_errors=True)
        start = time.monotonic()
        with tempfile.TemporaryFile() as said:
            child = os.fork()
            if child == 0:
                self.run_here(tests, said.fileno())
            code = wait_for(child, start + limit)
            said.seek(0)
            words = said.read().decode(errors="replace")
        verdict = {None: "timeout", 0: "passed"}.get(code, "failed")
        return verdict, words, time.monotonic() - start

    def run_here(self, tests: Sequence[str], said: int) -> NoReturn:
        """Run tests with the copy's modules in this process, which ends with pytest's exit code."""
        code = 70
        try:
            os.setsid()
            os.dup2(said, 1)
            os.dup2(said, 2)
            os.chdir(self.top)
            os.environ.update({"PYTHONPATH": str(self.top), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
            sys.path[:] = [str(self.top), *(path for path in sys.path if not path.startswith(str(TOP)))]
            for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
                del sys.modules[name]
            code = int(pytest.main([*PYTEST, *tests]))
        finally:
            sys.stdout.flush()
            os._exit(code)

    def run_with(self, module: str, source: str, tests: Sequence[str], limit: float) -> tuple[str, str, float]:
        """Run tests with another source of one module, then put the old one back."""
        path = self.top / module
        true = path.read_text("utf-8")
        try:
            self.write(path, source)
            return self.run(tests, limit)
        finally:
            self.write(path, true)

    def write(self, path: Path, source: str) -> None:
        """Write a module, and leave no compiled file that could pass for it."""
        path.write_text(source, "utf-8")
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()


def wait_for(child: int, end: float) -> int | None:
    """Return the exit code of a child, or None where it and what it started had to be killed at the given time."""
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def check_controls(copy: Copy, module: str, tests: Sequence[str]) -> float:
    """Return the seconds of the tests without a fault; end the run where the tests prove nothing."""
    verdict, said, seconds = copy.run(tests, BASELINE_LIMIT)
    if verdict != "passed":
        raise SystemExit(f"The tests of {module} fail without any fault, so that they would notice every one.\n{said}")
    if copy.run_with(module, BROKEN, tests, BASELINE_LIMIT)[0] == "passed":
        raise SystemExit(f"The tests of {module} pass where it can't be imported: they don't run it.")
    return seconds


def first_failure(said: str) -> str:
    """Return the test that noticed, as pytest's summary names it."""
    lines = [line for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return lines[0].split(" ", 1)[1].split(" - ")[0] if lines else "pytest did not start"


def run_area(copy: Copy, area: Area, faults: Sequence[Fault]) -> list[dict[str, object]]:
    """Try faults one after the other; print and return the outcome of each."""
    outcomes: list[dict[str, object]] = []
    for module, group in groupby(faults, key=lambda fault: fault.module):
        tests, source = area.modules[module], (copy.top / module).read_text("utf-8")
        seconds = check_controls(copy, module, tests)
        print(f"{area.name}: the tests of {module} pass in {seconds:.0f} s", flush=True)
        for fault in group:
            limit = max(SHORTEST_LIMIT, LIMIT_RATIO * seconds)
            verdict, said, took = copy.run_with(module, fault.apply(source), tests, limit)
            outcome = {"passed": "survived", "failed": "killed", "timeout": "timeout"}[verdict]
            by = first_failure(said) if outcome == "killed" else ""
            print(f"  {outcome:8} {fault} ({took:.0f} s) {by}", flush=True)
            if outcome != "killed":
                print(fault.diff(), flush=True)
            found = {"area": area.name, "outcome": outcome, "seconds": round(took, 1), "by": by}
            outcomes.append(found | asdict(fault))
    return outcomes


def print_rates(outcomes: Sequence[dict[str, object]]) -> None:
    """Print a table of the outcomes by area."""
    counts = Counter((str(each["area"]), str(each["outcome"])) for each in outcomes)
    kinds = ("killed", "timeout", "survived")
    print("\n| area | faults | " + " | ".join(kinds) + " |\n|---|--:|--:|--:|--:|")
    for name in (*dict.fromkeys(str(each["area"]) for each in outcomes), "all"):
        row = [sum(n for (area, kind), n in counts.items() if name in (area, "all") and kind == k) for k in kinds]
        print(f"| {name} | {sum(row)} | " + " | ".join(map(str, row)) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("areas", nargs="*", metavar="AREA", help="areas of mutants.toml; all where none is named")
    parser.add_argument("--seed", default=SEED)
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="faults whose name holds TEXT")
    parser.add_argument("--list", action="store_true", help="print the drawn faults and run nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcomes here")
    options = parser.parse_args()
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    for name in PRELOADED:
        importlib.import_module(name)
    outcomes: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = None if options.list else Copy(Path(folder))
        for area in areas(options.areas):
            faults = drawn(list(area.modules), area.number, options.seed, TOP)
            if options.only:
                faults = [fault for fault in faults if any(text in str(fault) for text in options.only)]
            if copy is None:
                print(f"{area.name}: {len(faults)} faults")
                for fault in faults:
                    print(f"  {fault}\n{fault.diff()}")
            elif faults:
                outcomes += run_area(copy, area, faults)
                if options.json:
                    options.json.write_text(json.dumps(outcomes, indent=1))
    if outcomes:
        print_rates(outcomes)


if __name__ == "__main__":
    main()
