"""A student of TRD: it imitates a teacher's features of one image with the help of those of the other one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from methods.parts.initialise import named_generator

__all__ = ["CHANNELS", "WIDTH", "Imitation", "Levels", "Student", "build_student"]

Levels = tuple[Tensor, Tensor, Tensor]
"""Features of three levels, fine to coarse: (n, 256, h, w), (n, 512, h / 2, w / 2), (n, 1024, h / 4, w / 4)."""

CHANNELS = (256, 512, 1024)
WIDTH = 1024
"""Published width of the bottleneck's blocks."""

_WIDEST = 2048
_BLOCKS = (3, 4, 6)
"""Of the decoder's stages, coarse to fine."""


@dataclass(frozen=True, slots=True, eq=False)
class Imitation:
    """What a student makes of the teacher's features, four times.

    Parameters
    ----------
    filtered
        The other image's features through the filter.
    amplified
        The other image's features through the amplifier.
    pure
        The decoder's stages.
    mixed
        Each stage mixed with the amplified features of its level; they feed the next stage, and are compared with the
        teacher's at inference.
    """

    filtered: Levels
    amplified: Levels
    pure: Levels
    mixed: Levels


def _normalised(*layers: nn.Module, channels: int) -> list[nn.Module]:
    return [*layers, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False)


def _halve(inputs: int, outputs: int) -> list[nn.Module]:
    return _normalised(nn.Conv2d(inputs, outputs, 2, 2, bias=False), channels=outputs)


def _double(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, 2, 2, bias=False)


class _Block(nn.Module):
    """A residual bottleneck block: 1 x 1, then 3 x 3, halving or doubling the sides, then 1 x 1."""

    def __init__(
        self, inputs: int, width: int, outputs: int, change: Literal["halve", "keep", "double"] = "keep"
    ) -> None:
        super().__init__()
        middle: nn.Module
        shortcut: nn.Module
        if change == "double":
            middle, shortcut = _double(width, width), _double(inputs, outputs)
        else:
            stride = 2 if change == "halve" else 1
            middle, shortcut = _convolution(width, width, 3, stride), _convolution(inputs, outputs, 1, stride)
        self.layers = nn.Sequential(
            *_normalised(_convolution(inputs, width, 1), channels=width),
            *_normalised(middle, channels=width),
            _convolution(width, outputs, 1),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Identity() if change == "keep" else nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, image: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h', w')."""
        return torch.relu(self.layers(image) + self.shortcut(image))


class _Filter(nn.Module):
    """Squeezes the other image's features level by level to the coarsest grid, which anomalies hardly pass."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        for channels in CHANNELS:
            inner = [_scaled(channels * 2**step, scale) for step in range(1, 4) if channels * 2**step <= _WIDEST]
            down, up = [channels, *inner], [*inner[::-1], channels]
            layers = [layer for pair in pairwise(down) for layer in _halve(*pair)]
            layers += [layer for pair in pairwise(up) for layer in _normalised(_double(*pair), channels=pair[1])]
            self.levels.append(nn.Sequential(*layers))

    def forward(self, features: Levels) -> Levels:
        """Return features of the same sizes."""
        return _each(self.levels, features)


