"""Runs of a method that goes wrong, on a tiny dataset, in real processes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(spawn: Start, tiny_mvtec: Path) -> Start:
    """Start ``harness run`` on the tiny dataset at 5 shots; ``before`` is called in the new process."""
    fixed = ("--dataset", "mvtec3d", "--data", tiny_mvtec, "--shots", "5", "--preset", "quick")

    def call(methods: str, *more: str | Path, before: Callable[[], object] = lambda: None) -> subprocess.Popen[str]:
        return spawn("run", "--methods", methods, *fixed, *more, before=before)

    return call


@pytest.fixture
def finish(start: Start) -> Callable[..., tuple[int, str]]:
    """Run to the end, and return exit code and all that was printed, blanks folded."""

    def call(methods: str, *more: str | Path, **keywords: Callable[[], object]) -> tuple[int, str]:
        process = start(methods, *more, **keywords)
        printed, said = process.communicate(timeout=120)
        assert "Traceback" not in said
        return process.returncode, " ".join((printed + said).split())

    return call
