"""The head of MAFR: an encoder of both modalities' features, and a decoder to the features of each."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.parts.dense import Linear, dense
from methods.parts.initialise import named_generator, randomise_linear

__all__ = ["CODE", "Decoder", "Dropout", "Encoder", "Features", "FusedReconstruction", "Gate"]

CODE = 960
"""Width of the encoder and of the code in the authors' code."""

_REDUCTION = 16
_KERNEL = 7


class Features(NamedTuple):
    """Features of both modalities, or what becomes of them: (n, channels) each, of tokens or of the same cells."""

    image: Tensor
    cloud: Tensor


class Dropout:
    """Dropout whose draws follow from a seed and their order alone.

    Parameters
    ----------
    share
        Of the values that become 0, below 1; the others are divided by 1 - share.
    generator
        Of the draws, on the device of the values; None where nothing is dropped, as after training.
    """

    def __init__(self, share: float = 0.0, generator: torch.Generator | None = None) -> None:
        self._share, self._generator = share, generator

    def __call__(self, values: Tensor) -> Tensor:
        """Return the values with some of them dropped."""
        if self._generator is None or self._share == 0:
            return values
        kept = torch.empty_like(values).bernoulli_(1 - self._share, generator=self._generator)
        return values * kept.div_(1 - self._share)


class Encoder(nn.Module):
    """Three linear layers from the features of both modalities to one code.

    After the first two come GELU, one LayerNorm that both share, and dropout.

    Parameters
    ----------
    channels_2d, channels_3d
        Channels of the image's and of the cloud's features.
    width
        Of all layers.
    """

    def __init__(self, channels_2d: int, channels_3d: int, width: int) -> None:
        super().__init__()
        self.channels = [channels_2d, channels_3d]
        self.input = Linear(channels_2d + channels_3d, width)
        self.hidden = Linear(width, width, activation="gelu")
        self.norm = nn.LayerNorm(width)
        self.output = Linear(width, width)

    def start(self, tokens: Features) -> Features:
        """Apply the first layer without its bias to tokens of each modality, the sum of which is taken at pixels."""
        of_image, of_cloud = torch.split(self.input.weight, self.channels, 1)
        return Features(dense(tokens.image, of_image), dense(tokens.cloud, of_cloud))

    def finish(self, started: Tensor, dropout: Dropout) -> Tensor:
        """Add the first bias to the sums of :meth:`start` at n pixels, (n, width), and apply what follows."""
        hidden = dropout(self.norm(functional.gelu(started + self.input.bias)))
        code: Tensor = self.output(dropout(self.norm(self.hidden(hidden))))
        return code


class Gate(nn.Module):
    """The attention module CBAM of an image of one pixel.

    Its two poolings over the image give that pixel itself. Of the convolution over the image, the centre of the kernel
    meets the pixel, and everything else the padding.

    Parameters
    ----------
    channels
        Of the pixel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = Linear(channels, channels // _REDUCTION, activation="relu")
        self.expand = Linear(channels // _REDUCTION, channels)
        self.kernel = nn.Parameter(torch.empty(1, 2, _KERNEL, _KERNEL))

    def forward(self, rows: Tensor) -> Tensor:
        """Weight the channels of each row, then the whole row: (n, channels) to (n, channels)."""
        rows = rows * torch.sigmoid(2 * self.expand(self.reduce(rows)))
        of_mean, of_most = self.kernel[0, :, _KERNEL // 2, _KERNEL // 2]
        return rows * torch.sigmoid(of_mean * rows.mean(1, keepdim=True) + of_most * rows.amax(1, keepdim=True))


class Decoder(nn.Module):
    """From the code to the features of one modality.

    Three times a linear layer, one LayerNorm that all share, GELU and dropout; the gate; a linear layer, and beside all
    of it a linear layer from the code.

    Parameters
    ----------
    width
        Of the code.
    channels
        Of the features, and of all layers.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Linear(inputs, channels) for inputs in (width, channels, channels))
        self.norm = nn.LayerNorm(channels)
        self.gate = Gate(channels)
        self.output = Linear(channels, channels)
        self.skip = Linear(width, channels)

    def forward(self, code: Tensor, dropout: Dropout) -> Tensor:
        """Return the features of each row of the code, (n, channels)."""
        rows = code
        for layer in self.layers:
            rows = dropout(functional.gelu(self.norm(layer(rows))))
        features: Tensor = self.output(self.gate(rows)) + self.skip(code)
        return features


class FusedReconstruction(nn.Module):
    """Encoder and both decoders.

    Parameters
    ----------
    channels_2d, channels_3d
        Channels of the image's and of the cloud's features.
    width
        Of the encoder and of the code.
    """

    def __init__(self, channels_2d: int, channels_3d: int, width: int = CODE) -> None:
        super().__init__()
        self.encoder = Encoder(channels_2d, channels_3d, width)
        self.decode_2d, self.decode_3d = Decoder(width, channels_2d), Decoder(width, channels_3d)

    def randomise(self, seed: int) -> None:
        """Initialise for training, as PyTorch does by default: every layer from the seed and its own name."""
        for name, module in self.named_modules():
            generator = named_generator(seed, "mafr", name)
            if isinstance(module, nn.Linear):
                randomise_linear(module, generator)
            if isinstance(module, Gate):
                bound = 1 / math.sqrt(module.kernel[0].numel())
                nn.init.uniform_(module.kernel, -bound, bound, generator)

    def finish(self, started: Tensor, dropout: Dropout) -> Features:
        """Return the reconstructed features of n pixels from the sums of :meth:`Encoder.start` there, (n, width)."""
        code = self.encoder.finish(started, dropout)
        return Features(self.decode_2d(code, dropout), self.decode_3d(code, dropout))

    def forward(self, features: Features) -> Features:
        """Reconstruct the features of n pixels without dropout."""
        started = self.encoder.start(features)
        return self.finish(started.image + started.cloud, Dropout())
