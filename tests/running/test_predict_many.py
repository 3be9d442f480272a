"""Many samples through one fitted method: scores are those of the cell, answers come as the samples do."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.store.details import read_details
from harness.store.fitted import read_nominal
from harness.store.store import Store

METHODS = ("calibrated[by=training]", "cfm-t[epochs=2,group_size=16,centres=32,pixels=256]")
KEYS = (
    *("id", "rgb", "xyz", "verdict", "score", "threshold", "meaning", "pixel_threshold", "regions"),
    *("map", "picture", "error"),
)
FROM_ARRAYS = """
import json, sys
import numpy as np, tifffile
from PIL import Image
from pathlib import Path
import harness

method = harness.load_fitted(sys.argv[1], device="cpu")
for folder in sys.argv[2:]:
    for path in sorted(Path(folder).glob("rgb/*.png")):
        cloud = tifffile.imread(path.parents[1] / "xyz" / f"{path.stem}.tiff")
        found = method.predict(np.asarray(Image.open(path).convert("RGB")), cloud)
        print(json.dumps(found.score))
"""


@pytest.fixture(scope="module")
def environment(plugin_site: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (str(plugin_site), os.environ.get("PYTHONPATH"))))}


@pytest.fixture(scope="module")
def results(environment: dict[str, str], tiny_mvtec: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The cells of two methods, one of them without torch, with their fitted files."""
    folder = tmp_path_factory.mktemp("cells")
    where = ("--dataset", "mvtec3d", "--data", tiny_mvtec, "--categories", "bagel", "--shots", "3", "--preset", "quick")
    chosen = ("--methods", ",".join(METHODS), "--weights", "random", "--device", "cpu", "--save-fitted")
    command = [sys.executable, "-m", "harness", "run", *where, *chosen]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Store(folder / "results")


@pytest.fixture(scope="module")
def light(results: Store) -> Path:
    """The fitted file of the method without torch."""
    (path,) = (results.fitted_path(record.cell) for record in results.all() if record.cell.method == "calibrated")
    return path


@pytest.fixture
def listed(environment: dict[str, str]):
    """Predict the samples of a text on standard input."""

    def call(fitted: Path, text: str, *more: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "harness", "predict", str(fitted), "--in", "-", *map(str, more)]
        return subprocess.run(command, env=environment, input=text, capture_output=True, text=True, check=False)

    return call


