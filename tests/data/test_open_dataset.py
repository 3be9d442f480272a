from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.data import registry
from harness.data.eyecandies import Eyecandies
from harness.data.mvtec3d import MVTec3D
from harness.data.open import dataset_in, find_datasets, open_dataset
from harness.data.own.reader import OwnDataset
from harness.data.registry import DATASETS
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
    assert all(f"'{word}'" in message(name, None) for word in (name, guess))


def test_name_like_no_other_gets_all() -> None:
    assert all(word in message("xqz", None) for word in ("'xqz'", *DATASETS))


@pytest.mark.parametrize("name", ["mvtec3d", "eyecandies"])
def test_no_folder_names_the_three_ways_to_give_one(name: str) -> None:
    with pytest.raises(PrerequisiteError) as error:
        open_dataset(name, None)
    for option in ("--data DIR", "HARNESS_DATA", f"harness data fetch {name} --to DIR"):
        assert option in str(error.value)


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    assert str(tmp_path / "none") in message("mvtec3d", tmp_path / "none")
    (tmp_path / "file").touch()
    assert f"{tmp_path / 'file'} is a file" in message("mvtec3d", tmp_path / "file")


def test_empty_folder(tmp_path: Path) -> None:
    text = message("eyecandies", tmp_path)
    assert "CandyCane, ChocolateCookie" in text
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
    assert all(fact in message("mvtec3d", candy) for fact in (str(candy), "--dataset eyecandies"))
    assert all(fact in message("eyecandies", bagel.root) for fact in (str(bagel.root), "--dataset mvtec3d"))


def test_category_folder_points_to_the_one_above(bagel) -> None:
    assert f"--data {bagel.root}." in message("mvtec3d", bagel.root / "bagel")


def test_what_is_found(bagel, candy: Path) -> None:
    toy, mvtec3d, eyecandies, *_, own = find_datasets(bagel.root.parent)
    assert (toy.root, toy.categories) == (None, ("bump", "ridge"))
    assert (mvtec3d.root, mvtec3d.categories) == (bagel.root, ("bagel",))
    assert (eyecandies.root, eyecandies.categories) == (own.root, own.categories) == (None, ())
    assert find_datasets(candy)[2].categories == ("CandyCane",)
    assert [found.root for found in find_datasets(None)] == [None] * len(DATASETS)


def test_own_data_goes_by_its_folders_name(mvtec) -> None:
    root = mvtec.write("flange_7741/train/good").parents[2]
    root = root.rename(root.with_name("my parts"))
    own = find_datasets(root)[-1]
    assert (own.root, own.categories, own.info.counts) == (root, ("flange_7741",), {})
    assert dataset_in(root) == own.info.name == "my-parts"
    for name in ("folder", own.info.name):
        assert open_dataset(name, root).categories == ("flange_7741",)
    with pytest.raises(UsageError, match="another"):
        open_dataset("another", root)


def test_a_single_category_of_own_data_points_to_the_folder_above(mvtec) -> None:
    root = mvtec.write("flange_7741/train/good").parents[2]
    for refused in (lambda: open_dataset("folder", root / "flange_7741"), lambda: dataset_in(root / "flange_7741")):
        with pytest.raises(UsageError) as error:
            refused()
        assert str(error.value).endswith(f"--data {root}.")


def test_what_a_plugin_registers_is_a_dataset_like_others(bagel, monkeypatch: pytest.MonkeyPatch) -> None:
    class Brackets(MVTec3D):
        info = replace(MVTec3D.info, name="brackets", categories=("bagel",), counts={})

    class Nameless(MVTec3D):
        info = replace(MVTec3D.info, name="")

    entries = {"brackets": Brackets, "nameless": Nameless, "broken": object, "folder": OwnDataset}
    monkeypatch.setattr(registry, "_plugins", Group(entries))
    for cached in (registry._usable, registry.load_reader):
        cached.cache_clear()
    try:
        assert tuple(DATASETS) == ("brackets", "folder")
        assert isinstance(open_dataset("brackets", bagel.root), Brackets)
        for name in ("nameless", "broken", "nix"):
            with pytest.raises(UsageError):
                open_dataset(name, bagel.root)
    finally:
        for cached in (registry._usable, registry.load_reader):
            cached.cache_clear()


class Group:
    """Stands for the installed packages."""

    def __init__(self, entries: dict[str, type]) -> None:
        self._entries = entries

    def names(self) -> tuple[str, ...]:
        return tuple(self._entries)

    def usable_entry(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(value="somewhere", load=lambda: self._entries[name])
