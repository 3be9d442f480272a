"""Teacher and student of AST, the losses they are trained with, and the distance between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.parts.ast.flow import Flow
from methods.parts.initialise import named_generator

__all__ = ["Architecture", "Student", "TeacherStudent", "position_encoding", "student_distance", "teacher_loss"]

_BASE = 1e4
_SLOPE = 0.01


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of both networks; the defaults are the published ones.

    :class:`methods.ast.AST` documents them. The teacher's kernels are 3 x 3, in the last block 5 x 5.
    """

    blocks: int = 4
    hidden: int = 64
    width: int = 1024
    residual_blocks: int = 4
    position_channels: int = 32


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)

    def forward(self, image: Tensor) -> Tensor:
        inner = functional.leaky_relu(self.norm1(self.conv1(image)), _SLOPE)
        return image + functional.leaky_relu(self.norm2(self.conv2(inner)), _SLOPE)


class Student(nn.Module):
    """A convolutional network; its architecture differs from the teacher's, so it fails to follow it on anomalies."""

    def __init__(self, inputs: int, outputs: int, width: int, residual_blocks: int) -> None:
        super().__init__()
        self.input = nn.Conv2d(inputs, width, 3, padding=1)
        self.blocks = nn.Sequential(*(_Residual(width) for _ in range(residual_blocks)))
        self.output = nn.Conv2d(width, outputs, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h, w)."""
        latents: Tensor = self.output(self.blocks(functional.leaky_relu(self.input(image), _SLOPE)))
        return latents


class TeacherStudent(nn.Module):
    """Both networks on one grid; each receives the positional encoding in addition to the features.

    Parameters
    ----------
    channels
        Channels of the features.
    grid
        Side of the feature image.
    architecture
        Sizes of the networks.
    """

    def __init__(self, channels: int, grid: int, architecture: Architecture) -> None:
        super().__init__()
        sizes, condition = architecture, architecture.position_channels
        self.teacher = Flow(channels, condition, sizes.hidden, [*[3] * (sizes.blocks - 1), 5])
        self.student = Student(channels + condition, channels, sizes.width, sizes.residual_blocks)
        self.register_buffer("position", position_encoding(condition, grid)[None], persistent=False)

    def randomise(self, seed: int) -> None:
        """Initialise for training: convolutions as PyTorch does by default, each from the seed and its own name."""
        for name, layer in self.named_modules():
            if isinstance(layer, nn.Conv2d):
                generator, bound = named_generator(seed, "ast", name), 1 / math.sqrt(layer.weight[0].numel())
                for tensor in layer.parameters():
                    nn.init.uniform_(tensor, -bound, bound, generator=generator)

    def teach(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the teacher's latents (n, channels, g, g) and log|det| of each cell (n, g, g)."""
        latents, log_determinant = self.teacher(features, self._condition(features))
        return latents, log_determinant

    def imitate(self, features: Tensor) -> Tensor:
        """Return the student's prediction of the teacher's latents, (n, channels, g, g)."""
        predicted: Tensor = self.student(torch.cat([features, self._condition(features)], dim=1))
        return predicted

    def _condition(self, features: Tensor) -> Tensor:
        return self.get_buffer("position").expand(len(features), -1, -1, -1)


def position_encoding(channels: int, grid: int) -> Tensor:
    """Return sines and cosines of the position, (channels, grid, grid) float32.

    Channels alternate between sine and cosine with decreasing frequencies, base 1e4; the first half encodes the column,
    the second half the row.
    """
    quarter = torch.arange(channels // 4, dtype=torch.float64)
    angles = torch.arange(grid, dtype=torch.float64) * _BASE ** (-2 * quarter / (channels // 2))[:, None]
    waves = torch.stack([angles.sin(), angles.cos()], dim=1).flatten(0, 1)
    columns, rows = waves[:, None, :].expand(-1, grid, -1), waves[:, :, None].expand(-1, -1, grid)
    return torch.cat([columns, rows]).float()


def teacher_loss(latents: Tensor, log_determinant: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over cells of the masked negative log-likelihood, up to a constant.

    Parameters
    ----------
    latents : (n, channels, g, g)
    log_determinant : (n, g, g)
    mask : (n, 1, g, g)
    """
    return (0.5 * (mask * latents.square()).sum(1) - mask[:, 0] * log_determinant).mean()


def student_distance(latents: Tensor, predicted: Tensor, mask: Tensor) -> Tensor:
    """Return the masked mean over channels of squared differences, (n, g, g); shapes as in :func:`teacher_loss`."""
    return (mask * (latents - predicted).square()).mean(1)
