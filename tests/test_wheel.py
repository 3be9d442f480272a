"""A wheel works outside the checkout, from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

TOP = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(TOP)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_splits_published_numbers_and_types_travel(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    for wanted in (
        "harness/_bundled/splits/mvtec3d/bagel.json",
        "harness/_bundled/published/costanzino2024.csv",
        "harness/_bundled/leaderboard/tolerances.csv",
        "harness/py.typed",
        "harness/report/html/report.css",
        "harness/report/html/scatter.js",
        "harness/report/html/templates/index.html",
        "methods/cfm.py",
    ):
        assert wanted in names
    assert not [name for name in names if name.startswith("tests/") or "cells" in name]


def test_the_command_works_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True)
    environment = os.environ | {"PYTHONPATH": str(site)}

    def call(*arguments: str) -> str:
        command = [sys.executable, "-m", "harness", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
        return done.stdout

    where = [sys.executable, "-c", "import harness, methods; print(harness.__file__, methods.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout
    assert found.count(str(site)) == 2
    ids = call("splits", "--dataset", "mvtec3d", "--category", "bagel", "--shots", "5", "--split", "first")
    assert ids.split() == [f"train/good/{index:03d}" for index in range(5)]
    assert "0.954" in call("tables", "--source", "published", "--table", "1")
    plan = call("run", "--methods", "cfm,cfm-t", "--shots", "10", "--dry-run")
    assert "4 of 4 cells to run" in plan
