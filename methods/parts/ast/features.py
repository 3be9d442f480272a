"""Inputs of AST's networks: EfficientNet features and unshuffled depth on one grid, and a soft mask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor
from torch.nn import functional

from harness.contract import Sample
from harness.geometry import square_pad
from methods.parts.ast.efficientnet import CHANNELS, STRIDE, Padding, build_efficientnet
from methods.parts.depth import ForegroundRule, depth_and_foreground, resize_bilinear

__all__ = ["BLOCK", "Extractor", "Inputs", "Modality", "image_input", "soft_mask"]

BLOCK = 8
"""Pixels of depth, and of the map, on a side of a grid cell."""

Modality = Literal["rgb+depth", "rgb", "depth"]


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """One sample on the device of the networks; the grid's side is g = image_size / 32.

    Parameters
    ----------
    image : (3, 32 g, 32 g) float32
        None if the features are of the depth alone.
    depth : (8 g, 8 g) float32
        Centimetres about the object's mean, 0 off the object; None if the features are of the image alone.
    mask : (1, g, g) float32
        Share of the object in each cell, 0 to 1, after dilation; 1 everywhere if the features are of the image alone.
    """

    image: Tensor | None
    depth: Tensor | None
    mask: Tensor


def image_input(rgb: NDArray[np.uint8], size: int) -> Tensor:
    """Return (3, size, size) float32: edge-replicated to a square, Pillow's bilinear, ImageNet mean and deviation."""
    resized = Image.fromarray(square_pad(rgb, "edge")).resize((size, size), Image.Resampling.BILINEAR)
    image = torch.from_numpy(np.asarray(resized, np.float32) / 255)
    return ((image - torch.tensor(IMAGENET_DEFAULT_MEAN)) / torch.tensor(IMAGENET_DEFAULT_STD)).permute(2, 0, 1)


def soft_mask(foreground: Tensor, grid: int, dilation: int) -> Tensor:
    """Return (1, grid, grid) float32: the foreground, dilated by a box of ``dilation`` pixels, resized bilinearly.

    Of a box with an even side, the larger half lies at the lower right.
    """
    if dilation:
        before, after = (dilation - 1) // 2, dilation // 2
        plane = functional.pad(foreground[None, None], (before, after, before, after))
        for box in ((dilation, 1), (1, dilation)):
            plane = functional.max_pool2d(plane, box, stride=1)
        foreground = plane[0, 0]
    return resize_bilinear(foreground, grid)[None]


class Extractor:
    """Extraction of feature images; parameters that are not listed are those of :class:`methods.ast.AST`.

    Parameters
    ----------
    weights
        EfficientNet's file; None for random weights, which are the same for every seed, as pretrained ones are.
    device
        Torch device name.
    """

    def __init__(
        self,
        *,
        modality: Modality,
        image_size: int,
        foreground: ForegroundRule,
        gap_passes: int,
        dilation: int,
        padding: Padding,
        weights: Path | None,
        device: str,
    ) -> None:
        self.modality, self.image_size, self.grid = modality, image_size, image_size // STRIDE
        self.foreground, self.gap_passes, self.dilation = foreground, gap_passes, dilation
        self.device = torch.device(device)
        network = None if modality == "depth" else build_efficientnet(weights=weights, padding=padding)
        if network is not None and self.device.type == "cpu":
            network = network.to(memory_format=torch.channels_last)  # a third faster there
        self.network = None if network is None else network.to(device)

    @property
    def channels(self) -> int:
        """Channels of the features: 304 of the image, 64 of the depth."""
        return (self.modality != "depth") * CHANNELS + (self.modality != "rgb") * BLOCK**2

    def prepare(self, sample: Sample) -> Inputs:
        """Fill gaps, pad, resize, normalise and transfer; raise MethodError for a cloud without an object."""
        image = None if self.network is None else image_input(sample.rgb, self.image_size).to(self.device)
        if self.modality == "rgb":
            return Inputs(image, None, torch.ones(1, self.grid, self.grid, device=self.device))
        depth, foreground = depth_and_foreground(
            sample, self.grid * BLOCK, self.foreground, self.gap_passes, self.device
        )
        return Inputs(image, depth, soft_mask(foreground, self.grid, self.dilation))

    @torch.no_grad()
    def features(self, inputs: Inputs) -> Tensor:
        """Return the feature image of one sample, (channels, g, g) float32: image features first, then depth."""
        parts = []
        if self.network is not None and inputs.image is not None:
            parts.append(self.network(inputs.image[None])[0])
        if inputs.depth is not None:
            parts.append(functional.pixel_unshuffle(inputs.depth[None], BLOCK))
        return torch.cat(parts)