def lines(text: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    assert all(tuple(line) == KEYS for line in found)
    return found


@pytest.mark.parametrize("name", ["calibrated", "cfm-t"])
def test_scores_of_files_and_of_arrays_are_those_of_the_cell_bit_for_bit(
    harness, environment, results: Store, tiny_mvtec: Path, name: str
) -> None:
    (record,) = (one for one in results.all() if one.cell.method == name)
    expected = {image.id.removeprefix("test/"): image.score for image in read_details(results, record).images}
    fitted, test = results.fitted_path(record.cell), tiny_mvtec / "bagel" / "test"
    done = harness("predict", fitted, "--in", test, "--json", "lines", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert {line["id"]: line["score"] for line in lines(done.stdout)} == expected
    command = [sys.executable, "-c", FROM_ARRAYS, str(fitted), str(test / "good"), str(test / "hole")]
    arrays = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert [json.loads(line) for line in arrays.splitlines()] == [expected[id] for id in sorted(expected)]


def test_a_sample_that_can_not_be_read_is_a_line_and_the_others_go_on(
    harness, light: Path, tiny_mvtec: Path, tmp_path: Path
) -> None:
    new = Path(shutil.copytree(tiny_mvtec / "bagel" / "test", tmp_path / "new"))
    (new / "good" / "rgb" / "001.png").write_bytes(b"no image")
    (new / "hole" / "xyz" / "002.tiff").unlink()
    done = harness("predict", light, "--in", new, "--json", "lines")
    assert done.returncode == 3
    found = {line["id"]: line for line in lines(done.stdout)}
    assert {id for id, line in found.items() if line["error"]} == {"good/001", "hole/002"}
    assert {found[f"hole/00{index}"]["verdict"] for index in range(2)} == {"anomaly"}
    assert found["good/001"]["score"] is None
    plain = harness("predict", light, "--in", new)
    assert (plain.returncode, plain.stdout.count("\n")) == (3, len(found))
    assert "rgb/001.png" in next(line for line in plain.stdout.splitlines() if line.startswith("error"))


def test_thresholds_are_set_on_nominal_samples_and_regions_lie_on_the_defect(
    harness, light: Path, tiny_mvtec: Path
) -> None:
    done = harness("predict", light, "--in", tiny_mvtec / "bagel" / "test", "--json", "lines")
    nominal = read_nominal(light)
    assert nominal is not None
    assert len(nominal.scores) == len(nominal.peaks) == 2
    for line in lines(done.stdout):
        assert (line["threshold"], line["pixel_threshold"]) == (max(nominal.scores), max(nominal.peaks))
        assert line["verdict"] == ("anomaly" if line["score"] > line["threshold"] else "good")
        assert "2 training samples" in line["meaning"]
        assert "too few for 1%" in line["meaning"]
        if line["id"].startswith("hole"):
            (region, *_) = line["regions"]
            assert region["box"] == pytest.approx([40, 40, 56, 56], abs=4)
            assert region["area"] == pytest.approx(16 * 16, rel=0.4)
            assert region["peak"] > line["pixel_threshold"]
    assert harness("predict", light, "--in", "here", "--false-alarms", "1").returncode == 2


def test_a_threshold_decides_and_an_anomaly_is_an_exit_code(harness, light: Path, tiny_mvtec: Path) -> None:
    every = ("predict", light, "--in", tiny_mvtec / "bagel" / "test" / "*" / "rgb" / "*.png", "--json", "lines")
    scores = sorted(line["score"] for line in lines(harness(*every).stdout))
    done = harness(*every, "--threshold", f"{scores[2]!r}", "--fail-on-anomaly")
    assert done.returncode == 7
    verdicts = {line["score"]: line["verdict"] for line in lines(done.stdout)}
    assert [verdicts[score] for score in scores] == ["good"] * 3 + ["anomaly"] * 3
    none = harness(*every, "--threshold", f"{scores[-1]!r}", "--fail-on-anomaly")
    assert none.returncode == 0
    assert harness(*every, "--threshold", "nan").returncode == 2


def test_maps_and_pictures_are_written_where_asked_and_never_over_a_sample(
    harness, light: Path, tiny_mvtec: Path, tmp_path: Path
) -> None:
    hole = tiny_mvtec / "bagel" / "test" / "hole"
    done = harness("predict", light, "--in", tiny_mvtec / "bagel" / "test", "--out", "maps", "--json", "lines")
    assert done.returncode == 0, done.stderr
    for line in lines(done.stdout):
        values = np.load(tmp_path / line["map"])
        assert (values.shape, values.dtype) == ((224, 224), np.float32)
        assert (tmp_path / line["picture"]).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "maps" / "hole" / "000.npy").is_file()
    side = tmp_path / "side"
    side.mkdir()
    shutil.copy(hole / "rgb" / "000.png", side / "a.png")
    shutil.copy(hole / "xyz" / "000.tiff", side / "a.tiff")
    before = (side / "a.png").read_bytes()
    assert harness("predict", light, "--in", side, "--out", side).returncode == 3
    assert (side / "a.png").read_bytes() == before
    assert harness("predict", light, "--in", side, "--out", side, "--no-pictures").returncode == 0
    assert (side / "a.npy").is_file()


def test_listed_samples_are_answered_as_they_come_and_an_interrupt_loses_none(
    environment, light: Path, tiny_mvtec: Path
) -> None:
    hole = tiny_mvtec / "bagel" / "test" / "hole"
    command = [sys.executable, "-m", "harness", "predict", str(light), "--in", "-", "--json", "lines"]
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        files = {"rgb": str(hole / "rgb" / "000.png"), "xyz": str(hole / "xyz" / "000.tiff")}
        asked = ("\t".join(files.values()), json.dumps(files), "no sample")
        answers = []
        for line in asked:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            answers.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.communicate()
    assert [answer["id"] for answer in answers] == ["000", "000-2", "no sample"]
    assert answers[0]["score"] == answers[1]["score"]
    assert "RGB<TAB>XYZ" in answers[2]["error"]


def test_listed_samples_of_one_name_have_files_of_their_own(
    listed, light: Path, tiny_mvtec: Path, tmp_path: Path
) -> None:
    hole, names = tiny_mvtec / "bagel" / "test" / "hole", ("a-2", "a", "a", "a", "a-2")
    asked = []
    for index, name in enumerate(names):
        rgb = tmp_path / str(index) / f"{name}.png"
        rgb.parent.mkdir()
        shutil.copy(hole / "rgb" / "000.png", rgb)
        asked.append(f"{rgb}\t{hole / 'xyz' / '000.tiff'}\n")
    done = listed(light, "".join(asked), "--out", tmp_path / "maps", "--no-pictures", "--json", "lines")
    assert done.returncode == 0, done.stderr
    found = lines(done.stdout)
    assert [line["id"] for line in found] == ["a-2", "a", "a-3", "a-4", "a-2-2"]
    assert len(list((tmp_path / "maps").iterdir())) == len({line["map"] for line in found}) == len(names)


@pytest.mark.parametrize("text", ["", "\n  \n"])
def test_nothing_listed_is_no_shift_of_good_parts(listed, light: Path, text: str) -> None:
    done = listed(light, text, "--fail-on-anomaly")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no sample" in done.stderr


def test_two_hundred_samples_take_one_process(harness, light: Path, tiny_mvtec: Path, tmp_path: Path) -> None:
    good = tiny_mvtec / "bagel" / "test" / "good"
    for kind, suffix in (("rgb", "png"), ("xyz", "tiff")):
        (tmp_path / "new" / kind).mkdir(parents=True)
        for index in range(200):
            (tmp_path / "new" / kind / f"{index:03d}.{suffix}").symlink_to(good / kind / f"{index % 3:03d}.{suffix}")
    done = harness("predict", light, "--in", "new", "--json", "lines")
    assert done.returncode == 0, done.stderr
    found = lines(done.stdout)
    assert [line["id"] for line in found] == [f"{index:03d}" for index in range(200)]
    assert len({line["score"] for line in found}) == 3
    assert "200 samples" in done.stderr
