"""A sample as an image of distances to the camera, with its colours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from harness.contract import Progress, Sample
from harness.geometry import valid_points
from methods.parts.inputs import measured_cloud
from methods.parts.mvtec.camera import CAMERA_POINTS, Camera, Correspondences, common_camera, own_camera
from methods.parts.mvtec.cloud import Pivot, find_pivot
from methods.parts.mvtec.representation import Encoded
from methods.parts.patch_maps import enlarge

__all__ = ["DepthImage"]

_LEAST_DEPTH, _LEAST_COLOUR = 0.001, 1 / 255

Floats = NDArray[np.float64]


class DepthImage:
    """Distances to the camera, scaled so that those of valid training pixels span [0, 1], and colours in [0, 1].

    The distance is 0 where no point was measured. A rotated sample is drawn anew: points go to their nearest pixels,
    the nearest point of a pixel is seen, and pixels without one are holes of distance 0. A hole's colour is that of the
    rotated background plane.

    Parameters
    ----------
    size
        Side of the image, to which others are resized: points by nearest pixel, colours bilinearly with antialiasing;
        0 takes the size of the first training image.
    rgb
        Whether three channels of colour follow the distance.
    device
        Of encoded samples.
    """

    def __init__(self, *, size: int, rgb: bool, device: str = "cpu") -> None:
        self.channels = 4 if rgb else 1
        self.shape = (size, size)
        self.least_deviation: tuple[float, ...] = ()
        self.nearest, self.farthest = 0.0, 1.0
        self.size = (0, 0)
        self.camera: Camera | None = None
        self._rgb, self._device = rgb, device

    def fit(self, samples: Sequence[Sample], *, seed: int, progress: Progress) -> None:
        """Find the camera and the range of distances."""
        rng = np.random.default_rng([seed, 0])
        pairs = []
        for position, sample in enumerate(samples):
            progress("camera", position, len(samples))
            xyz = measured_cloud(sample)
            if not position:
                self.size = (xyz.shape[0], xyz.shape[1])
            if xyz.shape[:2] == self.size:
                pairs.append(Correspondences.draw(xyz, -(-CAMERA_POINTS // len(samples)), rng))
        progress("camera", len(samples), len(samples))
        self.camera = common_camera(pairs)
        if not self.shape[0]:
            self.shape = self.size
        ends: list[Floats] = []
        for position, sample in enumerate(samples):
            progress("range", position, len(samples))
            xyz = measured_cloud(sample)
            distances = self._camera_of(xyz).distance(xyz[valid_points(xyz)])
            ends.append(np.array([distances.min(), distances.max()]))
        progress("range", len(samples), len(samples))
        self.nearest, self.farthest = float(np.min(ends)), float(np.max(ends))
        self._set_deviation()

    def encode(self, sample: Sample) -> Encoded:
        """Return a sample's image; it has a camera of its own where the training samples have none in its size."""
        xyz = measured_cloud(sample)
        points, colours = self._reduced(sample, xyz)
        valid = valid_points(points)
        depth = np.zeros(self.shape, np.float32)
        depth[valid] = self._scaled(self._camera_of(xyz).distance(points[valid]))
        return Encoded(self._stacked(depth, colours).to(self._device), (xyz.shape[0], xyz.shape[1]))

    def rotated(self, sample: Sample, angles: Sequence[float], *, seed: int) -> Iterator[Tensor]:
        """Yield the images (C, *shape) of a sample rotated by angles in degrees."""
        xyz = measured_cloud(sample)
        pivot = find_pivot(xyz, seed)
        camera = self._camera_of(xyz).resized((xyz.shape[0], xyz.shape[1]), self.shape)
        points, colours = self._reduced(sample, xyz)
        return (self._draw(points, colours, camera, pivot, angle) for angle in angles)

    def pack(self, values: Tensor) -> NDArray[np.uint8]:
        """Return the distances, 4 bytes each, then the colours, 1 byte each."""
        image = values.numpy()
        colours = np.rint(image[1:] * 255).astype(np.uint8).reshape(-1)
        return np.concatenate([np.ascontiguousarray(image[0]).reshape(-1).view(np.uint8), colours])

    def unpack(self, packed: NDArray[np.uint8]) -> Tensor:
        """Return an image (C, *shape)."""
        pixels = self.shape[0] * self.shape[1]
        depth = packed[: 4 * pixels].view(np.float32)[None]
        colours = packed[4 * pixels :].reshape(-1, pixels) / np.float32(255)
        return torch.from_numpy(np.concatenate([depth, colours]).reshape(self.channels, *self.shape))

    def to_map(self, scores: Tensor, encoded: Encoded) -> NDArray[np.float32]:
        """Resize scores to the sample's image."""
        return enlarge(scores, encoded.size)

    @property
    def nbytes(self) -> int:
        """Bytes of the camera."""
        return 0 if self.camera is None else self.camera.matrix.nbytes

    def state(self) -> dict[str, NDArray[Any]]:
        """Return camera, range of distances and sizes of the camera's and the result's image."""
        return {
            "camera": Camera.to_array(self.camera),
            "range": np.array([self.nearest, self.farthest]),
            "size": np.array([*self.size, *self.shape], np.int64),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Load them."""
        height, width, *shape = (int(side) for side in state["size"])
        self.size, self.shape = (height, width), (shape[0], shape[1])
        self.camera = Camera.from_array(state["camera"])
        self.nearest, self.farthest = (float(end) for end in state["range"])
        self._set_deviation()

    def _set_deviation(self) -> None:
        self.least_deviation = (_LEAST_DEPTH / self._span, *(_LEAST_COLOUR,) * (self.channels - 1))

    @property
    def _span(self) -> float:
        """Metres that stand for 1; a millimetre where all distances are equal."""
        return max(self.farthest - self.nearest, _LEAST_DEPTH)

    def _scaled(self, distances: Floats) -> Floats:
        return (distances - self.nearest) / self._span

    def _camera_of(self, xyz: NDArray[np.float32]) -> Camera:
        if self.camera is not None and xyz.shape[:2] == self.size:
            return self.camera
        return own_camera(xyz)

    def _reduced(self, sample: Sample, xyz: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Return points and colours (h, w, 3) in the size of the result."""
        if xyz.shape[:2] == self.shape:
            return xyz, sample.rgb
        rows, columns = (
            (2 * np.arange(to) + 1) * side // (2 * to) for to, side in zip(self.shape, xyz.shape, strict=False)
        )
        image = torch.from_numpy(sample.rgb.astype(np.float32)).permute(2, 0, 1)[None]
        small = functional.interpolate(image, size=self.shape, mode="bilinear", antialias=True, align_corners=False)
        colours = small[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8)
        return xyz[np.ix_(rows, columns)], colours.numpy()

    def _draw(
        self, points: NDArray[np.float32], colours: NDArray[np.uint8], camera: Camera, pivot: Pivot, angle: float
    ) -> Tensor:
        """Return the image of points (h, w, 3) with colours (h, w, 3), rotated."""
        valid = valid_points(points)
        turned = pivot.turn(points[valid], angle)
        pixels, inside = self._pixels(camera.project(turned))
        distances = camera.distance(turned)[inside]
        far_first = np.argsort(-distances, kind="stable")
        seen = pixels[far_first]
        depth = np.zeros(self.shape, np.float32)
        depth.reshape(-1)[seen] = self._scaled(distances[far_first])
        if not self._rgb:
            return self._stacked(depth, colours)
        image = self._background(colours, camera, pivot, angle)
        image.reshape(-1, 3)[seen] = colours[valid][inside][far_first]
        return self._stacked(depth, image)

    def _background(self, colours: NDArray[np.uint8], camera: Camera, pivot: Pivot, angle: float) -> NDArray[np.uint8]:
        """Return the colours (h, w, 3) of the rotated background plane, black where it comes from outside the image."""
        rows, columns = np.indices(self.shape).reshape(2, -1)
        origins, directions = camera.rays(np.column_stack([columns, rows]).astype(np.float64))
        with np.errstate(divide="ignore", invalid="ignore"):
            times = ((pivot.centre - origins) @ pivot.axis) / (directions @ pivot.axis)
            places = origins + times[:, None] * directions
        pixels, inside = self._pixels(camera.project(pivot.turn(places, -angle)))
        image = np.zeros((len(rows), 3), np.uint8)
        image[inside] = colours.reshape(-1, 3)[pixels]
        return image.reshape(*self.shape, 3)

    def _pixels(self, places: Floats) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the flat indices (n,) of the nearest pixels of places (N, 2) in the image, and which (N,) are."""
        height, width = self.shape
        with np.errstate(invalid="ignore"):
            nearest = np.floor(places + 0.5)
            inside: NDArray[np.bool_] = np.all((nearest >= 0) & (nearest < (width, height)), axis=1)
        columns, rows = nearest[inside].astype(np.int64).T
        return rows * width + columns, inside

    def _stacked(self, depth: NDArray[np.float32], colours: NDArray[np.uint8]) -> Tensor:
        if not self._rgb:
            return torch.from_numpy(depth[None])
        image = colours.transpose(2, 0, 1) / np.float32(255)
        return torch.from_numpy(np.concatenate([depth[None], image]))
