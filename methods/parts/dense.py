"""Dense layers whose matrix products run in oneDNN on a CPU.

PyTorch multiplies float32 matrices on a CPU with the BLAS it was built with. That of its x86 wheels, MKL, uses AVX-512
on Intel's processors alone; oneDNN, which PyTorch brings along, uses it on every processor that has it, and applies an
activation while a product is in the cache. Products in other precisions, on other devices, under autocast, in a
compiled graph, or while ``torch.backends.mkldnn`` is off, are PyTorch's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Activation", "Linear", "dense", "with_dense_layers"]

Activation = Literal["none", "relu", "gelu"]
"""What follows a product; ``gelu`` is the exact one."""

_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "none": lambda rows: rows,
    "relu": functional.relu_,
    "gelu": functional.gelu,
}


def dense(rows: Tensor, weight: Tensor, bias: Tensor | None = None, activation: Activation = "none") -> Tensor:
    """Return ``activation(rows @ weight.T + bias)``; gradients flow to all three tensors.

    Parameters
    ----------
    rows : (..., K) float
    weight : (N, K) float
    bias : (N,) float or None
    activation
        What follows the product.

    Returns
    -------
    (..., N) in the dtype of ``rows``, or of the autocast that is on.
    """
    if not _in_onednn(rows, weight):
        return _ACTIVATIONS[activation](functional.linear(rows, weight, bias))
    if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in (rows, weight, bias)):
        product: Tensor = _Product.apply(rows.flatten(0, -2), weight, bias)
        return _ACTIVATIONS[activation](product).view(*rows.shape[:-1], len(weight))
    return _product(rows, weight, bias, activation)


def _in_onednn(rows: Tensor, weight: Tensor) -> bool:
    return (
        rows.device.type == weight.device.type == "cpu"
        and rows.dtype == weight.dtype == torch.float32
        and rows.numel() > 0
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and bool(torch.backends.mkldnn.enabled)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


def _product(rows: Tensor, weight: Tensor, bias: Tensor | None = None, activation: Activation = "none") -> Tensor:
    """Return the product by oneDNN, whose fast kernels take dense matrices and their transposes alone."""
    rows, weight = _without_gaps(rows), _without_gaps(weight)
    result: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, activation, [], "none")
    return result


def _without_gaps(matrix: Tensor) -> Tensor:
    """Return a matrix without gaps between its rows or columns; any other one is copied."""
    return matrix if matrix.dim() == 2 and matrix.T.is_contiguous() else matrix.contiguous()


class _Product(torch.autograd.Function):
    """``rows @ weight.T + bias`` with (n, K) rows, whose gradients are products of oneDNN, too."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(rows, weight)
        return _product(rows, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        (gradient,), (rows, weight) = gradients, ctx.saved_tensors
        to_rows, to_weight, to_bias = ctx.needs_input_grad
        return (
            _product(gradient, weight.T) if to_rows else None,
            _product(gradient.T, rows.T) if to_weight else None,
            gradient.sum(0) if to_bias else None,
        )


class Linear(nn.Linear):
    """A linear layer, with the activation that follows it, by :func:`dense`."""

    def __init__(self, inputs: int, outputs: int, *, activation: Activation = "none", **others: Any) -> None:
        super().__init__(inputs, outputs, **others)
        self.activation = activation

    @classmethod
    def like(cls, layer: nn.Linear) -> Linear:
        """Return a layer that shares the parameters of another one."""
        shared = cls(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        shared.weight, shared.bias = layer.weight, layer.bias
        return shared.train(layer.training)

    def forward(self, rows: Tensor) -> Tensor:
        """Apply the layer to rows, (..., K) to (..., N)."""
        return dense(rows, self.weight, self.bias, self.activation)


def with_dense_layers(network: nn.Module) -> nn.Module:
    """Replace the linear layers of a network in place, and the exact GELU after the first layer of an MLP.

    Parameters, their names and what the network computes stay. An MLP is a module with ``fc1`` and ``act``, as timm's.
    """
    for module in [*network.modules()]:
        for name, child in [*module.named_children()]:
            if isinstance(child, nn.Linear) and not isinstance(child, Linear):
                setattr(module, name, Linear.like(child))
        first, act = getattr(module, "fc1", None), getattr(module, "act", None)
        if isinstance(first, Linear) and isinstance(act, nn.GELU) and act.approximate == "none":
            first.activation, module.act = "gelu", nn.Identity()
    return network
