"""Tiny datasets as real files: a table with an object on it, in both layouts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

SIDE = 56
SPACING = 0.0011


def table_with_dome(seed: int = 0, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """A noisy table at 0.5 m, slightly tilted, with a dome of 12 mm height on it and one pixel without a point."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((height, width), dtype=np.float64)
    x, y = (columns - width / 2 + 0.3) * SPACING, (rows - height / 2 + 0.3) * SPACING
    dome = np.maximum(0, np.sqrt(np.maximum(0, 0.03**2 - x**2 - y**2)) - 0.018)
    z = 0.5 + 0.1 * x - dome + rng.normal(0, 2e-4, x.shape)
    xyz = np.stack([x, y, z], axis=-1).astype(np.float32)
    xyz[height // 2, width // 2] = 0
    return xyz


@dataclass(frozen=True)
class MVTecFolder:
    """Writes samples in MVTec 3D-AD's layout."""

    root: Path

    def write(self, folder: str, stem: str = "000", **changes: Any) -> Path:
        """Write one sample; ``changes`` replace rgb, xyz or gt, and None leaves the file out."""
        target = self.root / folder
        seed = sum(map(ord, stem))
        xyz = changes.get("xyz", table_with_dome(seed))
        shape = (SIDE, SIDE) if xyz is None else xyz.shape[:2]
        rgb = changes.get("rgb", np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8))
        good = folder.endswith("/good")
        gt = changes.get("gt", None if good else np.pad(np.full((6, 6), 255, np.uint8), [(8, SIDE - 14)] * 2))
        for kind, array, suffix in (("rgb", rgb, "png"), ("xyz", xyz, "tiff"), ("gt", gt, "png")):
            if array is not None:
                (target / kind).mkdir(parents=True, exist_ok=True)
                save(target / kind / f"{stem}.{suffix}", array)
        return target


def save(path: Path, array: np.ndarray) -> None:
    if path.suffix == ".tiff":
        tifffile.imwrite(path, array, photometric="rgb")
    else:
        Image.fromarray(array).save(path)


@pytest.fixture
def mvtec(tmp_path: Path) -> MVTecFolder:
    """An empty folder that samples are written to."""
    return MVTecFolder(tmp_path / "mvtec3d")


@pytest.fixture
def bagel(mvtec: MVTecFolder) -> MVTecFolder:
    """A category with three training, one validation and four test samples."""
    for stem in ("002", "000", "001"):
        mvtec.write("bagel/train/good", stem)
    mvtec.write("bagel/validation/good")
    mvtec.write("bagel/test/good", "000")
    mvtec.write("bagel/test/good", "001")
    mvtec.write("bagel/test/hole", "000")
    mvtec.write("bagel/test/crack", "000")
    return mvtec


@pytest.fixture
def scene() -> Callable[..., np.ndarray]:
    """The function :func:`table_with_dome`."""
    return table_with_dome
