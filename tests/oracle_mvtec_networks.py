"""Autoencoder, generator, critic and encoder of the MVTec paper's baselines in slow float64, from their tables."""

from __future__ import annotations

import torch
from torch import Tensor

Arrays = dict[str, Tensor]

_CONV = {4: torch.conv2d, 5: torch.conv3d}
_BACK = {4: torch.conv_transpose2d, 5: torch.conv_transpose3d}


def doubles(network: torch.nn.Module) -> Arrays:
    return {name: tensor.double() for name, tensor in network.state_dict().items()}


def conv(x: Tensor, arrays: Arrays, name: str, stride: int = 1) -> Tensor:
    weight = arrays[f"{name}.weight"]
    return _CONV[x.dim()](x, weight, arrays[f"{name}.bias"], stride=stride, padding=(weight.shape[-1] - 1) // 2)


def back(x: Tensor, arrays: Arrays, name: str) -> Tensor:
    return _BACK[x.dim()](x, arrays[f"{name}.weight"], arrays[f"{name}.bias"], stride=2, padding=1)


def per_channel(values: Tensor, x: Tensor) -> Tensor:
    return values.reshape(1, -1, *[1] * (x.dim() - 2))


def batch_norm(x: Tensor, arrays: Arrays, name: str) -> Tensor:
    mean, variance, weight, bias = (
        per_channel(arrays[f"{name}.{part}"], x) for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (variance + 1e-5).sqrt() * weight + bias


def layer_norm(x: Tensor, arrays: Arrays, name: str) -> Tensor:
    flat = x.flatten(1)
    mean, variance = flat.mean(1), flat.var(1, unbiased=False)
    shape = (-1, *[1] * (x.dim() - 1))
    normal = (x - mean.view(shape)) / (variance.view(shape) + 1e-5).sqrt()
    return normal * per_channel(arrays[f"{name}.weight"], x) + per_channel(arrays[f"{name}.bias"], x)


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def relu(x: Tensor) -> Tensor:
    return x * (x > 0)


def linear(x: Tensor, arrays: Arrays, name: str) -> Tensor:
    return x @ arrays[f"{name}.weight"].T + arrays[f"{name}.bias"]


def autoencode(x: Tensor, arrays: Arrays, stages: int, end: str) -> Tensor:
    """Convolutions, bottleneck and mirror; layers are numbered as in a list of layer, norm, non-linearity."""
    images = x.dim() == 4
    x = leaky(conv(x, arrays, "encoder.0", 2))
    at = 2
    for _ in range(stages - 1):
        x = leaky(batch_norm(conv(x, arrays, f"encoder.{at}", 2), arrays, f"encoder.{at + 1}"))
        at += 3
    if images:
        x = leaky(batch_norm(conv(x, arrays, f"encoder.{at}"), arrays, f"encoder.{at + 1}"))
        at += 3
    shape = x.shape
    x = linear(linear(x.flatten(1), arrays, f"encoder.{at + 1}"), arrays, "grow").view(shape)
    at = 0
    if images:
        x = leaky(batch_norm(conv(x, arrays, "decoder.0"), arrays, "decoder.1"))
        at = 3
    for _ in range(stages - 1):
        x = leaky(batch_norm(back(x, arrays, f"decoder.{at}"), arrays, f"decoder.{at + 1}"))
        at += 3
    x = back(x, arrays, f"decoder.{at}")
    return {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "linear": lambda x: x}[end](x)


def twice(x: Tensor) -> Tensor:
    for axis in range(2, x.dim()):
        x = x.repeat_interleave(2, axis)
    return x


def halved(x: Tensor) -> Tensor:
    for axis in range(2, x.dim()):
        x = x.unflatten(axis, (-1, 2)).mean(axis + 1)
    return x


def generate(latents: Tensor, arrays: Arrays, stages: int, dimensions: int) -> Tensor:
    x = linear(latents, arrays, "grow").view(len(latents), -1, *[4] * dimensions)
    for block in range(stages):
        name = f"blocks.{block}"
        inner = conv(twice(relu(batch_norm(x, arrays, f"{name}.norm1"))), arrays, f"{name}.conv1")
        inner = conv(relu(batch_norm(inner, arrays, f"{name}.norm2")), arrays, f"{name}.conv2")
        x = inner + conv(twice(x), arrays, f"{name}.shortcut")
    return torch.tanh(conv(relu(batch_norm(x, arrays, "norm")), arrays, "output"))


def descend(x: Tensor, arrays: Arrays, stages: int, *, layers: bool) -> tuple[Tensor, Tensor]:
    """Return the features and the outputs of the critic (layer normalisation) or the encoder."""
    norm = layer_norm if layers else batch_norm
    x = conv(x, arrays, "input")
    for block in range(stages):
        name = f"blocks.{block}"
        inner = conv(relu(norm(x, arrays, f"{name}.norm1")), arrays, f"{name}.conv1")
        inner = halved(conv(relu(norm(inner, arrays, f"{name}.norm2")), arrays, f"{name}.conv2"))
        x = inner + halved(conv(x, arrays, f"{name}.shortcut"))
    features = x.flatten(1)
    return features, linear(features, arrays, "output")
