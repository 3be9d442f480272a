"""Seeded random weights: each tensor depends on the seed and its own name, so pruned networks have the same blocks."""

from __future__ import annotations

import math
from hashlib import sha256

import torch
from torch import nn

__all__ = ["named_generator", "randomise", "randomise_linear"]


def named_generator(seed: int, *names: str | int) -> torch.Generator:
    """Return a CPU generator that depends on the seed and on the names."""
    text = "/".join(map(str, (seed, *names)))
    return torch.Generator().manual_seed(int.from_bytes(sha256(text.encode()).digest()[:7], "big"))


def randomise(module: nn.Module, seed: int, scope: str) -> None:
    """Fill a frozen feature extractor with random weights.

    Matrices are uniform within 1 / sqrt(fan-in), position tables normal with deviation 0.02, biases 0 and norms the
    identity. Residual branches are small, so features depend mostly on their own patch.

    Parameters
    ----------
    module
        Changed in place; its tensors must be on the CPU.
    seed
        Part of every tensor's seed, with its name.
    scope
        Name of the network, also part of every tensor's seed.
    """
    norms = {
        f"{prefix}.{name}"
        for prefix, child in module.named_modules()
        if isinstance(child, nn.LayerNorm | nn.BatchNorm1d)
        for name, _ in child.named_parameters(recurse=False)
    }
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            if name in norms:
                tensor.fill_(1.0 if name.endswith("weight") else 0.0)
            elif name.endswith("bias"):
                tensor.zero_()
            else:
                generator = named_generator(seed, scope, name)
                if name.endswith(("cls_token", "pos_embed")):
                    tensor.normal_(0, 0.02, generator=generator)
                else:
                    bound = 1 / math.sqrt(tensor[0].numel())
                    tensor.uniform_(-bound, bound, generator=generator)
        for child in module.modules():
            if isinstance(child, nn.BatchNorm1d):
                child.reset_running_stats()


def randomise_linear(layer: nn.Linear, generator: torch.Generator) -> None:
    """Fill a trainable layer as PyTorch does by default (uniform, bound 1 / sqrt(fan-in)), from ``generator``."""
    bound = 1 / math.sqrt(layer.in_features)
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        if layer.bias is not None:
            layer.bias.uniform_(-bound, bound, generator=generator)
