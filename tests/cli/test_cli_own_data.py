"""Own data from the files of a camera to a prediction, without an edit of anything but their description."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from own_files import PINHOLE, SUFFIXES, describe, write
from PIL import Image

from harness.store.details import read_details
from harness.store.store import Store


@pytest.fixture
def flanges(tmp_path: Path) -> Path:
    folder = tmp_path / "flanges"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("kind", SUFFIXES)
def test_a_description_of_what_a_camera_wrote_is_right(call, flanges: Path, kind: str) -> None:
    write(flanges, kind, image="jpg")
    if kind == "depth":
        (flanges / "camera.json").write_text(json.dumps(PINHOLE))
    outcome = call("data", "describe", flanges)
    assert outcome.code == 0, outcome.err
    text = (flanges / "dataset.toml").read_text()
    found = tomllib.loads(text)
    assert found["cloud"]["kind"] == {"npz": "xyz"}.get(kind, kind)
    assert found["files"]["rgb"] == "{split}/{defect}/img/{id}.jpg"
    assert found["files"]["cloud"] == f"{{split}}/{{defect}}/cloud/{{id}}.{SUFFIXES[kind]}"
    assert found["files"]["mask"] == "{split}/{defect}/masks/{id}.png"
    assert all("guess" in line for line in text.splitlines() if line.startswith(("unit", "axes")))
    if kind == "depth":  # nothing says that a count is a tenth of a millimetre
        (flanges / "dataset.toml").write_text(text.replace('unit = "mm"', "unit = 0.0001"))
    else:
        assert found["cloud"]["unit"] == "mm"
    verified = call("data", "verify", flanges)
    assert verified.code == 0, verified.out + verified.err
    assert ["flanges", "4", "0", "5"] in [line.split() for line in verified.out.splitlines()]


def test_a_description_is_never_overwritten_unasked(call, flanges: Path) -> None:
    write(flanges, "xyz")
    printed = call("data", "describe", flanges, "--print")
    assert (printed.code, [path.name for path in flanges.glob("*.*")]) == (0, [])
    (flanges / "dataset.toml").write_text("mine")
    refused = call("data", "describe", flanges)
    assert (refused.code, (flanges / "dataset.toml").read_text()) == (2, "mine")
    assert "--force" in refused.err
    assert call("data", "describe", flanges, "--force").code == 0
    assert (flanges / "dataset.toml").read_text() == printed.out


def test_a_depth_without_camera_is_asked_for(call, flanges: Path) -> None:
    write(flanges, "depth")
    outcome = call("data", "describe", flanges)
    assert outcome.code == 0
    assert all(name in outcome.err for name in ("fx", "fy", "cx", "cy"))
    refused = call("data", "verify", flanges)
    assert refused.code == 5
    assert "cloud.camera" in refused.err


def test_folders_of_good_and_bad_get_a_list(call, flanges: Path, tmp_path: Path) -> None:
    write(tmp_path / "made", "xyz", mask=False)
    for place, word in (("train/good", "ok"), ("test/good", "ok"), ("test/scratch", "nok")):
        for kind in ("img", "cloud"):
            for path in (tmp_path / "made" / place / kind).iterdir():
                (flanges / word).mkdir(exist_ok=True)
                path.rename(flanges / word / f"IMG_000{path.name}")
    assert call("data", "describe", flanges).code == 0
    lines = (flanges / "samples.csv").read_text().splitlines()
    assert sum(",train,ok," in line for line in lines) == 4
    assert sum(",test,ok," in line for line in lines) == 2
    assert sum(",test,nok," in line for line in lines) == 3
    verified = call("data", "verify", flanges)
    assert verified.code == 0
    assert "3 of 3 anomalous samples have no mask" in " ".join(verified.out.split())


@pytest.mark.parametrize(
    ("name", "said"), [("empty", "does not hold both images and clouds"), ("nowhere", "is not a folder")]
)
def test_nothing_to_describe(call, tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    outcome = call("data", "describe", tmp_path / name)
    assert outcome.code in (2, 5)
    assert said in outcome.err


def test_one_sample_is_pictured(call, flanges: Path, tmp_path: Path) -> None:
    write(flanges, "xyz")
    describe(flanges)
    shown = call("data", "show", flanges, "--to", tmp_path / "a.png")
    assert shown.code == 0, shown.err
    assert "test/scratch/6" in shown.out
    with Image.open(tmp_path / "a.png") as image:
        drawn = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(drawn, axis=0)) > 100
    other = call("data", "show", flanges, "--id", "train/good/0", "--to", tmp_path / "b.svg")
    assert (other.code, (tmp_path / "b.svg").is_file()) == (0, True)
    assert "test/scratch/6" in call("data", "show", flanges, "--id", "test/scratch/66").err
    assert call("data", "show", flanges, "--category", "nut").code == 2
    assert call("data", "show", flanges, "--to", tmp_path / "a.xyz").code == 2


PORTABLE = """
    def state(self):
        return {"mean": self.mean_, "whiten": self.whiten_}

    def restore(self, state, *, seed, device):
        self.mean_, self.whiten_ = state["mean"], state["whiten"]
