import json
import shutil

import pytest

from harness.data.registry import DATASETS


@pytest.fixture
def as_mvtec(toy, tmp_path):
    """A folder with three categories of MVTec 3D-AD's names and layout, with the toy's files."""
    root = tmp_path / "data" / "mvtec3d"
    for name in ("bagel", "cable_gland", "rope"):
        shutil.copytree(toy / "bump", root / name)
    return root


def described(call, *arguments):
    return {one["name"]: one for one in json.loads(call("datasets", "--json", *arguments).out)}


def test_without_a_folder_the_toy_dataset_is_found_and_the_rest_says_what_to_do(call):
    outcome = call("datasets")
    assert outcome.code == 0
    assert "it is made when it is first used" in outcome.out
    assert "harness data fetch mvtec3d --to DIR, or name the folder that holds it with --data DIR" in outcome.out
    found = described(call)
    assert list(found) == list(DATASETS)
    assert found["toy"]["samples"] == {"train": 100, "validation": 8, "test": 64}
    assert [found[name]["found"] for name in ("toy", "mvtec3d", "eyecandies")] == [True, False, False]


def test_looking_does_not_make_the_toy_dataset(call, tmp_path):
    call("datasets")
    assert not (tmp_path / "cache" / "toy").exists()


def test_categories_and_samples_of_a_folder(call, as_mvtec):
    found = described(call, "--data", as_mvtec.parent)["mvtec3d"]
    assert found["root"] == str(as_mvtec)
    assert found["categories"] == ["bagel", "cable_gland", "rope"]
    assert found["missing"][:2] == ["carrot", "cookie"]
    assert found["samples"] == {"train": 150, "validation": 12, "test": 96}
    assert found["mend"].startswith("harness data fetch mvtec3d --to DIR --categories carrot,cookie")
    assert f"harness data verify {as_mvtec}" in found["mend"]
    out = call("datasets", "--data", as_mvtec.parent).out
    assert "3 of 10" in out
    assert "150 of 2656" in out
    assert str(as_mvtec) in out


def test_the_variable_is_the_folder(call, as_mvtec, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(as_mvtec))
    assert described(call)["mvtec3d"]["found"]


def test_files_without_partner_are_told(call, as_mvtec):
    (as_mvtec / "rope" / "train" / "good" / "xyz" / "003.tiff").unlink()
    out = call("datasets", "--data", as_mvtec).out
    assert "1 files can't be used" in out or "1 file can't be used" in out
    assert "003.png" in "".join(out.split())


def test_no_folder_is_an_error(call):
    outcome = call("datasets", "--data", "nowhere")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("harness: nowhere is not a folder: name the one")
