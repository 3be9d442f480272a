"""A conditional normalising flow on feature images: affine couplings of channels, after RealNVP and Glow.

Dinh, Sohl-Dickstein, Bengio: "Density estimation using Real NVP", ICLR 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Coupling", "Flow", "permutation_of"]

_CLAMP = 1.9
_ALMOST_TWO_OVER_PI = 0.636
_LARGEST = 1e6


def permutation_of(block: int, channels: int) -> Tensor:
    """Return the channel order of a block, (channels,) int64, drawn as in the authors' code: seeded by its index."""
    drawn = np.random.RandomState(block).permutation(channels)
    return torch.from_numpy(drawn.astype(np.int64))


class _Subnet(nn.Module):
    """Two convolutions with ReLU between and replicate padding; a learned factor, initially 0, scales the output."""

    def __init__(self, inputs: int, hidden: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, hidden, kernel, padding=kernel // 2, padding_mode="replicate")
        self.conv2 = nn.Conv2d(hidden, outputs, kernel, padding=kernel // 2, padding_mode="replicate")
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, kept: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logarithms of the scales, and the shifts."""
        hidden = torch.relu(self.conv1(torch.cat([kept, condition], dim=1)))
        raw, shift = (self.conv2(hidden) * self.gamma).chunk(2, dim=1)
        return _CLAMP * _ALMOST_TWO_OVER_PI * torch.atan(raw / _CLAMP), shift


class Coupling(nn.Module):
    """Scale and shift the first half of the channels as a function of the second half, then the second of the first.

    Parameters
    ----------
    channels
        Channels of the image; the first half has ``channels // 2``.
    condition
        Channels of the condition.
    hidden, kernel
        Width and odd kernel size of the subnets.
    """

    def __init__(self, channels: int, condition: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.halves = [channels // 2, channels - channels // 2]
        first, second = self.halves
        self.for_first = _Subnet(second + condition, hidden, 2 * first, kernel)
        self.for_second = _Subnet(first + condition, hidden, 2 * second, kernel)

    def forward(self, image: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return the image after the coupling, clamped to +-1e6, and log|det| of each pixel, (n, h, w)."""
        first, second = torch.split(image, self.halves, dim=1)
        log_first, shift = self.for_first(second, condition)
        first = first * log_first.exp() + shift
        log_second, shift = self.for_second(first, condition)
        second = second * log_second.exp() + shift
        coupled = torch.cat([first, second], dim=1).clamp(-_LARGEST, _LARGEST)
        return coupled, log_first.sum(1) + log_second.sum(1)


class Flow(nn.Module):
    """Blocks of a fixed channel permutation and a coupling.

    Parameters
    ----------
    channels
        Channels of the image, at least 2.
    condition
        Channels of the condition.
    hidden
        Width of the subnets.
    kernels
        Kernel size of each block.
    """

    def __init__(self, channels: int, condition: int, hidden: int, kernels: Sequence[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Coupling(channels, condition, hidden, kernel) for kernel in kernels)
        orders = [permutation_of(block, channels) for block in range(len(kernels))]
        self.register_buffer("orders", torch.stack(orders), persistent=False)

    def forward(self, image: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to latents.

        Parameters
        ----------
        image : (n, channels, h, w)
        condition : (n, condition, h, w)

        Returns
        -------
        latents (n, channels, h, w), and (n, h, w) whose sum over the pixels is the log-determinant of the Jacobian.
        """
        log_determinant = image.new_zeros(len(image), *image.shape[2:])
        for order, block in zip(self.get_buffer("orders"), self.blocks, strict=True):
            image, change = block(image[:, order], condition)
            log_determinant = log_determinant + change
        return image, log_determinant
