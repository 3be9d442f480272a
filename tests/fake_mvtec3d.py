"""A fake MVTec 3D-AD: the published tree, every sample of it, at a twentieth of the images' size."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import tifffile
from PIL import Image

__all__ = ["CATEGORIES", "FakeCategory", "mvtec3d_entries"]

SHRUNK = 20
SPACING = 0.001
VARIANTS = 4
"""Different images and clouds of a category; its samples share their bytes."""


@dataclass(frozen=True)
class FakeCategory:
    """Published facts of a category: width and height of its images, and numbers of samples."""

    size: tuple[int, int]
    train: int
    validation: int
    test: Mapping[str, int]

    @property
    def defects(self) -> tuple[str, ...]:
        """Kinds with a class id of their own, in the order of the ids: 255, 254, ..."""
        return tuple(kind for kind in self.test if kind not in ("good", "combined"))

    def folders(self) -> Iterator[tuple[str, int]]:
        """Every folder of samples below the category's, and how many it has."""
        yield "train/good", self.train
        yield "validation/good", self.validation
        yield from ((f"test/{defect}", count) for defect, count in self.test.items())


CATEGORIES = {
    "bagel": FakeCategory(
        (800, 800), 244, 22, {"good": 22, "combined": 23, "contamination": 22, "crack": 22, "hole": 21}
    ),
    "cable_gland": FakeCategory((400, 400), 223, 23, {"good": 21, "bent": 21, "cut": 22, "hole": 22, "thread": 22}),
    "carrot": FakeCategory(
        (800, 800), 286, 29, {"good": 27, "combined": 27, "contamination": 27, "crack": 26, "cut": 26, "hole": 26}
    ),
    "cookie": FakeCategory(
        (500, 500), 210, 22, {"good": 28, "combined": 25, "contamination": 25, "crack": 27, "hole": 26}
    ),
    "dowel": FakeCategory(
        (400, 400), 288, 34, {"good": 26, "bent": 27, "combined": 26, "contamination": 26, "cut": 25}
    ),
    "foam": FakeCategory(
        (900, 900), 236, 27, {"good": 20, "color": 20, "combined": 20, "contamination": 20, "cut": 20}
    ),
    "peach": FakeCategory(
        (600, 600), 361, 42, {"good": 26, "combined": 25, "contamination": 27, "cut": 25, "hole": 29}
    ),
    "potato": FakeCategory(
        (800, 800), 300, 33, {"good": 22, "combined": 23, "contamination": 23, "cut": 23, "hole": 23}
    ),
    "rope": FakeCategory((900, 400), 298, 33, {"good": 32, "contamination": 25, "cut": 27, "open": 17}),
    "tire": FakeCategory((600, 800), 210, 29, {"good": 25, "combined": 5, "contamination": 28, "cut": 27, "hole": 27}),
}


def mvtec3d_entries(categories: Sequence[str] = tuple(CATEGORIES)) -> Iterator[tuple[str, bytes]]:
    """Return name and content of every file of some categories, as they lie in the published archive."""
    for name in categories:
        category = CATEGORIES[name]
        yield from ((f"{name}/{file}", content) for file, content in _facts(category))
        for folder, count in category.folders():
            for index in range(count):
                stem = f"{name}/{folder}"
                rgb, xyz = _scene(category.size, index % VARIANTS, sum(map(ord, name)))
                yield f"{stem}/rgb/{index:03d}.png", rgb
                yield f"{stem}/xyz/{index:03d}.tiff", xyz
                if folder.startswith("test/"):
                    marked = tuple(_class_ids(category, folder.removeprefix("test/")))
                    yield f"{stem}/gt/{index:03d}.png", _mask(category.size, marked)


def _facts(category: FakeCategory) -> Iterator[tuple[str, bytes]]:
    ids = {**{str(255 - index): kind for index, kind in enumerate(category.defects)}, "0": "good"}
    width, height = (side // SHRUNK for side in category.size)
    camera = {"camera_type": "area_scan_division", "focus": 0.01, "kappa": -2205.03, "sx": 7.5e-05, "sy": 7.5e-05}
    camera |= {"cx": width / 2, "cy": height / 2, "image_width": width, "image_height": height}
    yield "calibration/camera_parameters.json", json.dumps(camera).encode()
    yield "class_ids.json", json.dumps(ids, indent=2).encode()
    yield "license.txt", b"Made for tests; not the dataset.\n"
    yield "readme.txt", b"Made for tests; not the dataset.\n"


def _class_ids(category: FakeCategory, defect: str) -> list[int]:
    """Values that the masks of a defect hold: one, none for nominal samples, two for combined ones."""
    if defect == "combined":
        return [255, 254]
    return [255 - category.defects.index(defect)] if defect != "good" else []


@cache
def _scene(size: tuple[int, int], variant: int, seed: int) -> tuple[bytes, bytes]:
    """Image and cloud of a coloured dome of 12 mm on a table."""
    width, height = (side // SHRUNK for side in size)
    draw = np.random.default_rng([seed, variant])
    rows, columns = np.indices((height, width), dtype=np.float64)
    x, y = (columns - width / 2 + 0.3) * SPACING, (rows - height / 2 + 0.3) * SPACING
    radius = min(width, height) / 3.5 * SPACING
    inside = x**2 + y**2 < radius**2
    z = 0.5 - np.where(inside, 0.009 + 0.003 * (1 - (x**2 + y**2) / radius**2), 0) + draw.normal(0, 1e-4, x.shape)
    rgb = np.where(inside[..., None], draw.integers(90, 200, 3), 40) + draw.integers(0, 30, (height, width, 3))
    return _png(rgb.astype(np.uint8)), _tiff(np.stack([x, y, z], axis=-1).astype(np.float32))


@cache
def _mask(size: tuple[int, int], values: tuple[int, ...]) -> bytes:
    """Mask with a block of 3 x 3 pixels for each class id, side by side in the middle."""
    width, height = (side // SHRUNK for side in size)
    mask = np.zeros((height, width), np.uint8)
    for place, value in enumerate(values):
        left = width // 2 - 3 * len(values) // 2 + 3 * place
        mask[height // 2 - 1 : height // 2 + 2, left : left + 3] = value
    return _png(mask)


def _png(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def _tiff(xyz: np.ndarray) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, xyz, photometric="rgb")
    return out.getvalue()
