"""Fixtures of the whole suite: a private cache, a tiny dataset, and a real plugin installed beside the package.

Where the suite is spread over processes (``pytest -n 2``), each takes its share of the cores, and tests that measure
time, load or memory, or kill processes, run last and while no other test runs.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from samples import write_tiny_mvtec

PLUGIN = Path(__file__).parent / "plugin"
ALONE = ("measure", "launch")

hypothesis.settings.register_profile("harness", deadline=None)
hypothesis.settings.load_profile("harness")

os.environ["COLUMNS"] = "120"  # read where a module makes its console, which may be before any fixture

if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    share = max(1, (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
    os.environ["OMP_NUM_THREADS"] = str(share)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests that must run alone at the end."""
    items.sort(key=runs_alone)


def runs_alone(item: pytest.Item) -> bool:
    return item.path.parent.name in ALONE


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Share a lock with the other processes, or hold it alone."""
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if runs_alone(item) else fcntl.LOCK_SH)
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def _no_group_is_killed() -> Iterator[None]:
    """Fail a test that sends a signal to process 0 or below: these are groups, and this process is in one of them."""
    kill = os.kill

    def checked(pid: int, sign: int) -> None:
        assert pid > 0, f"{pid} is not one process"
        kill(pid, sign)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "kill", checked)
        yield


@pytest.fixture(scope="module", autouse=True)
def _memory_is_given_back() -> Iterator[None]:
    """Return freed memory to the system after each file of tests: a process runs hundreds of them, with networks."""
    yield
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # of glibc alone
        trim(0)


@pytest.fixture(scope="session", autouse=True)
def _private_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep a user's cache, data and settings out of the tests."""
    for name in [name for name in os.environ if name.startswith("HARNESS_") and name != "HARNESS_TEST_DATA"]:
        del os.environ[name]
    os.environ["HARNESS_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def plugin_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the plugin project, as its users would, into a folder of its own."""
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(site), str(PLUGIN)], check=True)
    return site


Harness = Callable[..., "subprocess.CompletedProcess[str]"]
Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def search_path(plugin_site: Path) -> str:
    """What Python searches so that the plugin is installed."""
    return os.pathsep.join(filter(None, (str(plugin_site), os.environ.get("PYTHONPATH"))))


@pytest.fixture
def harness(search_path: str, tmp_path: Path) -> Harness:
    """Run the command line in a folder of its own, with the plugin installed."""

    def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "harness", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": search_path} | environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def spawn(search_path: str, tmp_path: Path) -> Iterator[Spawn]:
    """Start the command line as ``harness`` runs it and kill it at the end; ``before`` is called in the new process."""
    started = []

    def start(
        *arguments: str | Path, before: Callable[[], object] = lambda: None, **environment: str
    ) -> subprocess.Popen[str]:
        def prepare() -> None:
            for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(sign, signal.SIG_DFL)  # a background job inherits "ignore"
            before()

        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": search_path} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=prepare,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def records(tmp_path: Path) -> Callable[[], list[dict[str, Any]]]:
    """Read the records of the results folder, in the order of their names."""

    def read(folder: Path = tmp_path / "results") -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted((folder / "cells").glob("*.json"))]

    return read


@pytest.fixture(scope="session")
def tiny_mvtec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two categories of a tiny dataset; never written to."""
    return write_tiny_mvtec(tmp_path_factory.mktemp("data") / "mvtec3d")
