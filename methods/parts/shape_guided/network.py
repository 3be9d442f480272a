"""A network that describes a patch of a cloud by a code, and the signed distance of any point by the code: section 3.1.

The encoder is a small PointNet. The field is the network of Neural-Pull (Ma et al., ICML 2021).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.parts.dense import Linear, dense
from methods.parts.initialise import named_generator, randomise_linear

__all__ = ["CODE", "LocalSurface", "pull"]

CODE = 128
"""Numbers of a code."""

_HIDDEN = 7
"""Layers of the field with normalised weights."""

_RADIUS = 0.5
"""The last bias of a field is minus this: it begins as the distance to a sphere, roughly."""

_SPREAD = 1e-6
"""Deviation of the last weights of a new field."""


class LocalSurface(nn.Module):
    """Encoder and field.

    Parameters
    ----------
    width
        Of the field's layers.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = _Encoder()
        self.field = _Field(width)

    def randomise(self, seed: int) -> LocalSurface:
        """Fill all layers, each from the seed and its own name, in place and on the CPU."""
        for name, layer in self.encoder.named_modules():
            if isinstance(layer, nn.Linear):
                randomise_linear(layer, named_generator(seed, "encoder", name))
        self.field.randomise(seed)
        return self

    def encode(self, patches: Tensor) -> Tensor:
        """Return the codes, (B, 128), none negative, of patches (B, K, 3)."""
        codes: Tensor = self.encoder(patches)
        return codes

    def distances(self, codes: Tensor, points: Tensor) -> Tensor:
        """Return the signed distances (B, Q) of points (B, Q, 3) to the surfaces of the codes (B, 128)."""
        distances: Tensor = self.field(codes, points)
        return distances

    def distances_and_gradients(self, codes: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distances (B, Q) and their gradients at the points, (B, Q, 3); both have gradients themselves."""
        return self.field.with_gradients(codes, points)


def pull(points: Tensor, distances: Tensor, gradients: Tensor) -> Tensor:
    """Move points onto a surface: by their signed distance, against its gradient.

    Parameters
    ----------
    points : (..., 3) float
    distances : (...) float
    gradients : (..., 3) float
        Of any length; a point without a gradient stays.
    """
    return points - distances[..., None] * functional.normalize(gradients, dim=-1)


class _Block(nn.Module):
    """A linear layer, BatchNorm over rows, ReLU. In eval mode one product does all of it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear, self.norm = Linear(inputs, outputs), nn.BatchNorm1d(outputs)

    def forward(self, rows: Tensor) -> Tensor:
        if self.training:
            return functional.relu_(self.norm(self.linear(rows)))
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        bias = (self.linear.bias - norm.running_mean) * scale + norm.bias
        return dense(rows, self.linear.weight * scale[:, None], bias, "relu")


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.points = nn.Sequential(_Block(3, 64), _Block(64, 128), _Block(128, 1024))
        self.patch = nn.Sequential(_Block(1024, 512), _Block(512, CODE))

    def forward(self, patches: Tensor) -> Tensor:
        described = self.points(patches.flatten(0, 1)).view(*patches.shape[:2], -1)
        codes: Tensor = self.patch(described.amax(1))
        return codes


class _NormedLinear(nn.Module):
    """A linear layer whose rows have a direction and a length (Salimans and Kingma, NeurIPS 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.direction = nn.Parameter(torch.empty(width, width))
        self.length = nn.Parameter(torch.empty(width, 1))
        self.bias = nn.Parameter(torch.empty(width))

    def weight(self) -> Tensor:
        """Return the (width, width) weights."""
        lengths: Tensor = torch.linalg.vector_norm(self.direction, dim=1, keepdim=True)
        return self.direction * (self.length / lengths)


class _Field(nn.Module):
    """Signed distances; ReLU after every layer but the last.

    Gradients at the points are products with the transposed weights of the layers that are active. Written as such,
    they need only first derivatives in training.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.code, self.point = Linear(CODE, width), Linear(3, width)
        self.first = Linear(2 * width, width)
        self.hidden = nn.ModuleList(_NormedLinear(width) for _ in range(_HIDDEN))
        self.last = Linear(width, 1)

    @torch.no_grad()
    def randomise(self, seed: int) -> None:
        """Fill as a sphere's distance: normal weights that keep lengths, and a last layer of nearly equal weights."""
        width = self.last.in_features
        for name, tensor in self.named_parameters():
            if tensor.dim() == 2 and not name.endswith("length"):
                tensor.normal_(0, math.sqrt(2 / width), generator=named_generator(seed, "field", name))
            else:
                tensor.zero_()
        for layer in self.hidden:
            assert isinstance(layer, _NormedLinear)
            layer.length.copy_(torch.linalg.vector_norm(layer.direction, dim=1, keepdim=True))
        generator = named_generator(seed, "field", "last")
        self.last.weight.normal_(2 * math.sqrt(math.pi / width), _SPREAD, generator=generator)
        self.last.bias.fill_(-_RADIUS)

    def forward(self, codes: Tensor, points: Tensor) -> Tensor:
        return self._run(codes, points, None)

    def with_gradients(self, codes: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distances (B, Q), and their gradients at the points (B, Q, 3)."""
        layers: list[tuple[Tensor, Tensor]] = []
        distances = self._run(codes, points, layers)
        back = self.last.weight.expand(distances.numel(), -1)
        for weight, reached in reversed(layers):
            back = dense(back * (reached > 0), weight.T)
        return distances, back.view(points.shape)

    def _run(self, codes: Tensor, points: Tensor, layers: list[tuple[Tensor, Tensor]] | None) -> Tensor:
        """Return the distances; weights and results of the layers that depend on a point are appended to ``layers``."""
        width = self.last.in_features
        of_code, of_point = torch.split(self.first.weight, width, 1)
        patch = dense(dense(codes, self.code.weight, self.code.bias, "relu"), of_code, self.first.bias)
        rows = dense(points.flatten(0, 1), self.point.weight, self.point.bias, "relu")
        if layers is not None:
            layers.append((self.point.weight, rows))
        joined = dense(rows, of_point).view(*points.shape[:2], width) + patch[:, None]
        rows = functional.relu_(joined.flatten(0, 1))
        if layers is not None:
            layers.append((of_point, rows))
        for layer in self.hidden:
            assert isinstance(layer, _NormedLinear)
            weight = layer.weight()
            rows = dense(rows, weight, layer.bias, "relu")
            if layers is not None:
                layers.append((weight, rows))
        distances: Tensor = self.last(rows)
        return distances.view(points.shape[:2])
