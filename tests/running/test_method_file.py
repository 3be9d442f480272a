"""A method in a file that is not installed: run, measured again once edited, verified and applied."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[1] / "plugin" / "colour_distance.py"

PORTABLE = """
    def state(self):
        return {"mean": self.mean_, "whiten": self.whiten_}

    def restore(self, state, *, seed, device):
        self.mean_, self.whiten_ = state["mean"], state["whiten"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    code = PLUGIN.read_text(encoding="utf-8")
    path = tmp_path / "mine.py"
    path.write_text(code.replace('"colour-distance"', '"mine"').replace("ColourDistance", "Mine") + PORTABLE)
    return path


@pytest.fixture
def run(harness, tiny_mvtec: Path):
    def call(method: str, *more: str | Path, **environment: str):
        where = ("--dataset", "mvtec3d", "--data", tiny_mvtec, "--categories", "bagel", "--shots", "5")
        settings = ("--preset", "quick", "--weights", "random", "--device", "cpu")
        return harness("run", "--methods", method, *where, *settings, *more, **environment)

    return call


def test_a_method_file_is_measured_once_for_each_content_and_applied(
    run, harness, records, file: Path, tiny_mvtec: Path, tmp_path: Path
) -> None:
    method = "./mine.py:Mine[size=24]"
    assert "mine[size=24]" in run(method, "--dry-run").stdout
    first = run(method, "--save-fitted")
    assert first.returncode == 0, first.stderr
    (record,) = records()
    assert (record["status"], record["cell"]["method"]) == ("ok", "mine")
    provider = record["environment"]["provider"]
    assert provider["distribution"] == f"{file}:Mine"
    assert provider["version"] == sha256(file.read_bytes()).hexdigest()
    assert "Nothing to do" in run(method).stderr

    (fitted,) = (tmp_path / "results" / "fitted").iterdir()
    sample = tiny_mvtec / "bagel" / "test" / "hole"
    inputs = ("--rgb", sample / "rgb" / "000.png", "--xyz", sample / "xyz" / "000.tiff", "--out", "map.npy")
    predicted = harness("predict", fitted, "--method", "./mine.py:Mine", *inputs, "--device", "cpu")
    assert predicted.returncode == 0, predicted.stderr
    assert (tmp_path / "map.npy").is_file()

    file.write_text(file.read_text(encoding="utf-8") + "EDITED = True\n", encoding="utf-8")
    again = run(method, "--dry-run")
    assert "1 of 1 cells to run" in again.stdout
    assert "changed" in again.stdout


def test_a_class_of_a_module_on_the_path_is_a_method(run, records, file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "library" / "package"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    file.rename(folder / "mine.py")
    path = {"PYTHONPATH": os.pathsep.join((str(folder.parent), os.environ.get("PYTHONPATH", "")))}
    done = run("package.mine:Mine[size=24]", **path)
    assert done.returncode == 0, done.stderr
    (record,) = records()
    assert (record["status"], record["cell"]["method"]) == ("ok", "mine")
    assert record["environment"]["provider"]["distribution"] == "package.mine:Mine"
    assert run("package.nothing:Mine", **path).returncode == 2


def test_verify_checks_a_method_file(harness, file: Path) -> None:
    verified = harness("verify", "./mine.py:Mine[size=24]", "--device", "cpu")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "mine[size=24]" in verified.stdout


def test_a_method_that_needs_more_of_a_sample_is_applied_where_two_files_give_it(
    run, harness, records, file: Path, tiny_mvtec: Path, tmp_path: Path
) -> None:
    code = file.read_text(encoding="utf-8").replace("uses_torch=False", 'uses_torch=False, needs=("measured",)')
    assert "needs" in code
    file.write_text(code.replace("sample.xyz", "sample.measured"), encoding="utf-8")
    assert run("./mine.py:Mine", "--save-fitted").returncode == 0
    assert [one["status"] for one in records()] == ["ok"]
    (fitted,) = (tmp_path / "results" / "fitted").iterdir()
    sample = tiny_mvtec / "bagel" / "test" / "hole"
    inputs = ("--rgb", sample / "rgb" / "000.png", "--xyz", sample / "xyz" / "000.tiff", "--device", "cpu")
    predicted = harness("predict", fitted, "--method", "./mine.py:Mine", *inputs)
    assert predicted.returncode == 0, predicted.stderr

    file.write_text(code.replace('"measured"', '"normals"'), encoding="utf-8")
    refused = harness("predict", fitted, "--method", "./mine.py:Mine", *inputs)
    assert refused.returncode == 2
    assert "'normals'" in refused.stderr
    assert run("./mine.py:Mine").returncode == 3
