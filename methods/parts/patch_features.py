"""Patch features of BTF's variants, from an image and a cloud."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.contract import MethodError, Sample
from harness.geometry import resize_nearest, square_pad
from methods.parts.depth_descriptors import RawLayout, hog_patches, raw_patches, require_skimage, sift_patches
from methods.parts.fpfh import FPFHSettings, fpfh, require_open3d
from methods.parts.inputs import SIZE, ImageBackground, blackened_image, cloud_input, image_input
from methods.parts.module_state import module_bytes
from methods.parts.patch_maps import grid_rows
from methods.parts.wide_resnet import build_wide_resnet, wide_resnet_patches

__all__ = ["GRID", "Extractor", "FeatureSettings", "Features", "Inputs"]

GRID = 28
"""Patches on a side."""

Features = Literal["rgb", "depth", "raw", "hog", "sift", "fpfh", "rgb+fpfh"]


@dataclass(frozen=True, slots=True)
class FeatureSettings:
    """Which features, and how they are computed; :class:`methods.btf.BTF` documents the parameters."""

    features: Features
    rgb_background: ImageBackground
    raw_layout: RawLayout
    fpfh: FPFHSettings

    @property
    def parts(self) -> list[str]:
        """Names of the single features, in the order of their channels."""
        return self.features.split("+")


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """One sample at 224 x 224.

    Parameters
    ----------
    image : (3, 224, 224) float32
        On the device; ImageNet mean and deviation.
    depth : (224, 224) float32
        Metres, 0 where nothing was measured; in host memory, as the cloud.
    points : (N, 3) float32
        Valid points in raster order, metres.
    pixels : (N,) int64
        Flat pixel of each point.
    """

    image: Tensor
    depth: NDArray[np.float32]
    points: NDArray[np.float32]
    pixels: NDArray[np.int64]


class Extractor:
    """Feature extraction, with the network if the features need it.

    Parameters
    ----------
    settings
        What to extract.
    weights
        WideResNet50-2's file; None for random weights.
    seed
        Seed of Open3D.
    device
        Torch device name.

    Raises
    ------
    UnsupportedError
        If a package that the features need can't be imported.
    """

    def __init__(self, settings: FeatureSettings, *, weights: Path | None, seed: int, device: str) -> None:
        for part, require in (("fpfh", require_open3d), ("hog", require_skimage)):
            if part in settings.parts:
                require()
        self._settings, self._seed = settings, seed
        self._device = torch.device(device)
        networked = {"rgb", "depth"} & set(settings.parts)
        self._network = build_wide_resnet(weights=weights).to(device) if networked else None

    def prepare(self, sample: Sample) -> Inputs:
        """Pad with zeros to a square, resize, normalise and transfer."""
        rgb = blackened_image(sample, self._settings.rgb_background)
        points, pixels = cloud_input(sample.xyz)
        return Inputs(
            image=image_input(square_pad(rgb), SIZE).to(self._device),
            depth=np.ascontiguousarray(resize_nearest(square_pad(sample.xyz[..., 2]), SIZE)),
            points=points,
            pixels=pixels,
        )

    @torch.inference_mode()
    def patches(self, inputs: Inputs) -> Tensor:
        """Return the features, (784, d), on the device: float64 if a part of them is, else float32.

        Raises
        ------
        MethodError
            If FPFH is a part and the cloud has no valid point.
        """
        parts = [self._part(part, inputs).to(self._device) for part in self._settings.parts]
        kind = torch.float64 if any(part.dtype == torch.float64 for part in parts) else torch.float32
        return torch.cat([part.to(kind) for part in parts], 1)

    def nbytes(self) -> int:
        """Return the bytes of the network's parameters and buffers."""
        return module_bytes(self._network)

    def _part(self, part: str, inputs: Inputs) -> Tensor:
        if part == "fpfh":
            return self._fpfh(inputs)
        if part == "raw":
            return raw_patches(inputs.depth, GRID, self._settings.raw_layout)
        if part == "hog":
            return hog_patches(inputs.depth, GRID)
        if part == "sift":
            return sift_patches(inputs.depth, GRID)
        return self._wide_resnet(inputs.image if part == "rgb" else torch.from_numpy(inputs.depth).expand(3, -1, -1))

    def _wide_resnet(self, image: Tensor) -> Tensor:
        assert self._network is not None
        return wide_resnet_patches(self._network, image.to(self._device), GRID)

    def _fpfh(self, inputs: Inputs) -> Tensor:
        if not len(inputs.points):
            raise MethodError(
                f"The cloud has no valid point at {SIZE}x{SIZE}: it is empty, or cleaning removed the object."
            )
        described = torch.from_numpy(fpfh(inputs.points, self._settings.fpfh, seed=self._seed))
        return grid_rows(torch.from_numpy(inputs.pixels), SIZE, GRID, described.dtype) @ described
