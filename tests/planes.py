"""Made scenes for the baselines of the MVTec 3D-AD paper: a tilted table with a bump, seen by a known camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.contract import Sample

FOCAL = 60.0
PITCH = 0.004


def rays(height: int, width: int, kind: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return origins and directions (H, W, 3), of depth 1 each, of a ``pinhole`` or a ``telecentric`` camera."""
    rows, columns = np.indices((height, width)).astype(float)
    right, down = columns - (width - 1) / 2 + 0.25, rows - (height - 1) / 2 + 0.25
    none, one = np.zeros_like(rows), np.ones_like(rows)
    if kind == "pinhole":
        return np.stack([none, none, none], 2), np.stack([right / FOCAL, down / FOCAL, one], 2)
    return np.stack([right * PITCH, down * PITCH, none], 2), np.stack([none, none, one], 2)


def scene(
    seed: int = 0,
    *,
    kind: str = "pinhole",
    height: int = 48,
    width: int = 48,
    bump: float = 0.0,
    noise: float = 2e-4,
    holes: float = 0.02,
) -> Sample:
    """Draw a tilted table half a metre away, with ``bump`` metres of matter on the middle seventh of the image."""
    draw = np.random.default_rng(seed)
    origins, directions = rays(height, width, kind)
    normal = np.array([0.1, -0.15, 1.0])
    depth = (0.5 - origins @ normal) / (directions @ normal) + draw.normal(0, noise, (height, width))
    low, high = np.array([height, width]) * 3 // 7, np.array([height, width]) * 4 // 7
    inside = (slice(low[0], high[0]), slice(low[1], high[1]))
    depth[inside] -= bump
    xyz = (origins + depth[..., None] * directions).astype(np.float32)
    xyz[draw.random((height, width)) < holes] = 0
    rgb = np.full((height, width, 3), (90, 120, 60), np.uint8) + draw.integers(0, 9, (height, width, 3), np.uint8)
    mask = np.zeros((height, width), bool)
    mask[inside] = bump > 0
    return Sample(
        id=f"train/good/{seed:03d}",
        category="table",
        defect="good",
        rgb=rgb,
        xyz=np.zeros_like(xyz),
        plane=np.ones((height, width), bool),
        mask=mask,
        anomalous=bump > 0,
        measured=xyz,
    )
