"""Small synthetic samples for tests of methods."""

from __future__ import annotations

import numpy as np

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
    )


def no_progress(stage: str, done: int, total: int) -> None:
    """A progress callback that says nothing."""
