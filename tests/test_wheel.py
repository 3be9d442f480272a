"""A wheel and a source archive work outside the checkout, in an environment that has nothing else installed."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest

from harness.distribution import DISTRIBUTION, VERSION, install_command

TOP = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@dataclass(frozen=True)
class Built:
    """A source archive, and the wheel that was built from it and not from the checkout."""

    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(TOP)]
    subprocess.run(command, check=True, capture_output=True)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Built(sdist, wheel)


def test_both_carry_the_name_of_the_distribution_and_the_version(built: Built) -> None:
    stem = f"{DISTRIBUTION.replace('-', '_')}-{VERSION}"
    assert built.sdist.name == f"{stem}.tar.gz"
    assert built.wheel.name == f"{stem}-py3-none-any.whl"
    metadata = message_from_bytes(ZipFile(built.wheel).read(f"{stem}.dist-info/METADATA"))
    assert (metadata["Name"], metadata["Version"]) == (DISTRIBUTION, VERSION)
    assert set(metadata.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])


def test_splits_published_numbers_and_types_travel(built: Built) -> None:
    names = ZipFile(built.wheel).namelist()
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
    assert not [name for name in names if name.startswith("tests/") or "/cells/" in name]


def test_the_source_archive_has_the_tests_and_the_documents(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "tox.ini", "README.md", "LICENSE", "tests/test_wheel.py", "docs/datasets.md"} <= names
    assert not [name for name in names if name.startswith(("results/cells", ".tox"))]


def test_the_command_works_in_a_bare_environment(built: Built, tmp_path: Path) -> None:
    home = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    python = str(bare / "bin" / "python")

    def call(*command: str) -> str:
        return subprocess.run(command, cwd=tmp_path, env=home, check=True, capture_output=True, text=True).stdout

    call(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", str(built.wheel))
    assert call(python, "-c", "import harness; print(harness.__version__)").strip() == VERSION
    where = call(python, "-c", "import harness, methods; print(harness.__file__, methods.__file__)")
    assert where.count(str(bare)) == 2

    # Stands for the download of the dependencies, torch among them: those of this interpreter, found last.
    site = Path(call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    command = str(bare / "bin" / "harness")
    assert DISTRIBUTION in call(command, "--version")
    ids = call(command, "splits", "--dataset", "mvtec3d", "--category", "bagel", "--shots", "5", "--split", "first")
    assert ids.split() == [f"train/good/{index:03d}" for index in range(5)]
    assert "0.954" in call(command, "tables", "--source", "published", "--table", "1")
    assert "4 of 4 cells to run" in call(command, "run", "--methods", "cfm,cfm-t", "--shots", "10", "--dry-run")


def test_the_plugin_example_needs_this_distribution_in_a_version_that_is_out() -> None:
    plugin = tomllib.loads((TOP / "tests" / "plugin" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (least,) = (
        match[1] for needed in plugin["dependencies"] if (match := re.fullmatch(rf"{DISTRIBUTION}>=([\d.]+)", needed))
    )
    assert tuple(map(int, least.split("."))) <= tuple(map(int, VERSION.split(".")))


@pytest.mark.parametrize("extra", ["btf", "faiss-gpu"])
def test_a_command_that_installs_an_extra_names_the_distribution(extra: str) -> None:
    assert install_command(extra) == f"pip install '{DISTRIBUTION}[{extra}]'"
    assert extra in PROJECT["optional-dependencies"]


def test_no_message_installs_the_package_of_another_author() -> None:
    """``harness`` alone is the name of somebody else's package; install_command gives ours, with extras that exist."""
    asked = {
        argument.value
        for path in [*(TOP / "harness").rglob("*.py"), *(TOP / "methods").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "install_command"
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }
    assert asked
    assert asked <= set(PROJECT["optional-dependencies"])
    texts = [*(TOP / "harness").rglob("*.py"), *(TOP / "methods").rglob("*.py"), *(TOP / "docs").rglob("*.md")]
    texts += [TOP / "README.md", TOP / "CONTRIBUTING.md", TOP / "tests" / "plugin" / "pyproject.toml"]
    strangers = r"""pip install [^\n`&]*["' ]harness\b(?!/)|["']harness\[|dependencies = \[[^\]]*"harness["\[>=]"""
    assert not [str(path) for path in texts if re.search(strangers, path.read_text(encoding="utf-8"))]
