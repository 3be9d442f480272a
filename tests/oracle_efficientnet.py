"""EfficientNet-B5 in slow, direct float64, in the layout of the EfficientNet-PyTorch package: an oracle of the tests.

Written from the architecture (Tan and Le, ICML 2019) and the package's tensor names, without a look at the product.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from oracle_ast import Array, Weights, batch_norm, correlate

# repeats, kernel, stride, expansion, input channels, output channels
STAGES = (
    (3, 3, 1, 1, 48, 24),
    (5, 3, 2, 6, 24, 40),
    (5, 5, 2, 6, 40, 64),
    (7, 3, 2, 6, 64, 128),
    (7, 5, 1, 6, 128, 176),
    (9, 5, 2, 6, 176, 304),
    (3, 3, 1, 6, 304, 512),
)


def blocks_of_b5() -> list[tuple[int, int, int, int, int]]:
    """Kernel, stride, expansion, input and output channels of the 39 blocks."""
    blocks = []
    for repeats, kernel, stride, expansion, inputs, outputs in STAGES:
        for repeat in range(repeats):
            first = repeat == 0
            blocks.append((kernel, stride if first else 1, expansion, inputs if first else outputs, outputs))
    return blocks


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of every tensor of ``efficientnet-b5-b6417697.pth``."""
    shapes: dict[str, tuple[int, ...]] = {"_conv_stem.weight": (48, 3, 3, 3)} | _norm("_bn0", 48)
    for number, (kernel, _, expansion, inputs, outputs) in enumerate(blocks_of_b5()):
        name, wide, squeezed = f"_blocks.{number}", inputs * expansion, max(1, inputs // 4)
        if expansion > 1:
            shapes |= {f"{name}._expand_conv.weight": (wide, inputs, 1, 1)} | _norm(f"{name}._bn0", wide)
        shapes |= {f"{name}._depthwise_conv.weight": (wide, 1, kernel, kernel)} | _norm(f"{name}._bn1", wide)
        shapes |= {f"{name}._se_reduce.weight": (squeezed, wide, 1, 1), f"{name}._se_reduce.bias": (squeezed,)}
        shapes |= {f"{name}._se_expand.weight": (wide, squeezed, 1, 1), f"{name}._se_expand.bias": (wide,)}
        shapes |= {f"{name}._project_conv.weight": (outputs, wide, 1, 1)} | _norm(f"{name}._bn2", outputs)
    shapes |= {"_conv_head.weight": (2048, 512, 1, 1)} | _norm("_bn1", 2048)
    return shapes | {"_fc.weight": (1000, 2048), "_fc.bias": (1000,)}


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (width,) for part in parts} | {f"{name}.num_batches_tracked": ()}


def write_published(path: Path) -> dict[str, torch.Tensor]:
    """Write a file with the names and shapes of the release and random values that keep features alive."""
    draw = torch.Generator().manual_seed(1)
    tensors = {}
    for name, shape in published_shapes().items():
        if not shape:
            tensors[name] = torch.tensor(7)
        elif name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
            tensors[name] = torch.rand(shape, generator=draw) + 1
        else:
            scale = float(np.prod(shape[1:])) ** -0.5 if len(shape) > 1 else 0.1
            tensors[name] = torch.randn(shape, generator=draw) * scale
    torch.save(tensors, path)
    return tensors


def features(
    image: ArrayLike, tensors: Mapping[str, torch.Tensor], *, pad_as: int | None = None, last: int = 35
) -> Array:
    """Output of block ``last``: ``(3, S, S)`` -> ``(304, S / 32, S / 32)`` for block 35.

    Convolutions are padded as TensorFlow's SAME, more at the bottom and the right, for the image at hand, or for one of
    ``pad_as`` pixels whatever the size is.
    """
    image = np.asarray(image, np.float64)
    weights = {name: tensor.double().numpy() for name, tensor in tensors.items()}
    size = pad_as or image.shape[-1]
    image = _swish(batch_norm(_same(image, weights["_conv_stem.weight"], 2, size), weights, "_bn0", 1e-3))
    size = -(-size // 2)
    for number, (_, stride, expansion, inputs, outputs) in enumerate(blocks_of_b5()[: last + 1]):
        name, inner = f"_blocks.{number}", image
        if expansion > 1:
            inner = np.einsum("dc,chw->dhw", np.asarray(weights[f"{name}._expand_conv.weight"])[:, :, 0, 0], inner)
            inner = _swish(batch_norm(inner, weights, f"{name}._bn0", 1e-3))
        inner = _same(inner, weights[f"{name}._depthwise_conv.weight"], stride, size)
        size = -(-size // stride)
        inner = _swish(batch_norm(inner, weights, f"{name}._bn1", 1e-3))
        inner = inner * _gate(inner.mean((1, 2)), weights, name)[:, None, None]
        inner = np.einsum("dc,chw->dhw", np.asarray(weights[f"{name}._project_conv.weight"])[:, :, 0, 0], inner)
        inner = batch_norm(inner, weights, f"{name}._bn2", 1e-3)
        image = image + inner if stride == 1 and inputs == outputs else inner
    return image


def _gate(means: Array, weights: Weights, name: str) -> Array:
    reduced = np.asarray(weights[f"{name}._se_reduce.weight"])[:, :, 0, 0] @ means
    reduced = _swish(reduced + np.asarray(weights[f"{name}._se_reduce.bias"]))
    expanded = np.asarray(weights[f"{name}._se_expand.weight"])[:, :, 0, 0] @ reduced
    return 1 / (1 + np.exp(-(expanded + np.asarray(weights[f"{name}._se_expand.bias"]))))


def _swish(image: Array) -> Array:
    return image / (1 + np.exp(-image))


def _same(image: Array, weight: ArrayLike, stride: int, size: int) -> Array:
    kernel = np.asarray(weight, np.float64)
    missing = max((-(-size // stride) - 1) * stride + kernel.shape[-1] - size, 0)
    pads = (missing // 2, missing - missing // 2)
    padded = np.pad(image, ((0, 0), pads, pads))
    if kernel.shape[1] > 1:
        return correlate(padded, kernel, stride=stride)
    result = np.zeros((len(kernel), *(-(-length // stride) for length in image.shape[1:])))
    height, width = result.shape[1:]
    for a in range(kernel.shape[-1]):
        for b in range(kernel.shape[-1]):
            moved = padded[:, a : a + stride * height : stride, b : b + stride * width : stride]
            result += kernel[:, 0, a, b, None, None] * moved
    return result
