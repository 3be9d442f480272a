"""Images and clouds of new samples are paired as those of the data that a method was fitted on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.data.own.description import Camera, CloudDescription, Files
from harness.data.pairs import NewFiles, matching_pairs, pairs_below, parse_line
from harness.errors import UsageError

DEPTH = CloudDescription(unit="mm", kind="depth", camera=Camera(file="{split}/{defect}/{id}.json"))
NAMED = Files(rgb=("{split}/{defect}/{id}_rgb.jpg",), cloud=("{split}/{defect}/{id}_depth.png",))
APART = Files(rgb=("images/{split}/{id}.png",), cloud=("clouds/{split}/{id}.ply",))
PLY = CloudDescription(unit="mm", kind="ply")


@pytest.fixture
def write(tmp_path: Path):
    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / "new" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "new"

    return make


def shown(found: list[NewFiles], folder: Path) -> list[tuple[str, ...]]:
    """Return id, image and cloud of each sample, as they lie below a folder."""
    paths = [(one.id, one.rgb, one.xyz) for one in found if not one.problem]
    return [(id, rgb.relative_to(folder).as_posix(), xyz.relative_to(folder).as_posix()) for id, rgb, xyz in paths]


def test_the_layout_of_mvtec_is_found_at_any_depth(write) -> None:
    folder = write(
        *("test/hole/rgb/000.png", "test/hole/xyz/000.tiff", "test/hole/gt/000.png"),
        *("test/good/rgb/000.png", "test/good/xyz/000.tiff"),
    )
    found = pairs_below(folder, None, None)
    assert shown(found, folder) == [
        ("test/good/000", "test/good/rgb/000.png", "test/good/xyz/000.tiff"),
        ("test/hole/000", "test/hole/rgb/000.png", "test/hole/xyz/000.tiff"),
    ]
    assert [one.id for one in pairs_below(folder / "test" / "hole", None, None)] == ["000"]


def test_files_side_by_side_are_paired_by_their_names(write) -> None:
    folder = write("a/1.png", "a/1.tiff", "a/2.JPG", "a/2.tif", "b/1.png", "b/1.tiff")
    assert [one[0] for one in shown(pairs_below(folder, None, None), folder)] == ["a/1", "a/2", "b/1"]


def test_own_data_are_paired_by_their_own_names(write) -> None:
    folder = write("monday/7_rgb.jpg", "monday/7_depth.png", "monday/7.json", "8_rgb.jpg", "8_depth.png", "8.json")
    found = pairs_below(folder, NAMED, DEPTH)
    assert shown(found, folder) == [
        ("8", "8_rgb.jpg", "8_depth.png"),
        ("monday/7", "monday/7_rgb.jpg", "monday/7_depth.png"),
    ]
    assert [one.camera for one in found] == [folder / "8.json", folder / "monday" / "7.json"]


@pytest.mark.parametrize("split", ["", "test/"])
def test_folders_of_images_and_of_clouds_apart(write, split: str) -> None:
    folder = write(f"images/{split}1.png", f"clouds/{split}1.ply", f"clouds/{split}2.ply", f"images/{split}3.png")
    found = pairs_below(folder, APART, PLY)
    assert shown(found, folder) == [(f"{split}1", f"images/{split}1.png", f"clouds/{split}1.ply")]
    assert sorted(bool(one.problem) for one in found) == [False, True, True]


def test_a_sample_without_its_cloud_or_with_two_is_told_of(write) -> None:
    folder = write("rgb/1.png", "xyz/1.tiff", "rgb/2.png", "xyz/3.tiff", "rgb/4.png", "xyz/4.tiff", "xyz/4.tif")
    problems = {one.id: one.problem for one in pairs_below(folder, None, None)}
    assert not problems["1"]
    assert "rgb/2.png has no cloud" in problems["2"]
    assert "xyz/3.tiff has no image" in problems["3"]
    assert "2 clouds" in problems["4"]


def test_two_images_of_one_name_are_told_of(write) -> None:
    folder = write("rgb/1.png", "rgb/1.jpg", "xyz/1.tiff", "rgb/2.png", "xyz/2.tiff")
    assert [(one.id, bool(one.problem)) for one in pairs_below(folder, None, None)] == [
        ("1", True),
        ("1", True),
        ("2", False),
    ]


def test_a_folder_without_a_pair_is_refused_with_the_names_that_are_looked_for(write) -> None:
    with pytest.raises(UsageError, match=r"rgb/\{id\}\.png.*--in"):
        pairs_below(write("a.png", "notes.txt"), None, None)


def test_a_glob_chooses_images_or_folders(write, monkeypatch) -> None:
    folder = write("a/rgb/1.png", "a/xyz/1.tiff", "a/rgb/2.png", "a/xyz/2.tiff", "b/rgb/1.png", "b/xyz/1.tiff")
    assert len(matching_pairs(f"{folder}/*/rgb/1.png", None, None)) == 2
    assert len(matching_pairs(f"{folder}/a/rgb/*.png", None, None)) == 2
    assert len(matching_pairs(f"{folder}/[a]", None, None)) == 2
    monkeypatch.chdir(folder)
    assert len(matching_pairs("**/2.png", None, None)) == 1
    for nothing in ("c/*.png", "a/xyz/*", "nowhere"):
        with pytest.raises(UsageError):
            matching_pairs(nothing, None, None)


def test_a_line_names_two_files_or_three() -> None:
    one = NewFiles("1", Path("a b/1.png"), Path("1.tiff"), Path("1.json"))
    assert parse_line("a b/1.png\t1.tiff\t1.json") == one
    assert parse_line(json.dumps({"rgb": "a b/1.png", "xyz": "1.tiff", "camera": "1.json", "more": 1})) == one


@pytest.mark.parametrize("line", ["1.png", "{", "{}", '{"rgb": 1, "xyz": 2}', '{"rgb": "a"}', "\t", "[" * 10**5])
def test_a_line_that_names_no_sample_is_told_of(line: str) -> None:
    assert "RGB<TAB>XYZ" in parse_line(line).problem
