"""The frozen teacher of INP-Former: inputs and features of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from harness.contract import Sample
from methods.parts.dinov2 import PATCH, Size, block_tokens, build_dinov2
from methods.parts.inp_former.networks import halves
from methods.parts.inputs import image_input, normalised

__all__ = ["FitTo", "Inputs", "Targets", "Teacher", "cropped_input"]

FitTo = Literal["center-crop", "pad"]
"""Parameter ``fit_to`` of :class:`methods.inp_former.INPFormer`."""

_FIRST = 2
"""The first block whose output is used, counted from 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """One sample on the device of the teacher.

    Parameters
    ----------
    image : (3, S, S) float32
    height, width
        Of the sample's image, pixels.
    """

    image: Tensor
    height: int
    width: int


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What is to be rebuilt.

    Parameters
    ----------
    shallow, deep : (N, C) or (B, N, C) float32
        Means over the first and over the last half of the teacher's blocks.
    """

    shallow: Tensor
    deep: Tensor

    @classmethod
    def stacked(cls, samples: Sequence[Targets]) -> Targets:
        """Return the batch of some samples."""
        return cls(torch.stack([one.shallow for one in samples]), torch.stack([one.deep for one in samples]))

    @property
    def groups(self) -> tuple[Tensor, Tensor]:
        """Both halves."""
        return self.shallow, self.deep

    @property
    def tokens(self) -> Tensor:
        """The mean over all blocks."""
        return (self.shallow + self.deep) / 2


class Teacher:
    """DINOv2 with registers, and the input that it gets.

    Parameters
    ----------
    backbone
        Which network.
    blocks
        Blocks whose outputs are used, from the third on; an even number.
    size
        Side of the input, pixels, a multiple of 14.
    fit_to
        How an image is brought to this size.
    weights
        File of the network; None for random weights.
    device
        Torch device name.
    """

    def __init__(
        self, backbone: Size, *, blocks: int, size: int, fit_to: FitTo, weights: Path | None, device: str
    ) -> None:
        self.device, self._size, self._fit_to = torch.device(device), size, fit_to
        self.network = build_dinov2(backbone, _FIRST + blocks, size // PATCH, weights=weights).to(device)

    def prepare(self, sample: Sample) -> Inputs:
        """Return the input of a sample on the device."""
        cropped = self._fit_to == "center-crop"
        image = cropped_input(sample.rgb, self._size) if cropped else image_input(sample.rgb, self._size)
        return Inputs(image.to(self.device), *sample.rgb.shape[:2])

    @torch.no_grad()
    def targets(self, inputs: Inputs) -> Targets:
        """Return the features of one sample."""
        return Targets(*halves(block_tokens(self.network, inputs.image, _FIRST)))


def cropped_input(rgb: NDArray[np.uint8], size: int) -> Tensor:
    """Return a (3, size, size) float32 tensor: squashed to 8/7 of the size, bilinear, and cropped to its centre.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
    size
        Side of the result, pixels, a multiple of 14.
    """
    frame, border = size * 8 // 7, size // 14
    squashed = np.asarray(Image.fromarray(rgb).resize((frame, frame), Image.Resampling.BILINEAR))
    return normalised(squashed[border : border + size, border : border + size])
