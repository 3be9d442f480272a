"""A sample as a grid of voxels, and the scores of voxels as a map of the image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.contract import Progress, Sample
from harness.geometry import valid_points
from methods.parts.inputs import measured_cloud
from methods.parts.mvtec.camera import CAMERA_POINTS, Camera, Correspondences, common_camera, own_camera
from methods.parts.mvtec.cloud import find_pivot
from methods.parts.mvtec.representation import Encoded
from methods.parts.patch_maps import enlarge

__all__ = ["VoxelGrid"]

_MARGIN = 1 + 1e-6

Floats = NDArray[np.float64]


class VoxelGrid:
    """Cubic voxels in a cube about the bounding box of all training clouds; its side is the box's longest.

    Empty voxels are -1 in every channel. An occupied one is +1, or the mean colour of its points, in [0, 1]. Points
    outside of the cube are left out.

    Parameters
    ----------
    grid
        Voxels along a side.
    rgb
        Whether an occupied voxel holds a colour.
    rays
        Side of the image of rays that scores are projected with; twice ``grid`` places of each ray are looked up.
    device
        Of encoded samples.
    """

    def __init__(self, *, grid: int, rgb: bool, rays: int, device: str = "cpu") -> None:
        self.channels = 3 if rgb else 1
        self.shape = (grid, grid, grid)
        self.least_deviation = (1 / 255,) * 3 if rgb else ()
        self.side = 0.0
        self.corner = np.zeros(3)
        self.size = (0, 0)
        self.camera: Camera | None = None
        self._rgb, self._count, self._device = rgb, rays, device
        self._rays: Tensor | None = None

    def fit(self, samples: Sequence[Sample], *, seed: int, progress: Progress) -> None:
        """Find the cube and the camera."""
        rng = np.random.default_rng([seed, 0])
        low, high = np.full(3, np.inf), np.full(3, -np.inf)
        pairs = []
        for position, sample in enumerate(samples):
            progress("geometry", position, len(samples))
            xyz = measured_cloud(sample)
            points = xyz[valid_points(xyz)]
            low, high = np.minimum(low, points.min(axis=0)), np.maximum(high, points.max(axis=0))
            if not position:
                self.size = (xyz.shape[0], xyz.shape[1])
            if xyz.shape[:2] == self.size:
                pairs.append(Correspondences.draw(xyz, -(-CAMERA_POINTS // len(samples)), rng))
        progress("geometry", len(samples), len(samples))
        self.camera = common_camera(pairs)
        self.side = float((high - low).max()) * _MARGIN or 1.0
        self.corner = (low + high - self.side) / 2
        self._prepare_rays()

    def encode(self, sample: Sample) -> Encoded:
        """Fill the voxels of a sample; it has a camera of its own where the training samples have none in its size."""
        xyz = measured_cloud(sample)
        values = self._fill(*self._points(sample, xyz)).to(self._device)
        size = (xyz.shape[0], xyz.shape[1])
        if size == self.size and self._rays is not None:
            return Encoded(values, size, self._rays)
        return Encoded(values, size, self._trace(own_camera(xyz), size))

    def rotated(self, sample: Sample, angles: Sequence[float], *, seed: int) -> Iterator[Tensor]:
        """Yield the grids (C, *shape) of a sample rotated by angles in degrees."""
        xyz = measured_cloud(sample)
        points, colours = self._points(sample, xyz)
        pivot = find_pivot(xyz, seed)
        return (self._fill(pivot.turn(points, angle), colours) for angle in angles)

    def pack(self, values: Tensor) -> NDArray[np.uint8]:
        """Return the flat indices of the occupied voxels, 4 bytes each, then their colours, 3 bytes each."""
        flat = values.reshape(self.channels, -1).numpy()
        occupied = np.flatnonzero(flat[0] >= 0)
        parts = [occupied.astype(np.int32).view(np.uint8)]
        if self._rgb:
            parts.append(np.rint(flat[:, occupied] * 255).astype(np.uint8).reshape(-1))
        return np.concatenate(parts)

    def unpack(self, packed: NDArray[np.uint8]) -> Tensor:
        """Return a grid (C, *shape)."""
        count = len(packed) // (7 if self._rgb else 4)
        occupied = packed[: 4 * count].view(np.int32)
        values = np.full((self.channels, int(np.prod(self.shape))), -1, np.float32)
        colours = packed[4 * count :].reshape(3, count) / np.float32(255) if self._rgb else 1
        values[:, occupied] = colours
        return torch.from_numpy(values.reshape(self.channels, *self.shape))

    def to_map(self, scores: Tensor, encoded: Encoded) -> NDArray[np.float32]:
        """Project scores: of each ray the largest that it meets, 0 where it misses the cube."""
        assert encoded.rays is not None
        padded = torch.cat([scores.reshape(-1), scores.new_zeros(1)])
        met = padded.index_select(0, encoded.rays.reshape(-1)).reshape(encoded.rays.shape)
        return enlarge(met.amax(dim=-1), encoded.size)

    @property
    def nbytes(self) -> int:
        """Bytes of the traced rays, the camera and the cube's corner."""
        if self.camera is None or self._rays is None:
            return self.corner.nbytes
        return self.corner.nbytes + self._rays.nbytes + self.camera.matrix.nbytes

    def state(self) -> dict[str, NDArray[Any]]:
        """Return camera, cube and image size."""
        return {
            "camera": Camera.to_array(self.camera),
            "cube": np.array([*self.corner, self.side]),
            "size": np.array(self.size, np.int64),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Load them and trace the rays again."""
        self.camera = Camera.from_array(state["camera"])
        self.corner, self.side = np.array(state["cube"][:3]), float(state["cube"][3])
        self.size = (int(state["size"][0]), int(state["size"][1]))
        self._prepare_rays()

    def voxels_of(self, points: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return the flat index (N,) of the voxel of each point (N, 3); one past the last for a point outside."""
        grid = self.shape[0]
        cells = np.floor((points - self.corner) * (grid / self.side)).astype(np.int64)
        inside = ((cells >= 0) & (cells < grid)).all(axis=-1)
        flat = (cells[..., 2] * grid + cells[..., 1]) * grid + cells[..., 0]
        return np.where(inside, flat, grid**3)

    @staticmethod
    def _points(sample: Sample, xyz: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        valid = valid_points(xyz)
        return xyz[valid], sample.rgb[valid]

    def _fill(self, points: NDArray[np.floating], colours: NDArray[np.uint8]) -> Tensor:
        """Return the grid (C, *shape), axes z, y, x, of points (N, 3) with colours (N, 3)."""
        voxels = self.voxels_of(points)
        last = int(np.prod(self.shape))
        counts = np.bincount(voxels, minlength=last + 1)[:last]
        occupied = counts > 0
        values = np.full((self.channels, last), -1, np.float32)
        if self._rgb:
            for channel, row in enumerate(values):
                sums = np.bincount(voxels, weights=colours[:, channel], minlength=last + 1)[:last]
                row[occupied] = sums[occupied] / (255 * counts[occupied])
        else:
            values[:, occupied] = 1
        return torch.from_numpy(values.reshape(self.channels, *self.shape))

    def _prepare_rays(self) -> None:
        self._rays = None if self.camera is None else self._trace(self.camera, self.size)

    def _trace(self, camera: Camera, size: tuple[int, int]) -> Tensor:
        """Return the voxels (rays, rays, 2 * grid) int32 at places spaced evenly from a ray's entry to its exit."""
        count, grid = self._count, self.shape[0]
        rows, columns = ((np.arange(count) + 0.5) * side / count - 0.5 for side in size)
        found = np.empty((count, count, 2 * grid), np.int32)
        steps = (np.arange(2 * grid) + 0.5) / (2 * grid)
        for line, row in zip(found, rows, strict=True):
            origins, directions = camera.rays(np.column_stack([columns, np.full(count, row)]))
            entry, leave = self._crossing(origins, directions, ahead=not camera.telecentric)
            times = entry[:, None] + (leave - entry)[:, None] * steps
            places = origins[:, None] + times[..., None] * directions[:, None]
            met = leave > entry
            line[met] = self.voxels_of(places[met])
            line[~met] = grid**3
        return torch.from_numpy(found).to(self._device)

    def _crossing(self, origins: Floats, directions: Floats, *, ahead: bool) -> tuple[Floats, Floats]:
        """Return where (N,) rays enter and leave the cube, in metres along them; the exit first where they miss it."""
        slopes = np.where(np.abs(directions) < 1e-12, 1e-12, directions)
        ends = np.stack([(self.corner - origins) / slopes, (self.corner + self.side - origins) / slopes])
        entry, leave = ends.min(axis=0).max(axis=1), ends.max(axis=0).min(axis=1)
        return (np.maximum(entry, 0) if ahead else entry), leave