"""
CODE = Path(__file__).parents[1] / "plugin" / "colour_distance.py"


@pytest.mark.parametrize("kind", ["pcd", "depth"])
def test_a_fitted_method_reads_and_cleans_new_files_as_those_it_knows(
    harness, records, flanges: Path, tmp_path: Path, kind: str
) -> None:
    write(flanges, kind, image="jpg")
    (flanges / "camera.json").write_text(json.dumps(PINHOLE))
    table = {"pcd": 'unit = "mm"\nkind = "pcd"', "depth": 'unit = 0.0001\nkind = "depth"\n'}[kind]
    camera = 'camera = { file = "camera.json" }\n' if kind == "depth" else "\n"
    patterns = {"rgb": "{split}/{defect}/img/{id}.jpg", "cloud": f"{{split}}/{{defect}}/cloud/{{id}}.{SUFFIXES[kind]}"}
    describe(flanges, table + camera, '[background]\nrule = "depth"\nfarthest = "39 cm"', **patterns)
    code = CODE.read_text(encoding="utf-8").replace('"colour-distance"', '"mine"').replace("ColourDistance", "Mine")
    (tmp_path / "mine.py").write_text(code + PORTABLE)
    ran = harness("run", "--methods", "./mine.py:Mine", "--data", flanges, "--shots", "full", "--save-fitted")
    assert ran.returncode == 0, ran.stderr
    (record,) = records()
    assert record["cell"]["dataset"] == "flanges"
    new = tmp_path / "new"
    shutil.copytree(flanges / "test" / "scratch", new)
    shutil.rmtree(flanges)
    (fitted,) = (tmp_path / "results" / "fitted").iterdir()
    inputs = ("--rgb", new / "img" / "6.jpg", "--xyz", new / "cloud" / f"6.{SUFFIXES[kind]}")
    predicted = harness("predict", fitted, "--method", "./mine.py:Mine", *inputs, "--out", "map.npy")
    assert predicted.returncode == 0, predicted.stderr
    values = np.load(tmp_path / "map.npy")
    rows, columns = np.nonzero(values)
    assert 80 < rows.min() < rows.max() < 160, "only the part stays, which is nearer than 39 cm"
    assert columns.max() < 112
    listed = details(tmp_path)
    assert float(predicted.stdout.split()[1]) == pytest.approx(listed["test/scratch/6"], rel=1e-5)
    many = harness("predict", fitted, "--method", "./mine.py:Mine", "--in", new, "--json", "lines")
    found = {line["id"]: line["score"] for line in map(json.loads, many.stdout.splitlines())}
    assert found == {str(index): listed[f"test/scratch/{index}"] for index in (6, 7, 8)}


def details(folder: Path) -> dict[str, float]:
    """Return the scores of the run's test images."""
    store = Store(folder / "results")
    (record,) = store.all()
    return {image.id: image.score for image in read_details(store, record).images}
