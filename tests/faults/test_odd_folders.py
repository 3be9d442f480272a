"""Folders of any names and files are described, or refused in a sentence; those that people have are guessed right."""

from __future__ import annotations

import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import tifffile
from cloud_files import columns_of, pcd, ply
from hypothesis import given, settings
from hypothesis import strategies as st
from own_files import part
from PIL import Image

from harness.data.folder import SPLITS
from harness.data.own.describe import draft_description
from harness.data.own.reader import OwnDataset
from harness.errors import HarnessError

IMAGE = (np.arange(48 * 64 * 3) % 251).astype(np.uint8).reshape(48, 64, 3)
XYZ = part().xyz * 1000
DEPTH = np.rint(XYZ[..., 2]).astype(np.uint16)


def write(path: Path, content: str) -> None:
    """Write a file of a kind of content, whatever its suffix is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    form = {".jpg": "JPEG", ".bmp": "BMP"}.get(path.suffix.lower(), "PNG")
    if content == "image":
        Image.fromarray(IMAGE).save(path, form)
    elif content == "mask":
        Image.fromarray(IMAGE[..., 0]).save(path, form)
    elif content == "depth":
        Image.fromarray(DEPTH).save(path, "PNG")
    elif content == "xyz":
        tifffile.imwrite(path, XYZ, photometric="rgb")
    elif content == "array":
        with path.open("wb") as stream:
            np.save(stream, XYZ)
    elif content == "odd array":
        with path.open("wb") as stream:
            np.save(stream, np.zeros((3, 0, 2, 1)))
    elif content in ("pcd", "ply"):
        path.write_bytes((pcd if content == "pcd" else ply)(columns_of(XYZ)))
    elif content == "intrinsics":
        path.write_text('{"fx": 450, "fy": 455, "ppx": 31.5, "ppy": 23.5, "coeffs": [0, 0, 0, 0, 0]}')
    else:
        path.write_bytes({"empty": b"", "text": b"category,id\n\xff"}[content])


NAMES = st.sampled_from(
    [
        *("train", "TEST", "val", "good", "ok", "nok", "dent", "rgb", "xyz", "depth", "mask", "gt", "object", "part 1"),
        *("a", "7", "007", "{id}", "*", "[x]", "IMG_0007", "007_rgb", "007_depth", "7-mask", ".hidden", "größe", "a.b"),
    ]
)
SUFFIXES = st.sampled_from([".png", ".PNG", ".jpg", ".tiff", ".npy", ".npz", ".pcd", ".ply", ".json", ".csv", ""])
CONTENTS = ["image", "mask", "depth", "xyz", "array", "odd array", "pcd", "ply", "intrinsics", "empty", "text"]
FILES = st.tuples(st.lists(NAMES, max_size=4), NAMES, SUFFIXES, st.sampled_from(CONTENTS))


@settings(max_examples=80)
@given(st.lists(FILES, max_size=8))
def test_any_folder_is_described_or_refused(files: list[tuple[list[str], str, str, str]]) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder) / "parts"
        root.mkdir()
        for above, name, suffix, content in files:
            path = root.joinpath(*above, name + suffix)
            try:
                write(path, content)
            except OSError:  # a file is where a folder should be, or the other way round
                continue
        said = ""
        try:
            draft = draft_description(root)
            tomllib.loads(draft.files["dataset.toml"])
            for name, text in draft.files.items():
                (root / name).write_text(text, encoding="utf-8")
            read_all(OwnDataset(root))
        except HarnessError as error:
            said = str(error)
        assert not said or said.endswith(".")


def read_all(dataset: OwnDataset) -> None:
    for category in dataset.categories:
        for split in SPLITS:
            for ref in dataset.refs(category, split):
                dataset.load(ref)


KNOWN = {
    "suffixes in one folder": (
        ["{d}/{n:03d}_rgb.png", "{d}/{n:03d}_depth.png", "{d}/{n:03d}_mask.png"],
        "depth",
    ),
    "prefixes in one folder": (["{d}/color_{n}.png", "{d}/depth_{n}.png", "{d}/mask_{n}.png"], "depth"),
    "capitals, numbers without zeros": (["{d}/IMG_{n}.PNG", "{d}/IMG_{n}.TIFF", "{d}/masks/IMG_{n}.PNG"], "xyz"),
    "a folder for each part": (["{d}/part_{n}/rgb.png", "{d}/part_{n}/cloud.ply", "{d}/part_{n}/mask.png"], "ply"),
    "a folder for each kind": (["color/{d}/{n}.jpg", "depth/{d}/{n}.png", "masks/{d}/{n}.png"], "depth"),
    "names of a camera": (
        [
            "{d}/2024-11-03_14.25.{n:02d}_color.png",
            "{d}/2024-11-03_14.25.{n:02d}_depth.png",
            "{d}/2024-11-03_14.25.{n:02d}_mask.png",
        ],
        "depth",
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_folders_that_people_have(name: str, tmp_path: Path) -> None:
    patterns, kind = KNOWN[name]
    for folder, count in (("ok", 11), ("nok", 4)):
        for number in range(count):
            image, cloud, mask = (tmp_path / pattern.format(d=folder, n=number) for pattern in patterns)
            write(image, "image")
            write(cloud, kind)
            if folder == "nok":
                write(mask, "mask")
    if kind == "depth":
        write(tmp_path / "camera.json", "intrinsics")
    draft = draft_description(tmp_path)
    assert draft.open == ()
    for file, text in draft.files.items():
        (tmp_path / file).write_text(text)
    dataset = OwnDataset(tmp_path)
    (category,) = dataset.categories
    assert dataset.description.cloud.kind == kind
    assert dataset.description.cloud.metres == 1e-3
    assert [len(dataset.refs(category, split)) for split in ("train", "test")] == [8, 7]
    samples = [dataset.decode(ref) for ref in dataset.refs(category, "test")]
    assert [sample.defect for sample in samples] == ["good"] * 3 + ["nok"] * 4
    assert all(sample.mask is not None and sample.mask.any() == sample.anomalous for sample in samples)
