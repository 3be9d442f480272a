"""The walk of docs/how-to/own-data.md, with its own commands, on files as three kinds of cameras write them."""

from __future__ import annotations

import csv
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from cloud_files import columns_of, pcd, ply
from own_files import PINHOLE, part
from PIL import Image

from harness.contract import Sample
from harness.data.own.description import Description
from harness.geometry import valid_points

TOP = Path(__file__).resolve().parents[1]
PAGE = (TOP / "docs" / "how-to" / "own-data.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line)[1:]
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


def parts(folders: dict[str, int]) -> Iterator[tuple[str, int, Sample]]:
    """Made parts with their folders and numbers; those of ``good`` and ``ok`` have no defect."""
    for folder, count in folders.items():
        for number in range(count):
            nominal = folder.rpartition("/")[2] in ("ok", "good")
            yield folder, number, part(len(folder) + 10 * number, "good" if nominal else "scratch")


def save(image: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, quality=95)


def write_depth_camera(root: Path) -> None:
    """Images, depths of 16 bits in millimetres and masks in one folder, and the camera's intrinsics."""
    for folder, number, made in parts({"ok": 6, "nok": 2}):
        save(made.rgb, root / folder / f"{number:03d}_rgb.jpg")
        save(np.rint(made.xyz[..., 2] * 1000).astype(np.uint16), root / folder / f"{number:03d}_depth.png")
        if folder == "nok":
            save(made.mask.astype(np.uint8) * 255, root / folder / f"{number:03d}_mask.png")
    (root / "intrinsics.json").write_text(json.dumps({"width": 64, "height": 48, "model": "pinhole"} | PINHOLE))


def write_cloud_camera(root: Path, folders: dict[str, int], suffix: str, written: Callable[..., bytes]) -> None:
    """Images and clouds in millimetres with NaN, and masks, in folders of their own."""
    for folder, number, made in parts(folders):
        points = np.where(valid_points(made.xyz)[..., None], made.xyz * 1000, np.nan).astype(np.float32)
        save(made.rgb, root / folder / "image" / f"IMG_{number}.png")
        cloud = root / folder / "cloud" / f"IMG_{number}.{suffix}"
        cloud.parent.mkdir(exist_ok=True)
        cloud.write_bytes(written(columns_of(points)))
        if made.defect != "good":
            save(made.mask.astype(np.uint8) * 255, root / folder / "mask" / f"IMG_{number}.png")


def test_the_walk(harness, records, tmp_path: Path) -> None:
    write_depth_camera(tmp_path / "levers")
    kinds = {"train/good": 3, "test/good": 2, "test/scratch": 2}
    sides = {f"{side}/{folder}": count for side in ("left", "right") for folder, count in kinds.items()}
    write_cloud_camera(tmp_path / "flanges", sides, "ply", ply)
    write_cloud_camera(tmp_path / "hinges", {"ok": 4, "dent": 2}, "pcd", pcd)
    printed = {}
    for command in COMMANDS:
        done = harness(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        printed[tuple(word for word in command if not word.startswith("-"))] = done.stdout
    check_descriptions(tmp_path)
    assert "complete and usable (8 samples were read)" in printed["data", "verify", "levers"]
    assert re.search(r"all +6 +0 +8", printed["data", "verify", "flanges"])
    assert re.search(r"hinges +3 +0 +3", printed["data", "verify", "hinges"])
    with Image.open(tmp_path / "levers.png") as picture:
        assert picture.width > 1000

    found = records()
    assert {record["cell"]["dataset"] for record in found} == {"levers"}
    assert [record["status"] for record in found] == ["ok"] * 3
    assert {record["samples"]["train"] for record in found} == {4}
    assert {record["samples"]["test"] for record in found} == {4}
    tables = next(text for words, text in printed.items() if words[0] == "tables")
    assert "levers, all training samples" in " ".join(tables.split())
    assert "random weights" in " ".join(tables.split())
    assert (tmp_path / "report" / "index.html").is_file()
    (answer,) = json.loads(harness("compare", "--dataset", "levers", "--format", "json").stdout)
    assert {method["method"] for method in answer["methods"]} == {"cfm-t", "btf[features=rgb]", "btf[features=depth]"}
    assert answer["setting"]["dataset"] == "levers"


def check_descriptions(root: Path) -> None:
    """Assert that what is guessed is what the cameras wrote."""
    found = {
        name: tomllib.loads((root / name / "dataset.toml").read_text()) for name in ("levers", "flanges", "hinges")
    }
    assert {name: (one["cloud"]["kind"], one["cloud"]["unit"]) for name, one in found.items()} == {
        "levers": ("depth", "mm"),
        "flanges": ("ply", "mm"),
        "hinges": ("pcd", "mm"),
    }
    assert found["levers"]["cloud"]["camera"] == {"file": "intrinsics.json"}
    assert found["levers"]["files"] == {"list": "samples.csv", "nominal": ["ok"]}
    assert found["flanges"]["files"] == {
        "rgb": "{category}/{split}/{defect}/image/{id}.png",
        "cloud": "{category}/{split}/{defect}/cloud/{id}.ply",
        "mask": "{category}/{split}/{defect}/mask/{id}.png",
        "nominal": ["good"],
        "splits": {"train": "train", "test": "test"},
    }
    for name, counts in (("levers", (4, 2, 2)), ("hinges", (3, 1, 2))):
        with (root / name / "samples.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        kinds = [(row["split"], row["defect"] == "ok") for row in rows]
        assert tuple(map(kinds.count, (("train", True), ("test", True), ("test", False)))) == counts
        assert [bool(row["mask"]) for row in rows] == [row["defect"] != "ok" for row in rows]


def keys_of(kind: type[msgspec.Struct] = Description, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the keys of a table of the description and of those in it, with their defaults as the page shows them."""
    for field in msgspec.structs.fields(kind):
        tables = [one for one in (field.type, *getattr(field.type, "__args__", ())) if isinstance(one, type)]
        inner = [one for one in tables if issubclass(one, msgspec.Struct)]
        if above:
            yield f"{above}{field.name}", "" if inner else shown(field)
        if inner:
            yield from keys_of(inner[0], f"{above}{field.name}.")


def shown(field: msgspec.structs.FieldInfo) -> str:
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if default in (msgspec.NODEFAULT, None, "", ()):
        return ""
    if isinstance(default, tuple) and len(default) > 3:
        return f"`{json.dumps(default[0])}` and {len(default) - 1} more"
    return f"`{json.dumps(default)}`"


def test_the_page_has_every_key_of_a_description_with_its_default() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (.*?) ?\| \S.* \|$", PAGE, re.MULTILINE)
    assert dict(rows) == dict(keys_of())


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/choose.md"])
def test_the_page_is_found(page: str) -> None:
    assert "own-data.md" in (TOP / page).read_text(encoding="utf-8")
