"""Small synthetic samples for tests of methods."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from harness.contract import Sample


def make_sample(seed: int = 0, *, height: int = 224, width: int = 224, radius: float = 30.0) -> Sample:
    """A wavy disc on nothing: random colours, jittered points half a metre away."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width].astype(float)
    y, x = rows - height / 2 + draw.uniform(-5, 5), columns - width / 2 + draw.uniform(-5, 5)
    depth = 0.5 - 0.02 * np.cos(y / 17 + seed) * np.cos(x / 23)
    xyz = np.stack([x * 7e-4, y * 7e-4, depth], -1) + draw.normal(0, 1e-5, (height, width, 3))
    inside = y**2 + x**2 < radius**2
    xyz[~inside] = 0
    xyz[draw.random((height, width)) < 0.02] = 0
    coarse = draw.integers(0, 256, (8, 8, 3))
    rgb = np.kron(coarse, np.ones((-(-height // 8), -(-width // 8), 1)))[:height, :width]
    return Sample(
        id=f"train/good/{seed:03d}",
        category="disc",
        defect="good",
        rgb=np.clip(rgb + draw.normal(0, 8, rgb.shape), 0, 255).astype(np.uint8),
        xyz=xyz.astype(np.float32),
        plane=~inside,
        mask=np.zeros((height, width), bool),
        anomalous=False,
        blackened=~inside,
    )


def no_progress(stage: str, done: int, total: int, **values: float) -> None:
    """A progress callback that says nothing."""


def write_sample(folder: Path, name: str, seed: int, defect: str) -> None:
    """Write one sample in the layout of MVTec 3D-AD, 96 x 96 pixels, with a bright square where it is defective."""
    sample = make_sample(seed, height=96, width=96, radius=30)
    mask = np.zeros((96, 96), np.uint8)
    rgb = np.full_like(sample.rgb, 90) + (sample.rgb // 8)
    if defect != "good":
        mask[40:56, 40:56] = 255
        rgb[40:56, 40:56] = (255, 255, 0)
    for kind in ("rgb", "xyz", "gt"):
        (folder / defect / kind).mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(folder / defect / "rgb" / f"{name}.png")
    tifffile.imwrite(folder / defect / "xyz" / f"{name}.tiff", sample.xyz, photometric="rgb")
    Image.fromarray(mask).save(folder / defect / "gt" / f"{name}.png")


def write_tiny_mvtec(root: Path, categories: tuple[str, ...] = ("bagel", "carrot"), train: int = 5) -> Path:
    """Write a tiny dataset that the reader of MVTec 3D-AD takes."""
    for category in categories:
        for index in range(train):
            write_sample(root / category / "train", f"{index:03d}", index, "good")
        for index in range(3):
            write_sample(root / category / "test", f"{index:03d}", 20 + index, "good")
            write_sample(root / category / "test", f"{index:03d}", 30 + index, "hole")
    return root
