"""Runs with faults, many times each: what is lost, half written, left running or told as a traceback.

    PYTHONPATH=tests python tests/bench/fault_runs.py --repeats 20

prints a table for docs/reliability.md. Each run measures two cells of a tiny dataset in a results folder that has a
record already; after the fault the same command runs again without it, and must finish.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from conftest import PLUGIN
from launch_helpers import alive, workers_of
from samples import write_tiny_mvtec

from harness.store.details import read_counts
from harness.store.store import Store

LATEST = 4.0
"""Seconds after which the latest fault happens."""
SETTLED = 10.0
"""Seconds that processes are given to end after their run has ended."""
CODES = (0, 3, 5, 130, -signal.SIGKILL)
WRONGS = ("lost", "half records", "leftovers", "tracebacks", "not finished again")


@dataclass
class Place:
    """A folder of its own for one run."""

    folder: Path
    data: Path
    environment: dict[str, str]
    rng: random.Random
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def start(self, method: str, *more: str, before: Callable[[], object] | None = None) -> subprocess.Popen[str]:
        """Start a run of a method on both categories."""
        fixed = ["--dataset", "mvtec3d", "--data", str(self.data), "--shots", "5", "--preset", "quick"]

        def prepare() -> None:
            for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(sign, signal.SIG_DFL)
            if before is not None:
                before()

        process = subprocess.Popen(
            [sys.executable, "-m", "harness", "run", "--methods", method, *fixed, *more],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=prepare,
        )
        self.processes.append(process)
        return process

    def wait_a_moment(self) -> None:
        time.sleep(self.rng.uniform(0, LATEST))

    def workers(self) -> list[int]:
        """Wait, for a while, until there is a worker."""
        deadline = time.monotonic() + 30
        while not (found := workers_of(self.folder)) and time.monotonic() < deadline:
            if self.processes[-1].poll() is not None:
                return []
            time.sleep(0.02)
        return found


PLAIN = "colour-distance"


def _signal_run(sign: signal.Signals) -> Callable[[Place], None]:
    def fault(place: Place) -> None:
        process = place.start(PLAIN)
        place.wait_a_moment()
        process.send_signal(sign)

    return fault


def _signal_worker(sign: signal.Signals) -> Callable[[Place], None]:
    def fault(place: Place) -> None:
        place.start(PLAIN)
        workers = place.workers()
        time.sleep(place.rng.uniform(0, 1.5))
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, sign)

    return fault


def _stop_then_interrupt(place: Place) -> None:
    _signal_worker(signal.SIGSTOP)(place)
    place.processes[-1].send_signal(signal.SIGINT)


def _wrong_method(how: str, *more: str) -> Callable[[Place], None]:
    def fault(place: Place) -> None:
        place.start(f"misbehaving[how={how},category=bagel,where={place.folder / 'children'},seconds=30]", *more)

    return fault


def _kill_run_of(how: str, *, guard: bool = False) -> Callable[[Place], None]:
    def fault(place: Place) -> None:
        _wrong_method(how)(place)
        place.workers()
        place.wait_a_moment()
        for pid in workers_of(place.folder, b"harness.running.lifeline") if guard else ():
            os.kill(pid, signal.SIGKILL)
        place.processes[-1].kill()

    return fault


def _small_files(place: Place) -> None:
    """Every file ends at some size, as on a disk that fills up."""
    size = place.rng.randrange(100, 40_000)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    place.start(PLAIN, before=limit)


def _remove_results(place: Place) -> None:
    place.start(PLAIN)
    place.wait_a_moment()
    for name in ("counts", "logs", "locks"):
        shutil.rmtree(place.results / name, ignore_errors=True)


def _own_data(place: Place) -> list[Path]:
    copy = place.folder / "data" / "mvtec3d"
    shutil.copytree(place.data, copy)
    place.data = copy
    return sorted((copy / "bagel").rglob("*.png"))


def _truncate_data(place: Place) -> None:
    path = place.rng.choice(_own_data(place))
    path.write_bytes(path.read_bytes()[: place.rng.randrange(60)])
    place.start(PLAIN)


def _lose_data(place: Place) -> None:
    path = place.rng.choice(_own_data(place))
    place.start(PLAIN)
    place.wait_a_moment()
    path.unlink()


def _two_runs(place: Place) -> None:
    first, second = place.start(PLAIN), place.start(PLAIN)
    place.wait_a_moment()
    place.rng.choice((first, second)).kill()


def _odd_plans(place: Place) -> None:
    plans = place.results / "plans"
    plans.mkdir(parents=True, exist_ok=True)
    (plans / "odd.json").write_bytes(place.rng.randbytes(200))
    place.start(PLAIN)


KINDS: dict[str, Callable[[Place], None]] = {
    "run: SIGINT": _signal_run(signal.SIGINT),
    "run: SIGTERM": _signal_run(signal.SIGTERM),
    "run: SIGHUP": _signal_run(signal.SIGHUP),
    "run: SIGKILL": _signal_run(signal.SIGKILL),
    "worker: SIGKILL": _signal_worker(signal.SIGKILL),
    "worker: SIGTERM": _signal_worker(signal.SIGTERM),
    "worker: SIGSTOP, then run: SIGINT": _stop_then_interrupt,
    "run: SIGKILL while a method has children": _kill_run_of("sleep"),
    "run: SIGKILL while native code holds the interpreter": _kill_run_of("hold"),
    "guard and run: SIGKILL": _kill_run_of("hold", guard=True),
    "time limit": _wrong_method("sleep", "--timeout", "4s"),
    "method raises": _wrong_method("raise"),
    "method's maps hold NaN": _wrong_method("nan"),
    "worker dies half way through a record": _wrong_method("die-writing"),
    "worker dies half way through counts": _wrong_method("die-counting"),
    "files end at some size, as on a full disk": _small_files,
    "folders of the results vanish": _remove_results,
    "an image is truncated": _truncate_data,
    "an image vanishes": _lose_data,
    "two runs, one killed; an odd plan beside them": lambda place: (_odd_plans(place), _two_runs(place))[1],
}


def try_once(kind: str, place: Place) -> list[str]:
    """Run with a fault, look what is there, and run again without it; returns what went wrong."""
    kept = {path: path.read_bytes() for path in (place.results / "cells").iterdir()}
    original = place.data
    KINDS[kind](place)
    said = "".join(process.communicate(timeout=300)[0] for process in place.processes)
    codes = [process.returncode for process in place.processes]
    deadline = time.monotonic() + SETTLED
    while (left := workers_of(place.folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    wrong = []
    if left:
        wrong.append("leftovers")
        for pid in alive(left):
            os.kill(pid, signal.SIGKILL)
    early = [code for code in codes if code not in CODES]
    if "Traceback" in said or early:
        wrong.append("tracebacks")
    wrong += _wrong_files(place, kept)
    place.data, place.processes = original, []
    again = place.start(PLAIN)
    again.communicate(timeout=300)
    if again.returncode or len([record for record in _records(place) if record.status == "ok"]) < len(kept) + 2:
        wrong.append("not finished again")
    files = [path for path in place.results.rglob("*") if path.suffix in (".tmp", ".lock")]
    if files or _wrong_files(place, kept):
        wrong.append("leftovers" if files else "lost")
    return sorted(set(wrong))


def _records(place: Place) -> Sequence[object]:
    return Store(place.results).all()


def _wrong_files(place: Place, kept: dict[Path, bytes]) -> list[str]:
    """Return whether a record that was there is another now, and whether one is only half there."""
    wrong = [] if all(path.exists() and path.read_bytes() == content for path, content in kept.items()) else ["lost"]
    store = Store(place.results)
    records = store.all()
    try:
        for record in records:
            if record.status == "ok" and store.counts_path(record.cell).exists():
                read_counts(store, record)
    except Exception:
        wrong.append("half records")
    return wrong + (["half records"] if store.left_out else [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        site, data = top / "site", write_tiny_mvtec(top / "mvtec3d")
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run([*install, "--target", str(site), str(PLUGIN)], check=True)
        path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
        environment = os.environ | {"PYTHONPATH": path, "HARNESS_CACHE": str(top / "cache"), "OMP_NUM_THREADS": "1"}
        base = Place(top / "base", data, environment, random.Random(0))
        base.folder.mkdir()
        assert base.start(f"{PLAIN}[floor=2.0]", "--categories", "carrot").wait() == 0
        print(f"{date.today()}, {platform.processor() or platform.machine()}, {os.cpu_count()} cores, ", end="")
        print(f"{chosen.repeats} runs of each kind, seed {chosen.seed}\n\n| fault | runs | {' | '.join(WRONGS)} |")
        print(f"| --- | {' | '.join(['---:'] * (len(WRONGS) + 1))} |", flush=True)
        for kind in chosen.kinds:
            found: Counter[str] = Counter()
            for number in range(chosen.repeats):
                place = Place(top / "one", data, environment, random.Random(f"{chosen.seed} {kind} {number}"))
                shutil.copytree(base.folder, place.folder)
                wrong = try_once(kind, place)
                found.update(wrong)
                if wrong:
                    print(f"{kind}, run {number}: {', '.join(wrong)}", file=sys.stderr, flush=True)
                shutil.rmtree(place.folder)
            print(f"| {kind} | {chosen.repeats} | {' | '.join(str(found[one]) for one in WRONGS)} |", flush=True)


if __name__ == "__main__":
    main()
