from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.base import DATASETS
from harness.data.eyecandies import Eyecandies
from harness.data.mvtec3d import MVTec3D
from harness.data.open import find_datasets, open_dataset
from harness.data.toy import TOY_VERSION, ensure_toy
from harness.errors import PrerequisiteError, UsageError


@pytest.fixture
def candy(tmp_path: Path) -> Path:
    (tmp_path / "candy" / "CandyCane" / "train" / "data").mkdir(parents=True)
    return tmp_path / "candy"


def message(name: str, data: Path | None) -> str:
    with pytest.raises(UsageError) as error:
        open_dataset(name, data)
    return str(error.value)


def test_the_folder_itself(bagel) -> None:
    dataset = open_dataset("mvtec3d", bagel.root)
    assert isinstance(dataset, MVTec3D)
    assert dataset.root == bagel.root
    assert dataset.categories == ("bagel",)


@pytest.mark.parametrize("name", DATASETS["mvtec3d"].folder_names)
def test_the_folder_above_it(bagel, name: str) -> None:
    root = bagel.root.rename(bagel.root.parent / name)
    assert open_dataset("mvtec3d", root.parent).root == root


def test_two_datasets_side_by_side(bagel, candy: Path) -> None:
    candy = candy.rename(candy.parent / "eyecandies")
    assert isinstance(open_dataset("mvtec3d", candy.parent), MVTec3D)
    assert isinstance(open_dataset("eyecandies", candy.parent), Eyecandies)


def test_toy_needs_no_folder(mvtec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A toy folder that is there is taken as it is."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    made = mvtec.write("toy/bump/train/good").parents[3]
    home = tmp_path / "cache" / "toy"
    home.mkdir(parents=True)
    made.joinpath("toy").rename(home / TOY_VERSION)
    assert ensure_toy(tmp_path / "cache") == home / TOY_VERSION
    for data in (None, tmp_path / "nowhere"):
        dataset = open_dataset("toy", data)
        assert dataset.info is DATASETS["toy"]
        assert dataset.root == home / TOY_VERSION
        assert len(dataset.refs("bump", "train")) == 1


@pytest.mark.parametrize(
    ("name", "guess"), [("mvtec", "mvtec3d"), ("MVTec3D-AD", "mvtec3d"), ("eyecandy", "eyecandies"), ("Toys", "toy")]
)
def test_unknown_name_gets_the_nearest(name: str, guess: str) -> None:
    assert message(name, None) == f"There is no dataset '{name}': did you mean '{guess}'?"


def test_name_like_no_other_gets_all() -> None:
    assert message("xqz", None) == "There is no dataset 'xqz': choose one of toy, mvtec3d, eyecandies?"


@pytest.mark.parametrize("name", ["mvtec3d", "eyecandies"])
def test_no_folder_tells_the_three_ways(name: str) -> None:
    with pytest.raises(PrerequisiteError) as error:
        open_dataset(name, None)
    for way in ("--data DIR", "HARNESS_DATA", f"harness data fetch {name} --to DIR"):
        assert way in str(error.value)


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    assert f"{tmp_path / 'none'} does not exist" in message("mvtec3d", tmp_path / "none")
    (tmp_path / "file").touch()
    assert f"{tmp_path / 'file'} is a file" in message("mvtec3d", tmp_path / "file")


def test_empty_folder(tmp_path: Path) -> None:
    text = message("eyecandies", tmp_path)
    assert "looked for categories such as CandyCane, ChocolateCookie" in text
    assert "found nothing" in text
    assert f"harness data fetch eyecandies --to {tmp_path}" in text


def test_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    assert "found no folder in it" in message("mvtec3d", tmp_path)
    for name in "fcbdae":
        (tmp_path / name).mkdir()
    assert "found a, b, c, d and 2 more folders" in message("mvtec3d", tmp_path)


def test_category_folders_without_the_layout_are_not_enough(tmp_path: Path) -> None:
    (tmp_path / "bagel" / "train").mkdir(parents=True)
    assert "holds no MVTec 3D-AD" in message("mvtec3d", tmp_path)


def test_the_other_dataset_is_recognised(bagel, candy: Path) -> None:
    assert f"{candy} holds Eyecandies and not MVTec 3D-AD: use --dataset eyecandies" in message("mvtec3d", candy)
    text = message("eyecandies", bagel.root)
    assert f"{bagel.root} holds MVTec 3D-AD and not Eyecandies: use --dataset mvtec3d" in text


def test_category_folder_points_to_the_one_above(bagel) -> None:
    text = message("mvtec3d", bagel.root / "bagel")
    assert f"is one category of MVTec 3D-AD: give the folder above it, --data {bagel.root}" in text


def test_what_is_found(bagel, candy: Path) -> None:
    toy, mvtec3d, eyecandies = find_datasets(bagel.root.parent)
    assert (toy.root, toy.categories) == (None, ("bump", "ridge"))
    assert (mvtec3d.root, mvtec3d.categories) == (bagel.root, ("bagel",))
    assert (eyecandies.root, eyecandies.categories) == (None, ())
    assert find_datasets(candy)[2].categories == ("CandyCane",)
    assert [found.root for found in find_datasets(None)] == [None, None, None]
