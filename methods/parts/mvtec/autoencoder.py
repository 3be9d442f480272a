"""The autoencoders of the MVTec 3D-AD paper: their network, its loss and its training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from methods.parts.mvtec.layers import batch_norm, convolution, halvings, transposed
from methods.parts.mvtec.training import Losses

__all__ = ["Autoencoder", "Output", "reconstruction_loss", "train_autoencoder"]

Output = Literal["tanh", "linear", "sigmoid"]
_ENDS: dict[Output, type[nn.Module]] = {"tanh": nn.Tanh, "linear": nn.Identity, "sigmoid": nn.Sigmoid}
_SLOPE, _WIDEST = 0.2, 16


class Autoencoder(nn.Module):
    """A convolutional encoder, a linear bottleneck, and the mirrored decoder.

    Convolutions (kernel 4, stride 2) halve the sides until ``left`` remains and double the channels from ``width``, up
    to 16 times it. Images have one more convolution (kernel 3, stride 1) there. Batch normalisation follows all but
    the first and the last layer, a leaky ReLU of slope 0.2 all but the last.

    Parameters
    ----------
    channels
        Of input and output.
    shape
        Sides of the input, two or three, all the same power of two.
    left
        Side of the encoder's last layer.
    width
        Channels of its first layer.
    latent
        Numbers in the bottleneck.
    output
        Last non-linearity of the decoder.
    """

    def __init__(
        self, *, channels: int, shape: Sequence[int], left: int, width: int, latent: int, output: Output
    ) -> None:
        super().__init__()
        dimensions = len(shape)
        widths = [width * min(2**stage, _WIDEST) for stage in range(halvings(shape[0], left))]
        last = widths[-1]
        down: list[nn.Module] = [convolution(dimensions, channels, width, 4, 2), nn.LeakyReLU(_SLOPE)]
        for before, after in pairwise(widths):
            down += _normalised(convolution(dimensions, before, after, 4, 2), dimensions, after)
        up: list[nn.Module] = []
        for before, after in zip(widths[:0:-1], widths[-2::-1], strict=True):
            up += _normalised(transposed(dimensions, before, after), dimensions, after)
        up += [transposed(dimensions, width, channels), _ENDS[output]()]
        if dimensions == 2:
            down += _normalised(convolution(dimensions, last, last, 3), dimensions, last)
            up = _normalised(convolution(dimensions, last, last, 3), dimensions, last) + up
        self.folded = (last, *(left,) * dimensions)
        size = last * left**dimensions
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(size, latent))
        self.grow = nn.Linear(latent, size)
        self.decoder = nn.Sequential(*up)

    def forward(self, values: Tensor) -> Tensor:
        """Return the reconstruction of values (B, C, *shape), of the same shape."""
        rebuilt: Tensor = self.decoder(self.grow(self.encoder(values)).unflatten(1, self.folded))
        return rebuilt


def _normalised(layer: nn.Module, dimensions: int, channels: int) -> list[nn.Module]:
    return [layer, batch_norm(dimensions, channels), nn.LeakyReLU(_SLOPE)]


def reconstruction_loss(values: Tensor, rebuilt: Tensor, empty: float | None = None) -> Tensor:
    """Return the mean squared error, of voxels weighted by how rare their kind is.

    Parameters
    ----------
    values, rebuilt : (B, C, *shape)
    empty
        Share of empty voxels in the training set: the weight of occupied voxels, and one minus the weight of empty
        ones, which are negative. None weighs all elements alike, as half of 1 would but for the factor 0.5.
    """
    errors = (values - rebuilt).square()
    if empty is None:
        return errors.mean()
    return (torch.where(values[:, :1] >= 0, empty, 1 - empty) * errors).mean()


def train_autoencoder(
    network: Autoencoder,
    batches: Iterable[Tensor],
    *,
    lr: float,
    weight_decay: float,
    empty: float | None,
    losses: Losses,
) -> None:
    """Train in place by Adam, one step a batch, and leave the network frozen and in eval mode.

    Parameters
    ----------
    batches
        Of values (B, C, *shape).
    losses
        Gets the loss of every step.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=lr, weight_decay=weight_decay)
    network.train()
    for values in batches:
        optimizer.zero_grad()
        loss = reconstruction_loss(values, network(values), empty)
        losses.add(loss)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    network.eval().requires_grad_(False)
