"""Precisions of matrix products: weights that are rounded once, and TF32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from harness.contract import UnsupportedError

__all__ = ["Precision", "require_tf32", "round_weights", "tf32_products"]

Precision = Literal["fp32", "tf32", "bf16"]

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)


@torch.no_grad()
def round_weights(module: nn.Module, *, exact: tuple[Tensor | None, ...] = ()) -> None:
    """Round weights and biases of linear layers and convolutions to bf16, in place and for good.

    Autocast would round them in every call, with the same result: it passes on what is bf16 already. What else a module
    holds, such as norms, stays as it is.

    Parameters
    ----------
    module
        Used under autocast to bf16 alone from now on.
    exact
        Parameters that are left as they are, since they are used outside products.
    """
    kept = {id(parameter) for parameter in exact}
    for layer in module.modules():
        if isinstance(layer, _LAYERS):
            for parameter in layer.parameters(recurse=False):
                if id(parameter) not in kept:
                    parameter.data = parameter.data.bfloat16()


@contextmanager
def tf32_products(precision: Precision) -> Iterator[None]:
    """Compute products of float32 matrices in TF32 on CUDA inside, if that is the precision; else change nothing.

    TF32 rounds the factors of a product to 10 bits of mantissa as they are read, so weights need no copy.
    """
    if precision != "tf32":
        yield
        return
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = True
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def require_tf32(device: str) -> None:
    """Raise UnsupportedError for a device whose products torch does not compute in TF32."""
    if not device.startswith("cuda"):
        raise UnsupportedError("precision=tf32 needs a CUDA device: use precision=fp32 or bf16 on a CPU.")
