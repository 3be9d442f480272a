"""No file of the current folder is imported by the command, by a worker or by a conformance process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = (
    "random",
    "numpy",
    "json",
    "signal",
    "typing",
    "click",
    "torch",
    "methods/__init__",
    "colour_distance",
    "encodings/__init__",
)
SCRIPT = ["-P", "-c", "from harness.__main__ import main; main()"]
"""What the installed script ``harness`` does."""


@pytest.fixture
def odd_folder(tmp_path: Path) -> Path:
    """A folder with modules of the names of others, each of which says that it was imported and fails."""
    for name in (*MODULES, "harness/__init__"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        said = tmp_path / f"{name.partition('/')[0]}.imported"
        path.write_text(f"open({str(said)!r}, 'w')\nraise ImportError('of the current folder')\n")
    return tmp_path


@pytest.mark.parametrize(("start", "verb"), [(SCRIPT, "run"), (["-m", "harness"], "run"), (SCRIPT, "verify")])
def test_files_of_the_current_folder_hide_no_module(
    odd_folder: Path, plugin_site: Path, tiny_mvtec: Path, start: list[str], verb: str
) -> None:
    if start != SCRIPT:  # python itself looks for the module "harness" here
        (odd_folder / "harness" / "__init__.py").unlink()
        (odd_folder / "harness").rmdir()
    arguments = {
        "run": ["--methods", "colour-distance", "--dataset", "mvtec3d", "--data", tiny_mvtec, "--shots", "5"],
        "verify": ["colour-distance"],
    }
    path = os.pathsep.join(filter(None, (str(plugin_site), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, *start, verb, *map(str, arguments[verb])],
        cwd=odd_folder,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(odd_folder.glob("*.imported"))


def test_a_checkout_that_is_not_installed_runs_its_own_code(
    tmp_path: Path, plugin_site: Path, tiny_mvtec: Path
) -> None:
    """Where ``python -m`` finds the package in the current folder, its workers find it there, too."""
    top = Path(__file__).parents[2]
    shutil.copytree(top / "harness", tmp_path / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("splits", "results"):
        (tmp_path / name).symlink_to(top / name)
    with (tmp_path / "harness" / "running" / "worker.py").open("a") as stream:
        stream.write("\nPath('own-worker').touch()\n")
    arguments = ["--methods", "colour-distance", "--dataset", "mvtec3d", "--data", tiny_mvtec, "--shots", "5"]
    done = subprocess.run(
        [sys.executable, "-m", "harness", "run", *map(str, arguments), "--results", "mine"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(plugin_site)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "own-worker").exists()
