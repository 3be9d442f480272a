"""Files of a made part as three kinds of cameras write them: a bracket on a table, through an exact pinhole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from cloud_files import columns_of, pcd, ply
from PIL import Image

HEIGHT, WIDTH = 72, 96
PINHOLE = {"fx": 420.0, "fy": 420.0, "cx": 47.5, "cy": 35.5}
"""Pixels of about 1 mm on a table at 0.4 m."""


def made_part(seed: int, *, defective: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return image (H, W, 3) uint8, points (H, W, 3) in millimetres with NaN where nothing is, and mask (H, W)."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    z = 400 + draw.normal(0, 0.02, rows.shape)
    top, left = draw.integers(18, 23), draw.integers(28, 35)
    body = np.zeros(rows.shape, bool)
    body[top : top + 30, left : left + 12] = body[top + 20 : top + 30, left : left + 34] = True
    z[body] -= 20
    mask = np.zeros_like(body)
    if defective:
        row, column = top + draw.integers(2, 14), left + draw.integers(1, 5)
        mask[row : row + 6, column : column + 6] = True
        z[mask] += 4
    rgb = np.full((*rows.shape, 3), 45.0)
    rgb[body], rgb[mask] = (90, 120, 150), (200, 60, 50)
    rgb += draw.normal(0, 3, rgb.shape)
    z[4, 7] = np.nan
    x, y = (columns - PINHOLE["cx"]) / PINHOLE["fx"] * z, (rows - PINHOLE["cy"]) / PINHOLE["fy"] * z
    return np.clip(rgb, 0, 255).astype(np.uint8), np.stack([x, y, z], -1).astype(np.float32), mask


def save(image: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **({"quality": 95} if path.suffix == ".jpg" else {}))


def write_depth_camera(root: Path, numbers: Mapping[str, int]) -> None:
    """Write ``ok/007_rgb.jpg``, ``ok/007_depth.png`` (16 bits, millimetres) and ``intrinsics.json``; no masks."""
    for seed, (folder, number) in enumerate((name, i) for name, count in numbers.items() for i in range(count)):
        rgb, points, _ = made_part(seed, defective=folder != "ok")
        save(rgb, root / folder / f"{number:03d}_rgb.jpg")
        save(np.nan_to_num(np.rint(points[..., 2])).astype(np.uint16), root / folder / f"{number:03d}_depth.png")
    (root / "intrinsics.json").write_text(json.dumps({"width": WIDTH, "height": HEIGHT, "model": "pinhole"} | PINHOLE))


def write_cloud_camera(root: Path, suffix: str, numbers: Mapping[str, int], category: str = "") -> None:
    """Write an image, a cloud of one format in millimetres, and a mask, in a folder for each: ``train/good/image/7.png``."""
    for seed, (folder, number) in enumerate((name, i) for name, count in numbers.items() for i in range(count)):
        defective = not folder.endswith(("good", "ok"))
        rgb, points, mask = made_part(seed, defective=defective)
        place = root / category / folder
        save(rgb, place / "image" / f"IMG_{number}.png")
        cloud = place / "cloud" / f"IMG_{number}.{suffix}"
        cloud.parent.mkdir(parents=True, exist_ok=True)
        cloud.write_bytes(pcd(columns_of(points)) if suffix == "pcd" else ply(columns_of(points)))
        if defective:
            save((mask * 255).astype(np.uint8), place / "mask" / f"IMG_{number}.png")
