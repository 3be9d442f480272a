"""A fake Eyecandies: a block on a table under the official camera, and categories as they are published."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Iterator, Mapping
from functools import cache

import numpy as np
import yaml
from PIL import Image

__all__ = [
    "FOCAL",
    "HIGH",
    "KINDS",
    "LOW",
    "POSE",
    "TABLE",
    "category_entries",
    "depth_image",
    "items",
    "kind_mask",
    "object_mask",
    "packed",
]

KINDS = ("bumps", "dents", "colors", "normals")
FOCAL, HALF = 711.11, np.sqrt(0.5)
POSE = np.array([[1, 0, 0, 0], [0, HALF, -HALF, -2.12132], [0, HALF, HALF, 2.22132], [0, 0, 0, 1]])
TABLE, LOW, HIGH = 2.15, 2.0, 5.0
VARIANTS = 4
"""Different samples of each content; the others share their bytes."""


def object_mask(side: int) -> np.ndarray:
    """Where the block is, (side, side) bool."""
    rows, columns = np.indices((side, side)) * 64 // side
    return (rows >= 20) & (rows < 44) & (columns >= 10) & (columns < 50)


def depth_image(side: int, height: float = 0.1) -> np.ndarray:
    """What a camera at 45 degrees sees of a table with a block of the given height, as 16-bit values."""
    turn, shift = POSE[:3, :3], POSE[:3, 3]
    rows, columns = np.indices((side, side))
    rays = np.stack([(columns - side / 2) / FOCAL, (rows - side / 2) / FOCAL, np.ones((side, side))], axis=-1) @ turn
    camera = -turn.T @ shift
    level = np.where(object_mask(side), TABLE - height, TABLE)
    depth = (level - camera[1]) / rays[..., 1]
    return np.round((depth - LOW) / (HIGH - LOW) * 65535).astype(np.uint16)


def kind_mask(side: int, kinds: Collection[str]) -> np.ndarray:
    """What some kinds of defects mark of the block, (side, side) bool: each kind a part of its own."""
    quarter = np.indices((side, side))[1] * len(KINDS) // side
    return object_mask(side) & np.isin(quarter, [KINDS.index(kind) for kind in kinds])


@cache
def items(side: int, kinds: tuple[str, ...] = (), seed: int = 0) -> Mapping[str, bytes]:
    """The 17 files of a sample with some kinds of defects, by the part of the name that follows its number."""
    draw = np.random.default_rng(seed)
    inside = object_mask(side)
    lights = {f"image_{light}.png": _png(_coloured(inside, light, draw)) for light in range(6)}
    normals = np.full((side, side, 3), (128, 218, 218), np.uint8)  # up from the table, for a camera at 45 degrees
    masks = {f"{kind}_mask": kind_mask(side, {kind} & {*kinds}) for kind in KINDS} | {"mask": kind_mask(side, kinds)}
    labels = {f"anomalous_{kind}": int(kind in kinds) for kind in KINDS}
    return {
        **lights,
        "depth.png": _png(depth_image(side)),
        "info_depth.yaml": yaml.safe_dump({"normalization": {"max": HIGH, "min": LOW}}).encode(),
        "normals.png": _png(normals),
        "pose.txt": "\n".join(" ".join(f"{value:.18e}" for value in row) for row in POSE).encode(),
        "obj_params.yaml": b"scale: 1.0\n",
        "metadata.yaml": yaml.safe_dump({"anomalous": int(bool(kinds)), **labels}).encode(),
        **{f"{name}.png": _png(mask.astype(np.uint8) * np.uint8(255)) for name, mask in masks.items()},
    }


def category_entries(side: int = 26) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file of a category, as they lie in its published archive."""
    for split, count, digits in (("train", 1000, 3), ("val", 100, 2), ("test_public", 50, 2), ("test_private", 400, 3)):
        for number in range(count):
            kinds = _published_kinds(number) if split == "test_public" else ()
            for item, content in items(side, kinds, number % VARIANTS).items():
                if split != "test_private" or not _is_label(item):
                    yield f"{split}/data/{number:0{digits}}_{item}", content


def packed(entries: Iterator[tuple[str, bytes]], mode: str = "w") -> bytes:
    """A tar file of these files; ``mode`` may name a compression: ``w:xz``."""
    out = io.BytesIO()
    options = {"preset": 0} if mode == "w:xz" else {}
    with tarfile.open(fileobj=out, mode=mode, **options) as tar:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _published_kinds(number: int) -> tuple[str, ...]:
    """Kinds of defects of a test sample: 25 good ones, then each kind alone and all at once, five times."""
    one = (number - 25) % 5
    return () if number < 25 else KINDS if one == len(KINDS) else (KINDS[one],)


def _is_label(item: str) -> bool:
    return item in ("obj_params.yaml", "metadata.yaml") or item.endswith("mask.png")


def _coloured(inside: np.ndarray, light: int, draw: np.random.Generator) -> np.ndarray:
    noise = draw.integers(0, 30, (*inside.shape, 3))
    return (np.where(inside[..., None], (190 - 20 * light, 60, 20 + 20 * light), 90) + noise).astype(np.uint8)


def _png(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()
