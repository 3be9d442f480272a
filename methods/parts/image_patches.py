"""Patch features of an image as PatchCore has them: two layers of a frozen network, each averaged over 3 x 3."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from harness.contract import Sample
from methods.parts.efficientnet_lite import build_efficientnet_lite0
from methods.parts.inputs import SIZE, image_input
from methods.parts.module_state import module_bytes
from methods.parts.wide_resnet import build_wide_resnet

__all__ = ["ImagePatches", "locally_aware"]

_BUILDERS = {"wide_resnet50": build_wide_resnet, "efficientnet-lite0": build_efficientnet_lite0}


class ImagePatches:
    """A frozen network and what it says of each of 28 x 28 patches.

    Parameters
    ----------
    backbone
        Which network.
    weights
        Its file; None for random weights.
    device
        Torch device name.

    Raises
    ------
    MethodError
        If the file can't be read, lacks a tensor or holds another network.
    """

    def __init__(
        self, backbone: Literal["wide_resnet50", "efficientnet-lite0"], *, weights: Path | None, device: str
    ) -> None:
        self._device = torch.device(device)
        self._network = _BUILDERS[backbone](weights=weights).to(device)

    def prepare(self, sample: Sample) -> Tensor:
        """Return the image, (3, 224, 224) float32 on the device: padded by its edges, resized, normalised."""
        return image_input(sample.rgb, SIZE).to(self._device)

    @torch.inference_mode()
    def patches(self, inputs: Tensor) -> Tensor:
        """Return the features, (784, d) float32, in raster order."""
        fine, coarse = self._network(inputs[None])
        return locally_aware(fine[0], coarse[0])

    def nbytes(self) -> int:
        """Return the bytes of the network's parameters and buffers."""
        return module_bytes(self._network)


def locally_aware(fine: Tensor, coarse: Tensor) -> Tensor:
    """Average both layers over 3 x 3, padded with zeros, and enlarge the coarse one bilinearly to the fine one.

    Parameters
    ----------
    fine : (c, g, g) float
    coarse : (C, h, h) float

    Returns
    -------
    (g * g, c + C), patches in raster order.
    """
    averaged = [functional.avg_pool2d(layer[None], 3, stride=1, padding=1) for layer in (fine, coarse)]
    size = (fine.shape[1], fine.shape[2])
    averaged[1] = functional.interpolate(averaged[1], size=size, mode="bilinear", align_corners=False)
    return torch.cat(averaged, 1)[0].flatten(1).T
