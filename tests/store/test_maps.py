"""Maps on disk: what comes back, how they are read, and how a run keeps them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from report_records import make_cell

from harness.contract import MethodError, Prediction, Sample
from harness.data.open import open_dataset
from harness.errors import PrerequisiteError
from harness.metrics.scoring import resize_map
from harness.plan.job import Job, read_job, write_job
from harness.running.events import EventWriter
from harness.running.stages import CellRun
from harness.store.details import read_details
from harness.store.maps import ANOMALY_MAP, ImageMaps, MapFile, kept_maps, save_maps, size_note
from harness.store.record import Record
from harness.store.store import Store

CELL = make_cell()
SIDE = CELL.protocol.eval_size

magnitudes = st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)


def small(**maps: Any) -> dict[str, np.ndarray]:
    return {ANOMALY_MAP: np.ones((2, 2), np.float32), **maps}


@settings(max_examples=25, deadline=None)
@given(arrays.arrays(np.float32, (SIDE, SIDE), elements=magnitudes, fill=magnitudes))
def test_every_value_comes_back_within_what_is_promised(tmp_path_factory, values) -> None:
    path = tmp_path_factory.mktemp("maps") / "cell.npz"
    save_maps(path, CELL, [ImageMaps("test/hole/000", 2.5, {ANOMALY_MAP: values})])
    found = MapFile(path).read("test/hole/000")[ANOMALY_MAP]
    assert found.dtype == np.float32
    exact, largest = values.astype(np.float64), np.abs(values).max()
    assert np.abs(found - exact).max() <= 2.5e-4 * largest
    above = np.abs(exact) > 6.2e-5 * largest
    assert (np.abs(found - exact)[above] <= 2**-11 * 1.001 * np.abs(exact)[above]).all()


def test_images_scores_and_names_come_back_in_order(tmp_path: Path) -> None:
    images = [ImageMaps(f"test/hole/{n:03d}", n / 3, small(**({"map_2d": np.eye(2)} if n else {}))) for n in (2, 0, 1)]
    save_maps(tmp_path / "new" / "cell.npz", CELL, images)
    file = MapFile(tmp_path / "new" / "cell.npz")
    assert file.cell == CELL
    assert file.ids == ("test/hole/002", "test/hole/000", "test/hole/001")
    assert [file.score(name) for name in file.ids] == [2 / 3, 0.0, 1 / 3]
    assert file.names("test/hole/000") == (ANOMALY_MAP,)
    assert set(file.read("test/hole/001")) == {ANOMALY_MAP, "map_2d"}
    assert set(file.read("test/hole/001", ["map_2d"])) == {"map_2d"}
    for read in (file.read, file.score, file.names):
        with pytest.raises(PrerequisiteError, match=r"cell\.npz .*no image test/hole/003"):
            read("test/hole/003")
    with pytest.raises(PrerequisiteError, match="has no map 'map_2d'"):
        file.read("test/hole/000", ["map_2d"])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["cell.npz"]


@pytest.mark.parametrize("kept", ["its own", "none", "another cell's", "cut"])
def test_a_record_has_the_maps_that_its_file_holds_and_no_others(tmp_path: Path, kept: str) -> None:
    store, record = Store(tmp_path), Record(cell=CELL, status="ok")
    path = store.maps_path(CELL)
    if kept != "none":
        owner = CELL if kept != "another cell's" else make_cell("btf")
        save_maps(path, owner, [ImageMaps("test/hole/000", 0.5, small())])
    if kept == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    file = kept_maps(store, record)
    assert (file is not None) == (kept == "its own")
    assert file is None or file.ids == ("test/hole/000",)
    assert [found.path for found in store.left_out] == [path] * (kept in ("another cell's", "cut"))


def test_maps_of_any_size_are_kept_in_the_evaluation_geometry(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((28, 28)).astype(np.float32)
    save_maps(tmp_path / "a.npz", CELL, [ImageMaps("x", 0.0, small(map_3d=values))])
    found = MapFile(tmp_path / "a.npz").read("x")["map_3d"]
    np.testing.assert_allclose(found, resize_map(values, SIDE), atol=2.5e-4)


def test_a_map_that_is_no_square_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(MethodError, match=r"'map_2d' of sample x has shape \(4, 5\)"):
        save_maps(tmp_path / "a.npz", CELL, [ImageMaps("x", 0.0, small(map_2d=np.zeros((4, 5))))])
    assert list(tmp_path.iterdir()) == []


def test_one_image_is_read_without_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    noise = np.random.default_rng(0).random((SIDE, SIDE)).astype(np.float32)
    save_maps(path, CELL, [ImageMaps(name, 0.0, {ANOMALY_MAP: noise}) for name in ("first", "second")])
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo(f"first/{ANOMALY_MAP}.npy").header_offset
    content = bytearray(path.read_bytes())
    content[start + 5000 : start + 6000] = bytes(1000)
    path.write_bytes(content)
    np.testing.assert_allclose(MapFile(path).read("second")[ANOMALY_MAP], noise, atol=2.5e-4)
    with pytest.raises(PrerequisiteError, match="--save-maps"):
        MapFile(path).read("first")


@pytest.mark.parametrize("content", ["nothing", "text", "half", "no header", "pickle"])
def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.npz"
    if content == "text":
        path.write_text("not an archive")
    elif content == "half":
        save_maps(path, CELL, [ImageMaps("x", 0.0, small())])
        path.write_bytes(path.read_bytes()[:-100])
    elif content == "no header":
        np.savez(path, x=np.zeros(3))
    elif content == "pickle":
        np.savez(path, header=np.array({"cell": 1}, dtype=object))
    with pytest.raises(PrerequisiteError, match=rf"{path} can't be read .*--save-maps"):
        _ = MapFile(path).ids


def test_a_plan_says_how_much_room_maps_take() -> None:
    assert size_note([]) == ""
    assert "1 cell will take about 9 MB" in size_note([("btf", 100)])
    assert "2 cells will take about 30 MB" in size_note([("btf", 100), ("cfm", 100)])


def test_a_job_carries_where_maps_go_and_old_jobs_are_read(tmp_path: Path) -> None:
    job = Job(CELL, None, (), {}).placed(tmp_path, None, tmp_path / "maps" / "a.npz")
    write_job(tmp_path / "job.json", job)
    assert read_job(tmp_path / "job.json") == job
    value = json.loads((tmp_path / "job.json").read_text())
    del value["save_maps"]
    (tmp_path / "job.json").write_text(json.dumps(value))
    assert read_job(tmp_path / "job.json").save_maps is None


@pytest.fixture
def run(harness, tiny_mvtec: Path) -> Callable[..., Any]:
    where = ("--dataset", "mvtec3d", "--data", tiny_mvtec, "--categories", "bagel", "--shots", "5")

    def call(*arguments: str) -> Any:
        return harness("run", "--methods", "colour-distance", *where, *arguments)

    return call


def test_a_run_keeps_maps_and_measures_the_same(run, records, tmp_path: Path) -> None:
    plain = run()
    assert plain.returncode == 0, plain.stderr
    (before,) = records()
    kept = run("--save-maps")
    assert kept.returncode == 0, kept.stderr
    assert "maps of 1 cell will take about 1 MB" in " ".join(kept.stderr.split())
    (after,) = records()
    assert after["id"] == before["id"]
    assert after["created"] >= before["created"]
    assert all(after[part] == before[part] for part in ("metrics", "by_defect", "test_images", "notes"))
    (path,) = (tmp_path / "results" / "maps").iterdir()
    assert path.stem == next((tmp_path / "results" / "cells").glob("*.json")).stem
    file = MapFile(path)
    store = Store(tmp_path / "results")
    scores = {image.id: image.score for image in read_details(store, store.all()[0]).images}
    assert {name: file.score(name) for name in file.ids} == scores
    assert file.read("test/hole/000")[ANOMALY_MAP].max() == pytest.approx(scores["test/hole/000"], rel=0.05)
    again = run("--save-maps")
    assert "Nothing to do" in again.stderr
    assert "maps of" not in again.stderr
    path.unlink()
    assert "its maps were not" in " ".join(run("--save-maps", "--dry-run").stdout.split())
    assert "0 of 1 cells to run" in run("--dry-run").stdout


def test_maps_that_cannot_be_saved_cost_no_measurement(run, records, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "maps").write_text("in the way")
    result = run("--save-maps")
    assert result.returncode == 0, result.stderr
    (record,) = records()
    assert record["status"] == "ok"
    (note,) = (note for note in record["notes"] if "maps" in note)
    assert note.startswith("the maps were not saved: ")


class Explaining:
    """A method that says nothing, and explains what it is told to."""

    def __init__(self, explained: Any) -> None:
        self.explained = explained

    def prepare(self, sample: Sample) -> Sample:
        assert sample.mask is None
        return sample

    def infer(self, inputs: Sample) -> Prediction:
        extra = np.zeros((8, 8), np.float32)
        return Prediction(np.ones((8, 8), np.float32), 0.5, extras={"map_2d": extra, "map_3d": extra})

    def explain(self, inputs: Sample) -> Any:
        if isinstance(self.explained, Exception):
            raise self.explained
        return self.explained


def kept_by(method: Any, root: Path, results: Path) -> tuple[Record, Path]:
    dataset = open_dataset("mvtec3d", root)
    cell = make_cell(data_digest=dataset.digest("bagel"))
    path = Store(results).maps_path(cell)
    run = CellRun(Job(cell, root, (), {}).placed(results, None, path), EventWriter(io.StringIO()))
    return run._kept(method, Record(cell=cell, status="ok")), path


def test_explanations_win_over_extras_and_never_over_the_anomaly_map(tiny_mvtec: Path, tmp_path: Path) -> None:
    explained = {name: np.full((8, 8), 7, np.float32) for name in ("e2d", "map_2d", ANOMALY_MAP)}
    record, path = kept_by(Explaining(explained), tiny_mvtec, tmp_path)
    assert record.notes == ()
    file = MapFile(path)
    assert len(file.ids) == 6
    found = {name: float(values.max()) for name, values in file.read("test/hole/001").items()}
    assert found == {ANOMALY_MAP: 1.0, "map_2d": 7.0, "map_3d": 0.0, "e2d": 7.0}


def test_maps_do_not_outlive_the_numbers_they_belong_to(tiny_mvtec: Path, tmp_path: Path) -> None:
    cell = make_cell(data_digest=open_dataset("mvtec3d", tiny_mvtec).digest("bagel"))
    record, path = kept_by(Explaining({}), tiny_mvtec, tmp_path / "results")
    assert (record.notes, path.is_file()) == ((), True)
    run = CellRun(Job(cell, tiny_mvtec, (), {}).placed(tmp_path / "results", None), EventWriter(io.StringIO()))
    run._kept(Explaining({}), Record(cell=cell, status="ok"))
    assert not path.exists()


def test_an_explanation_that_fails_is_a_note(tiny_mvtec: Path, tmp_path: Path) -> None:
    record, path = kept_by(Explaining(RuntimeError("no idea")), tiny_mvtec, tmp_path)
    assert record.status == "ok"
    assert record.notes == ("the maps were not saved: RuntimeError: no idea",)
    assert not path.exists()


def test_a_plan_for_elsewhere_keeps_maps(run, harness, tmp_path: Path) -> None:
    """In the results folder that the puller is given, wherever that lies."""
    assert run("--save-maps", "--write-plan", "plan.json").returncode == 0
    pulled = harness("run", "--plan", "plan.json", "--results", "elsewhere")
    assert pulled.returncode == 0, pulled.stderr
    store = Store(tmp_path / "elsewhere")
    (record,) = store.all()
    assert store.maps_path(record.cell).is_file()
    assert run("--write-plan", "plain.json").returncode == 0
    assert harness("run", "--plan", "plain.json").returncode == 0
    plain = Store(tmp_path / "results")
    assert (len(plain.all()), plain.maps_path(record.cell).exists()) == (1, False)
