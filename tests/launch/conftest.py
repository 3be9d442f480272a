"""Runs of a method that goes wrong, on a tiny dataset, in real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(plugin_site: Path, tiny_mvtec: Path, tmp_path: Path) -> Iterator[Start]:
    """Start ``harness run`` on the tiny dataset at 5 shots; ``before`` is called in the new process."""
    started = []
    path = os.pathsep.join(filter(None, (str(plugin_site), os.environ.get("PYTHONPATH"))))

    def call(methods: str, *more: str | Path, before: Callable[[], object] = lambda: None) -> subprocess.Popen[str]:
        def prepare() -> None:
            for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(sign, signal.SIG_DFL)  # a background job inherits "ignore"
            before()

        fixed = ["--dataset", "mvtec3d", "--data", tiny_mvtec, "--shots", "5", "--preset", "quick"]
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", "run", "--methods", methods, *map(str, (*fixed, *more))],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=prepare,
        )
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def finish(start: Start) -> Callable[..., tuple[int, str]]:
    """Run to the end, and return exit code and all that was printed, blanks folded."""

    def call(methods: str, *more: str | Path, **keywords: Callable[[], object]) -> tuple[int, str]:
        process = start(methods, *more, **keywords)
        printed, said = process.communicate(timeout=120)
        assert "Traceback" not in said
        return process.returncode, " ".join((printed + said).split())

    return call
