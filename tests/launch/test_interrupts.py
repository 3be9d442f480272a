"""Ctrl-C at any moment: no record is lost or half written, nothing goes on running, and a rerun completes."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

from launch_helpers import workers_of

MOMENTS = 20
LATEST = 4.5
METHODS = "colour-distance,colour-distance[floor=2.0]"


def test_sigint_at_random_moments(start, tmp_path: Path) -> None:
    seed = time.time_ns()
    rng = random.Random(seed)
    folders = [tmp_path / "one", tmp_path / "two"]
    finished: dict[Path, set[str]] = {folder: set() for folder in folders}
    for _ in range(MOMENTS // len(folders)):
        processes = [start(METHODS, "--categories", "bagel", "--rerun", "all", "--results", one) for one in folders]
        began = time.monotonic()
        for moment, process in zip(sorted(rng.uniform(0, LATEST) for _ in folders), processes, strict=True):
            time.sleep(max(0, began + moment - time.monotonic()))
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
            told = f"seed {seed}, {moment:.3f} s: {process.returncode} {said}"
            assert process.returncode in (0, 130, -signal.SIGINT), told
            assert "Traceback" not in said or process.returncode == -signal.SIGINT, told
        for folder in folders:
            check(folder, finished[folder], f"seed {seed}")
        assert workers_of(tmp_path) == [], f"seed {seed}"
    for folder in folders:
        process = start(METHODS, "--categories", "bagel", "--results", folder)
        process.communicate(timeout=120)
        assert process.returncode == 0
        check(folder, finished[folder], f"seed {seed}")
        assert len(finished[folder]) == 2
        assert not list((folder / "plans").iterdir())


def check(folder: Path, finished: set[str], told: str) -> None:
    """Every record is whole, none that was there is gone, and no half file or lock is left."""
    cells = folder / "cells"
    names = {path.name for path in cells.iterdir()} if cells.is_dir() else set()
    assert finished <= names, told
    assert all(json.loads((cells / name).read_text())["status"] == "ok" for name in names), told
    assert not [path for path in folder.rglob("*") if path.suffix in (".tmp", ".lock")], told
    finished |= names
