"""EfficientNet-B5 up to its 36th block, frozen: the image features of AST, built by timm.

Tan, Le: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import timm
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional

from harness.contract import MethodError
from methods.parts.efficientnet_names import from_published
from methods.parts.initialise import randomise
from methods.parts.weight_files import fill_from, read_tensors

__all__ = ["CHANNELS", "STRIDE", "Padding", "build_efficientnet"]

CHANNELS = 304
"""Channels of the features."""

STRIDE = 32
"""Pixels of the image on a side of a feature."""

Padding = Literal["static", "same"]
"""How convolutions of stride 2 are padded: parameter ``padding`` of :class:`methods.ast.AST`."""

_REPEATS = (3, 5, 5, 7, 7, 9)
_OWN_SIZE = 456
_UNIFORM, _SILU, _SIGMOID = 3**0.5, 1.5, 2.0
"""Approximate factors by which a random layer, SiLU and a squeeze-and-excitation gate shrink their input."""

_TIMM_HEAD = ("blocks.6.", "conv_head.", "bn2.", "classifier.")


class _Trunk(nn.Module):
    """Stem and the first six stages; the tensors have timm's names."""

    def __init__(self, whole: nn.Module) -> None:
        super().__init__()
        self.conv_stem, self.bn1 = whole.conv_stem, whole.bn1
        self.blocks = whole.blocks[: len(_REPEATS)]  # type: ignore[index]

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, 3, S, S) to (n, 304, S / 32, S / 32)."""
        features: Tensor = self.blocks(self.bn1(self.conv_stem(images)))  # type: ignore[operator]
        return features


class _StaticConv2d(nn.Conv2d):
    """A convolution of stride 2 with the padding for one fixed size of its input."""

    def __init__(self, like: nn.Conv2d, size: int) -> None:
        super().__init__(like.in_channels, like.out_channels, 1, stride=2, groups=like.groups, bias=False)
        self.kernel_size, self.weight = like.kernel_size, like.weight
        missing = max((-(-size // 2) - 1) * 2 + like.kernel_size[0] - size, 0)
        self.before, self.after = missing // 2, missing - missing // 2

    def forward(self, input: Tensor) -> Tensor:
        """Pad and convolve."""
        padded = functional.pad(input, (self.before, self.after, self.before, self.after))
        return functional.conv2d(padded, self.weight, stride=2, groups=self.groups)


def build_efficientnet(*, weights: Path | None, padding: Padding = "static", seed: int = 0) -> nn.Module:
    """Build the frozen network on the CPU: images (n, 3, S, S), S a multiple of 32, to (n, 304, S / 32, S / 32).

    Parameters
    ----------
    weights
        ``efficientnet-b5-b6417697.pth`` of the EfficientNet-PyTorch package, or a file with timm's names; None for
        seeded random weights, scaled so that features neither vanish nor explode.
    padding
        See :data:`Padding`.
    seed
        Seed of random weights.

    Raises
    ------
    MethodError
        If the file can't be read, lacks a tensor, or has one that is not part of EfficientNet-B5.
    """
    with torch.device("meta"):
        trunk = _Trunk(timm.create_model("tf_efficientnet_b5", pretrained=False))
        if padding == "static":
            _pad_statically(trunk)
    trunk = trunk.to_empty(device="cpu")
    if weights is None:
        _randomise(trunk, seed)
    else:
        fill_from(trunk, _timm_names(read_tensors(weights), weights), weights)
    return trunk.eval().requires_grad_(False)


def _pad_statically(trunk: nn.Module) -> None:
    size = _OWN_SIZE
    for name, module in list(trunk.named_modules()):
        if isinstance(module, Conv2dSame):
            parent, _, own = name.rpartition(".")
            setattr(trunk.get_submodule(parent), own, _StaticConv2d(module, size))
            size = -(-size // 2)


@torch.no_grad()
def _randomise(trunk: nn.Module, seed: int) -> None:
    """Draw the weights; in the blocks without a skip connection the norms compensate the shrinking of the layers.

    Otherwise features would shrink by a factor of thirty at each of these six blocks.
    """
    randomise(trunk, seed, "efficientnet")
    for norm in _norms(trunk):
        norm.reset_parameters()
    trunk.bn1.weight.fill_(_UNIFORM)  # type: ignore[union-attr, operator]
    for block in (stage[0] for stage in trunk.blocks):  # type: ignore[union-attr]
        norms = _norms(block)
        for norm in norms:
            norm.weight.fill_(_UNIFORM)
        for norm in norms[-2:]:
            norm.weight.mul_(_SILU)
        norms[-1].weight.mul_(_SIGMOID)


def _norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [child for child in module.modules() if isinstance(child, nn.BatchNorm2d)]


def _timm_names(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Rename the tensors of either layout to timm's names, without the head and the last stage."""
    published = any(name.startswith("_") for name in tensors)
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        try:
            new = from_published(name, _REPEATS) if published else _from_timm(name)
        except (KeyError, ValueError):
            raise MethodError(
                f"The weight file {path} has '{name}', which is not a tensor of EfficientNet-B5: "
                "delete the file and get the published one with 'harness weights fetch'."
            ) from None
        if new is not None:
            renamed[new] = tensor
    return renamed


def _from_timm(name: str) -> str | None:
    """Return a name of timm's layout, or None if the trunk does not need it."""
    if name.startswith(_TIMM_HEAD):
        return None
    if not name.startswith(("conv_stem.", "bn1.", *(f"blocks.{stage}." for stage in range(len(_REPEATS))))):
        raise ValueError(name)
    return name
