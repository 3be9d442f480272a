"""A fitted method is given new files as the data it was fitted on, or the user is told what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from own_files import CLOUDS, PINHOLE, part
from PIL import Image
from report_records import make_record

from harness import registry
from harness.contract import MODALITIES
from harness.data.background import NO_BACKGROUND, PROTOCOL_BACKGROUND, Background
from harness.data.clean import CLEANING
from harness.data.own.description import Camera, CloudDescription
from harness.data.own.reading import read_description
from harness.data.registry import DATASETS, OWN_DATA, load_reader
from harness.errors import DataError, PrerequisiteError, UsageError
from harness.running.predict import PredictedSample, load_fitted
from harness.store.fitted import Origin, read_origin, save_fitted

CODE = Path(__file__).parents[1] / "plugin" / "colour_distance.py"
PORTABLE = """
    def state(self):
        return {"mean": self.mean_, "whiten": self.whiten_}

    def restore(self, state, *, seed, device):
        self.mean_, self.whiten_ = state["mean"], state["whiten"]
"""
Predict = Callable[..., PredictedSample]


@pytest.fixture
def predict(tmp_path: Path) -> Iterator[Predict]:
    """Fit a method on one sample of some origin, and predict the files ``new.png`` and ``new_depth.png``."""
    code = CODE.read_text(encoding="utf-8").replace('"colour-distance"', '"mine"').replace("ColourDistance", "Mine")
    (tmp_path / "mine.py").write_text(code + PORTABLE)
    name = registry.load_reference(f"{tmp_path / 'mine.py'}:Mine")
    method = registry.load(name)()
    sample = part(0)
    method.fit(
        [replace(sample, rgb=np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8))],
        seed=0,
        device="cpu",
        progress=lambda *_: None,
    )
    cell = replace(make_record("cfm", "bagel").cell, method=name, parameters={"size": 56, "floor": 1.0}, weights={})
    Image.fromarray(sample.rgb).save(tmp_path / "new.png")
    depth = np.rint(sample.xyz[..., 2] * 1e4).astype(np.uint16)
    Image.fromarray(depth).save(tmp_path / "new_depth.png")

    def run(origin: Origin, *, camera: Path | None = None, clean: bool = True) -> PredictedSample:
        fitted = tmp_path / "fitted.safetensors"
        save_fitted(fitted, method, cell, origin)
        assert read_origin(fitted) == origin
        loaded = load_fitted(fitted, device="cpu", clean=clean)
        return loaded.predict_files(tmp_path / "new.png", tmp_path / "new_depth.png", camera)

    yield run
    registry._references.pop(name)
    registry.load.cache_clear()


def depth_images(tmp_path: Path) -> CloudDescription:
    (tmp_path / "dataset.toml").write_text(f"[cloud]\n{CLOUDS['depth']}")
    return read_description(tmp_path).cloud


def test_depth_images_need_no_other_file(predict: Predict, tmp_path: Path) -> None:
    origin = Origin(Background(rule="depth", farthest=0.39), depth_images(tmp_path))
    found = predict(origin)
    kept = (found.sample.xyz != 0).all(-1)
    assert kept.sum() == 20 * 14
    assert kept[14:34, 16:30].all()
    assert np.abs(found.sample.xyz - part(0).xyz)[kept].max() < 1e-4


def test_a_camera_of_each_image_is_asked_for(predict: Predict, tmp_path: Path) -> None:
    cloud = CloudDescription(unit=0.0001, kind="depth", camera=Camera(file="{id}.json"))
    with pytest.raises(UsageError, match="--camera"):
        predict(Origin(cloud=cloud))
    (tmp_path / "new.json").write_text(json.dumps(PINHOLE))
    same = predict(Origin(cloud=depth_images(tmp_path))).sample.xyz
    assert np.array_equal(predict(Origin(cloud=cloud), camera=tmp_path / "new.json").sample.xyz, same)


def test_objects_that_were_marked_can_not_be_told(predict: Predict, tmp_path: Path) -> None:
    origin = Origin(Background(rule="marked"), depth_images(tmp_path))
    with pytest.raises(UsageError, match="--no-clean"):
        predict(origin)
    assert (predict(origin, clean=False).sample.xyz != 0).all(-1).sum() == 48 * 64 - 1


class _Reader:
    """A reader of which nothing is known but its samples; others say how they clean."""

    offered = MODALITIES

    def modalities(self, category: str) -> tuple[str, ...]:
        return self.offered


class _Cleans(_Reader):
    background = Background(rule="depth", farthest=0.39)


class _HasDepthAlone(_Cleans):
    offered = ("rgb", "depth")


@pytest.mark.parametrize("reader", [_Reader, _HasDepthAlone])
def test_a_cloud_that_can_not_be_cleaned_as_the_others_were_is_refused(
    predict: Predict, tmp_path: Path, reader: type[_Reader]
) -> None:
    assert Origin.of(_Cleans(), "bolt") == Origin(_Cleans.background)
    origin = replace(Origin.of(reader(), "bolt"), cloud=depth_images(tmp_path))
    with pytest.raises(UsageError, match=r"doesn't say how .* --no-clean\.$"):
        predict(origin)
    assert (predict(origin, clean=False).sample.xyz != 0).all(-1).sum() == 48 * 64 - 1


def test_every_reader_here_says_how_it_cleans() -> None:
    found = {name: getattr(load_reader(name), "background", None) for name in DATASETS if name != OWN_DATA}
    cleaned = {name for name, rule in found.items() if rule == PROTOCOL_BACKGROUND}
    assert (cleaned, found["eyecandies"], found["realiad_d3"]) == (
        {"toy", "mvtec3d", "adam3d"},
        NO_BACKGROUND,
        NO_BACKGROUND,
    )
    assert None not in found.values()


def test_large_images_are_made_smaller_as_those_of_the_data(predict: Predict, tmp_path: Path) -> None:
    for name, image in ((name, Image.open(tmp_path / name)) for name in ("new.png", "new_depth.png")):
        Image.fromarray(np.asarray(image).repeat(3, 0).repeat(3, 1)).save(tmp_path / name)
    found = predict(Origin(Background(rule="none"), depth_images(tmp_path), 64)).sample
    assert found.rgb.shape == found.xyz.shape == (48, 64, 3)


def test_millimetres_are_refused(predict: Predict, tmp_path: Path) -> None:
    cloud = depth_images(tmp_path)
    with pytest.raises(DataError, match="unit"):
        predict(Origin(cloud=CloudDescription(unit="m", kind="depth", camera=cloud.camera)))


@pytest.mark.parametrize(
    "origin",
    [
        {"background": {"rule": "all"}},
        {"background": {**CLEANING.to_json(), "iterations": 10**12}},
        {"background": {**CLEANING.to_json(), "eps": "6 mm"}},
        {"background": {**CLEANING.to_json(), "border": 0}},
        {"cloud": {"unit": "parsec"}},
        {"cloud": {"unit": "m", "axes": "up"}},
        {"cloud": {"unit": "m", "kind": "depth"}},
        {"cloud": []},
        {"side": -1},
        {"side": "7"},
    ],
)
def test_an_origin_that_no_description_gives_is_refused(
    predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: dict[str, object]
) -> None:
    right = Origin(Background(rule="none"), depth_images(tmp_path))
    predict(right)
    written = right.to_json() | origin
    monkeypatch.setattr(Origin, "to_json", lambda self: written)
    with pytest.raises(PrerequisiteError, match="fit it again"):
        predict(right)
