"""Normals and lights of Eyecandies' official layout, beside the files that every sample is read from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.images import read_rgb
from harness.data.paired import require_same_size

__all__ = ["FIELDS", "field_files", "read_field"]

FIELDS = ("normals", "lights")

_PARTS = {"normals": ("normals.png",), "lights": tuple(f"image_{light}.png" for light in range(6))}
"""The files of a field. The lights: all four spotlights, each of them (bottom, right, top, left), the box around."""

_AXES = np.array([1, -1, -1], np.float32)
"""The files hold y up and z towards the camera; a sample y down and z away from it."""

_SHORTEST = 0.5
"""A shorter vector is none: nothing was seen there, and rounding to 8 bits leaves a length of almost 1."""


def field_files(image: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """Return the files of some fields of the sample whose colour image is given."""
    stem = image.name.partition("_")[0]
    return tuple(image.with_name(f"{stem}_{part}") for name in names for part in _PARTS[name])


def read_field(image: Path, name: str, hint: str) -> NDArray[Any]:
    """Read a field of the sample whose colour image is given.

    Returns
    -------
    (H, W, 3) float32 unit vectors or zeros for ``normals``, (6, H, W, 3) uint8 for ``lights``

    Raises
    ------
    DataError
        Where a file can't be read, or the images differ in size.
    """
    paths = field_files(image, [name])
    images = [read_rgb(path, hint) for path in paths]
    for path, light in zip(paths, images, strict=True):
        require_same_size(path, light, paths[0], images[0], hint)
    return np.stack(images) if name == "lights" else _unit_vectors(images[0])


def _unit_vectors(encoded: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what an image of normals stands for: 0 to 255 are -1 to 1."""
    vectors = (encoded.astype(np.float32) * np.float32(2 / 255) - 1) * _AXES
    length = np.linalg.norm(vectors, axis=2, keepdims=True)
    unit: NDArray[np.float32] = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > _SHORTEST)
    return unit
