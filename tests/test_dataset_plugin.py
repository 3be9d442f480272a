"""A dataset that a plugin registers, on every verb: verified, read, run and shown like the built-in ones."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples import make_sample

import harness as package_of_harness
from harness.data.registry import DATASETS, OWN_DATA

DATASET = ("--dataset", "brackets")
METHOD = ("--methods", "colour-distance", "--devices", "cpu")


@pytest.fixture
def brackets(tmp_path: Path) -> Path:
    """Two categories of a made dataset, a file a sample."""
    for category in ("left", "right"):
        for split, defect, count in (("train", "good", 4), ("test", "good", 2), ("test", "scratch", 2)):
            (tmp_path / "parts" / category / split).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                sample = make_sample(index + 10 * len(defect), height=64, width=64, radius=24)
                if defect != "good":
                    sample.mask[28:36, 28:36] = True
                    sample = replace(sample, rgb=np.where(sample.mask[..., None], np.uint8(255), sample.rgb))
                path = tmp_path / "parts" / category / split / f"{defect}-{index}.npz"
                np.savez(path, rgb=sample.rgb, xyz=sample.xyz, mask=sample.mask)
    return tmp_path / "parts"


def test_it_is_verified_read_run_and_shown(harness, brackets: Path, records) -> None:
    data = ("--data", brackets)
    verdict = harness("verify", *DATASET, *data, "--json")
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    assert json.loads(verdict.stdout)[0]["passed"]

    read = harness("data", "verify", brackets, "--json")
    assert (read.returncode, json.loads(read.stdout)["decoded"]) == (0, 16), read.stderr

    assert "brackets" in harness("datasets", *data).stdout
    run = harness("run", *METHOD, *data, "--shots", "full", "--save-maps")
    assert run.returncode == 0, run.stderr
    found = records()
    assert [one["cell"]["dataset"] for one in found] == ["brackets"] * 2
    assert [one["cell"]["category"] for one in found] == ["left", "right"]
    assert {one["environment"]["reader"]["distribution"] for one in found} == {"colour-distance"}

    table = harness("tables", *DATASET)
    assert "Brackets" in table.stdout
    assert "published" not in table.stdout
    shown = harness("show", *DATASET, *data, "--to", "picture.png")
    assert shown.returncode == 0, shown.stderr

    again = harness("run", *METHOD, *data, "--shots", "full")
    assert "0 to run" in again.stdout + again.stderr or again.returncode == 0


def test_what_its_code_makes_is_measured_again_when_its_code_changes(harness, brackets, records, plugin_site) -> None:
    arguments = ("run", *METHOD, *DATASET, "--data", brackets, "--categories", "left", "--shots", "full")
    assert harness(*arguments).returncode == 0
    assert json.loads(harness(*arguments, "--dry-run", "--json").stdout)["to_run"] == 0
    code = plugin_site / "brackets.py"
    source = code.read_text()
    try:
        code.write_text(source.replace("farthest=0.51", "farthest=0.505"))
        plan = json.loads(harness(*arguments, "--dry-run", "--json").stdout)
    finally:
        code.write_text(source)
    assert plan["to_run"] == 1
    assert "brackets" in plan["cells"][0]["why"]


def test_no_dataset_is_named_outside_its_reader() -> None:
    """What is special about a dataset stands in its DatasetInfo or in its reader; published tables are of datasets."""
    package = Path(package_of_harness.__file__).parent
    names = {name for name in DATASETS if name != OWN_DATA}
    paths = {path.relative_to(package) for path in package.rglob("*.py")}
    known = {Path("store/paper.py"), Path("files/caches.py")}
    found = {
        path
        for path in paths - known
        if path.parts[0] != "data"
        for node in ast.walk(ast.parse((package / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert not found
