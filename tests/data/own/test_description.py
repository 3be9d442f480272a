"""dataset.toml: what is wrong is said with the file, the key and what it may be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.data.own.reading import DescriptionError, read_description

MM = '[cloud]\nunit = "mm"\n'
WRONG = {
    "no unit": ('[dataset]\nname = "a"', "cloud.unit"),
    "no unit of a cloud": ('[cloud]\nkind = "xyz"', "cloud.unit"),
    "an unknown unit": ('[cloud]\nunit = "mn"', "cloud.unit"),
    "a unit of 0": ("[cloud]\nunit = 0", "cloud.unit"),
    "a unit that is no number": ("[cloud]\nunit = nan", "cloud.unit"),
    "an unknown kind": (f'{MM}kind = "zdf"', "cloud.kind"),
    "a depth without camera": (f'{MM}kind = "depth"', "cloud.camera"),
    "a camera of three numbers": (f'{MM}kind = "depth"\ncamera = {{ fx = 1, fy = 1, cx = 0 }}', "cloud.camera"),
    "a camera of no length": (f'{MM}kind = "depth"\ncamera = {{ fx = 0, fy = 1, cx = 0, cy = 0 }}', "cloud.camera"),
    "a height without grid": (f'{MM}kind = "height"', "cloud.grid"),
    "an axis twice": (f'{MM}axes = "right right up"', "cloud.axes"),
    "two axes": (f'{MM}axes = "right up"', "cloud.axes"),
    "a word for missing": (f'{MM}missing = ["none"]', "cloud.missing"),
    "rows the wrong way": (f"{MM}rows = [5, 2]", "cloud.rows"),
    "one row": (f"{MM}rows = [5]", "cloud.rows"),
    "an unknown key": (f"{MM}unitt = 1", "unitt"),
    "an unknown table": (f'{MM}[filess]\nrgb = ""', "filess"),
    "an unknown field": (f'{MM}[files]\nrgb = "{{split}}/{{idd}}.png"', "files.rgb"),
    "a pattern without id": (f'{MM}[files]\ncloud = "{{split}}/a.png"', "files.cloud"),
    "a pattern without split": (f'{MM}[files]\nrgb = "{{id}}.png"', "files.rgb"),
    "a pattern that leads out": (f'{MM}[files]\nmask = "../{{id}}.png"', "files.mask"),
    "no image": (f"{MM}[files]\nrgb = []", "files.rgb"),
    "an unknown split": (f'{MM}[files]\nsplits = {{ tst = "b" }}', "files.splits"),
    "a list that is no CSV": (f'{MM}[files]\nlist = "a.xlsx"', "files.list"),
    "a length of no unit": (f'{MM}[background]\nthickness = "5 parsec"', "background.thickness"),
    "a length below 0": (f"{MM}[background]\ncluster = -1", "background.cluster"),
    "nearest beyond farthest": (f'{MM}[background]\nnearest = "2 m"\nfarthest = "1 m"', "background.nearest"),
    "a mask without pattern": (f'{MM}[background]\nrule = "mask"', "background.mask"),
    "an unknown rule": (f'{MM}[background]\nrule = "colour"', "background.rule"),
    "an image elsewhere": (f"{MM}[rgb]\nregistered = false", "rgb.registered"),
    "a tiny side": (f"{MM}[dataset]\nmax_side = 7", "dataset.max_side"),
    "a name of others": (f'{MM}[dataset]\nname = "mvtec3d"', "dataset.name"),
    "a name with a slash": (f'{MM}[dataset]\nname = "a/b"', "dataset.name"),
    "one word for two splits": (f'{MM}[files]\nsplits = {{ train = "a", test = "a" }}', "files.splits"),
    "axes of a depth image": (
        f'{MM}kind = "depth"\naxes = "right up backward"\ncamera = {{ fx = 1, fy = 1, cx = 0, cy = 0 }}',
        "cloud.axes",
    ),
    "a name with many open parts": (f'{MM}[files]\nmask = "*_*_{{split}}_{{id}}.png"', "files.mask"),
    "any folders twice": (f'{MM}[files]\nmask = "**/a/**/{{id}}.png"', "files.mask"),
    "any folders beside letters": (f'{MM}[files]\nmask = "a**/{{id}}.png"', "files.mask"),
    "no TOML": ("cloud = [", "TOML"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(tmp_path: Path, case: str) -> None:
    text, key = WRONG[case]
    (tmp_path / "dataset.toml").write_text(text)
    with pytest.raises(DescriptionError) as error:
        read_description(tmp_path)
    said = str(error.value)
    assert said.startswith(str(tmp_path / "dataset.toml"))
    assert key in said
    assert re.search(r"[.]$", said)
    assert "\n" not in said


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset.toml").write_bytes(b"\xff\xfe" * 20)
    with pytest.raises(DescriptionError):
        read_description(tmp_path)


def test_lengths_have_units_or_are_in_that_of_the_cloud(tmp_path: Path) -> None:
    text = f'{MM}[background]\nthickness = 4\ncluster = "0.5 cm"\nfarthest = "0.8 m"'
    (tmp_path / "dataset.toml").write_text(text)
    read = read_description(tmp_path)
    lengths = [read.length(getattr(read.background, name)) for name in ("thickness", "cluster", "farthest")]
    assert lengths == pytest.approx([0.004, 0.005, 0.8])


def test_a_folder_without_description_is_in_metres(tmp_path: Path) -> None:
    assert read_description(tmp_path).cloud.metres == 1
