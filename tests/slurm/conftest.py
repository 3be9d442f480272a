"""A real Slurm of one node, started once, and runs whose pullers it starts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_bed import Bed, MissingPackagesError
from slurm_runs import SIZES, Finish, Start, outcome


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """The cluster of all tests of this process."""
    bed = Bed(tmp_path_factory.mktemp("slurm"))
    try:
        bed.start()
        yield bed
    except MissingPackagesError as error:
        pytest.skip(str(error))
    finally:
        bed.stop()


@pytest.fixture
def bed(cluster: Bed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bed]:
    """The cluster as this process and its children meet it; it has no job before and after a test."""
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    yield cluster
    cluster.clear()


@pytest.fixture
def gates(tmp_path: Path) -> Path:
    """Folder in which a file named like a category lets its cells go on."""
    folder = tmp_path / "gates"
    folder.mkdir()
    return folder


@pytest.fixture
def methods(gates: Path) -> str:
    """Six methods whose cells wait for the gate of their category."""
    file = Path(__file__).with_name("gated.py")
    return ",".join(f"{file}:Gated[folder={gates},size={size}]" for size in SIZES)


@pytest.fixture
def start(bed: Bed, spawn: Start, tiny_mvtec: Path, tmp_path: Path) -> Start:
    """Start ``harness``; a method starts a run on the tiny dataset, with pullers on the cluster."""
    (tmp_path / "harness.toml").write_text(
        f'[slurm]\nexclusive = false\npoll = "1s"\nlook-again = "2s"\ncpus-per-task = 1\n'
        f'setup = ["export HARNESS_CACHE={os.environ["HARNESS_CACHE"]} TMPDIR={tmp_path}"]\n'
    )
    where = ("--dataset", "mvtec3d", "--data", tiny_mvtec, "--preset", "quick", "--shots", "5", "--launcher", "slurm")

    def run(*arguments: str | Path, methods: str = "") -> subprocess.Popen[str]:
        return spawn(*(("run", "--methods", methods, *where, *arguments) if methods else arguments))

    return run


@pytest.fixture
def finish(start: Start) -> Finish:
    return lambda *arguments, **keywords: outcome(start(*arguments, **keywords))