class _Amplifier(nn.Module):
    """Maps the other image's features to the own ones at each position, from its neighbourhood of 3 x 3."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        for channels in CHANNELS:
            inner, wide = _scaled(channels, scale), _scaled(2 * channels, scale)
            self.levels.append(
                nn.Sequential(
                    *_normalised(_convolution(channels, inner, 3), channels=inner),
                    *_normalised(_convolution(inner, wide, 1), channels=wide),
                    *_normalised(_convolution(wide, channels, 1), channels=channels),
                )
            )

    def forward(self, features: Levels) -> Levels:
        """Return features of the same sizes."""
        return _each(self.levels, features)


class _Bottleneck(nn.Module):
    """Brings own and filtered features of all levels to one grid of half the coarsest level's sides."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        width, outputs = _scaled(WIDTH, scale), _scaled(_WIDEST, scale)
        fine, middle, coarse = (2 * channels for channels in CHANNELS)
        self.fine = nn.Sequential(
            *_normalised(_convolution(fine, width, 3, 2), channels=width),
            *_normalised(_convolution(width, width, 3, 2), channels=width),
        )
        self.middle = nn.Sequential(*_normalised(_convolution(middle, width, 3, 2), channels=width))
        self.coarse = nn.Sequential(*_normalised(_convolution(coarse, width, 3), channels=width))
        self.blocks = nn.Sequential(
            _Block(3 * width, width, outputs, "halve"), _Block(outputs, width, outputs), _Block(outputs, width, outputs)
        )

    def forward(self, own: Levels, filtered: Levels) -> Tensor:
        """Return the embedding, (n, outputs, h / 8, w / 8)."""
        joined = [torch.cat(pair, dim=1) for pair in zip(own, filtered, strict=True)]
        sides = [layers(level) for layers, level in zip((self.fine, self.middle, self.coarse), joined, strict=True)]
        embedding: Tensor = self.blocks(torch.cat(sides, dim=1))
        return embedding


class _Decoder(nn.Module):
    """A WideResNet in reverse, coarse to fine; after each stage the amplified features are mixed in."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        inputs = _scaled(_WIDEST, scale)
        for channels, blocks in zip(CHANNELS[::-1], _BLOCKS, strict=True):
            width = _scaled(channels // 2, scale)
            further = (_Block(channels, width, channels) for _ in range(blocks - 1))
            self.stages.append(nn.Sequential(_Block(inputs, width, channels, "double"), *further))
            inputs = channels
        self.mixing = nn.Parameter(torch.ones(len(CHANNELS), 2))

    def forward(self, embedding: Tensor, amplified: Levels) -> tuple[Levels, Levels]:
        """Return the stages and what they are mixed to, fine to coarse."""
        pure: list[Tensor] = []
        mixed: list[Tensor] = []
        image = embedding
        for stage, weights, helper in zip(self.stages, self.mixing.softmax(dim=1), amplified[::-1], strict=True):
            pure.insert(0, stage(image))
            image = weights[0] * pure[0] + weights[1] * helper
            mixed.insert(0, image)
        return (pure[0], pure[1], pure[2]), (mixed[0], mixed[1], mixed[2])


class Student(nn.Module):
    """Filter, amplifier, bottleneck and decoder of one image.

    Parameters
    ----------
    width
        Channels of the bottleneck's blocks, a multiple of 8; the inner channels of all parts are in proportion, and
        what is compared with the teacher keeps the teacher's channels.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.filter, self.amplifier = _Filter(width), _Amplifier(width)
        self.bottleneck, self.decoder = _Bottleneck(width), _Decoder(width)

    def forward(self, own: Levels, other: Levels) -> Imitation:
        """Imitate the teacher's features of the own image, from these and from its features of the other image."""
        filtered, amplified = self.filter(other), self.amplifier(other)
        pure, mixed = self.decoder(self.bottleneck(own, filtered), amplified)
        return Imitation(filtered, amplified, pure, mixed)


def build_student(width: int, *, seed: int | None, scope: str) -> Student:
    """Return a student on the CPU.

    Convolutions are normal with the variance 2 / fan-out, as PyTorch counts it, each from the seed and its own name;
    norms are the identity.

    Parameters
    ----------
    width
        See :class:`Student`.
    seed
        Of the first weights; None leaves them open, where they are to be loaded.
    scope
        Part of every layer's seed.
    """
    with torch.device("meta"):
        student = Student(width)
    student.to_empty(device="cpu")
    if seed is not None:
        _randomise(student, seed, scope)
    return student


def _randomise(student: Student, seed: int, scope: str) -> None:
    for name, layer in student.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            generator = named_generator(seed, scope, name)
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
    nn.init.ones_(student.decoder.mixing)


def _scaled(channels: int, width: int) -> int:
    return channels * width // WIDTH


def _each(parts: nn.ModuleList, features: Levels) -> Levels:
    fine, middle, coarse = (part(level) for part, level in zip(parts, features, strict=True))
    return fine, middle, coarse
