"""What the baselines learn from: a sample as a grid of voxels or as a depth image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from harness.contract import Progress, Sample

__all__ = ["Encoded", "Representation"]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A sample as the input of a model, on the device.

    Parameters
    ----------
    values : (C, *shape) float32
    size
        Height and width of the sample's image, pixels.
    rays : (h, w, n) int32, optional
        Flat indices of the voxels that the ray of a pixel meets; one past the last voxel stands for none.
    """

    values: Tensor
    size: tuple[int, int]
    rays: Tensor | None = None


class Representation(Protocol):
    """Turns samples into tensors and scores of a tensor's elements into a map of the image."""

    @property
    def channels(self) -> int:
        """C of the values: 1, of a coloured grid 3, of a coloured depth image 4."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (D, H, W) of a grid, (H, W) of an image; known once fitted."""

    @property
    def least_deviation(self) -> tuple[float, ...]:
        """Of each channel, the smallest standard deviation that means something; empty where values are -1 and +1."""

    @property
    def nbytes(self) -> int:
        """Bytes that are kept for :meth:`to_map` and :meth:`encode`."""

    def fit(self, samples: Sequence[Sample], *, seed: int, progress: Progress) -> None:
        """Learn from the training samples what is the same for a category: camera, box of the grid, range of depths.

        Raises
        ------
        MethodError
            For a sample without a valid point.
        UnsupportedError
            Where the images are no projections of their points.
        """

    def encode(self, sample: Sample) -> Encoded:
        """Return a sample for a model, with all that :meth:`to_map` needs."""

    def rotated(self, sample: Sample, angles: Sequence[float], *, seed: int) -> Iterator[Tensor]:
        """Yield the values (C, *shape), in host memory, of a sample rotated by angles in degrees.

        It turns about the normal of the background plane, through the plane's point nearest to the cloud's centroid.
        """

    def pack(self, values: Tensor) -> NDArray[np.uint8]:
        """Return values of :meth:`rotated` in few bytes (n,), colours in steps of 1/255."""

    def unpack(self, packed: NDArray[np.uint8]) -> Tensor:
        """Undo :meth:`pack`, in host memory."""

    def to_map(self, scores: Tensor, encoded: Encoded) -> NDArray[np.float32]:
        """Return scores (*shape), at least 0, as a map of the image, zero-padded to a square of its longer side."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what fit learned as small named arrays."""

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Undo :meth:`state` in a new object with the same parameters."""
