"""What cameras and tools make of MVTec 3D-AD's layout: read right without a description, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cloud_files import columns_of, ply
from PIL import Image

from harness.data.own.reader import OwnDataset
from harness.data.verify import verify_dataset

Change = Callable[[Path], None]


def image(suffix: str) -> Change:
    def change(path: Path) -> None:
        Image.open(path).save(path.with_suffix(suffix), quality=95)
        path.unlink()

    return change


def cloud(made: Callable[[np.ndarray], np.ndarray], **options: str) -> Change:
    return lambda path: tifffile.imwrite(path, made(tifffile.imread(path)), **options)


def with_nan(xyz: np.ndarray) -> np.ndarray:
    return np.where((xyz == 0).all(axis=2, keepdims=True), np.nan, xyz)


def planes(xyz: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(xyz, -1, 0))


def as_npy(path: Path) -> None:
    np.save(path.with_suffix(".npy"), tifffile.imread(path))
    path.unlink()


def as_ply(path: Path) -> None:
    path.with_suffix(".ply").write_bytes(ply(columns_of(tifffile.imread(path))))
    path.unlink()


def twelve_bits(path: Path) -> None:
    Image.fromarray(np.asarray(Image.open(path).convert("L")).astype(np.uint16) << 4).save(path)


def changed(root: Path, kind: str, change: Change) -> OwnDataset:
    for path in sorted(root.rglob(f"{kind}/*")):
        change(path)
    return OwnDataset(root)


@pytest.fixture
def root(bagel) -> Path:
    """Samples of which a point is missing, in a folder of their own name."""
    (bagel.root / "bagel").rename(bagel.root / "bracket")
    return bagel.root


READ = {
    "jpg": ("rgb", image(".jpg")),
    "bmp": ("rgb", image(".bmp")),
    "tiff": ("rgb", image(".tiff")),
    "bmp masks": ("gt", image(".bmp")),
    "jpg masks": ("gt", image(".jpg")),
    "nan": ("xyz", cloud(with_nan, photometric="rgb")),
    "planes": ("xyz", cloud(planes, photometric="rgb", planarconfig="separate")),
    "pages": ("xyz", cloud(planes, photometric="minisblack")),
    "float64": ("xyz", cloud(lambda xyz: xyz.astype(np.float64), photometric="rgb")),
    "npy": ("xyz", as_npy),
}


@pytest.mark.parametrize("variant", READ)
def test_what_is_meant_is_read(root: Path, variant: str) -> None:
    plain = OwnDataset(root)
    expected = {ref.id: plain.decode(ref) for ref in plain.refs("bracket", "test")}
    dataset = changed(root, *READ[variant])
    refs = dataset.refs("bracket", "test")
    assert [ref.id for ref in refs] == [*expected]
    for ref in refs:
        sample, same = dataset.decode(ref), expected[ref.id]
        assert np.array_equal(sample.xyz, same.xyz)
        assert np.array_equal(sample.mask, same.mask)
        jpg = root / "bracket" / "test" / ref.defect / "rgb" / f"{ref.id[-3:]}.jpg"
        assert np.array_equal(sample.rgb, np.asarray(Image.open(jpg)) if variant == "jpg" else same.rgb)
    assert verify_dataset(root, "folder").problems == ()
    assert any("JPEG" in note for note in dataset.notes("bracket")) == (variant == "jpg masks")


REFUSED = {
    "millimetres": ("xyz", cloud(lambda xyz: xyz * np.float32(1000), photometric="rgb"), "000.tiff", "`unit`"),
    "depth": ("xyz", cloud(lambda xyz: (xyz[..., 2] * 1000).astype(np.uint16)), "000.tiff", "`kind`"),
    "float depth": ("xyz", cloud(lambda xyz: xyz[..., 2]), "000.tiff", "`kind`"),
    "repeated depth": ("xyz", cloud(lambda xyz: xyz[..., [2, 2, 2]], photometric="rgb"), "000.tiff", "kind"),
    "ply": ("xyz", as_ply, "000.ply", "dataset.toml"),
    "another size": ("xyz", cloud(lambda xyz: xyz[::2, ::2], photometric="rgb"), "000.tiff", "28x28"),
    "twelve bits": ("rgb", twelve_bits, "000.png", "8 bits"),
}


@pytest.mark.parametrize("variant", REFUSED)
def test_what_may_be_meant_otherwise_is_refused_with_the_file_and_a_way_out(root: Path, variant: str) -> None:
    kind, change, name, way = REFUSED[variant]
    changed(root, kind, change)
    problems = [problem.message for problem in verify_dataset(root, "folder").problems]
    assert len(problems) == 8
    assert all("fetch" not in problem for problem in problems)
    named = [problem for problem in problems if name in problem]
    assert named
    assert all(way in problem for problem in named)
