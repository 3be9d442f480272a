"""Tensors of a torch module: their size in bytes, and their exchange with named arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

__all__ = ["load_arrays", "module_bytes", "to_arrays", "under"]


def module_bytes(*modules: nn.Module | None) -> int:
    """Return the bytes of all parameters and buffers; None counts as 0."""
    return sum(
        tensor.numel() * tensor.element_size()
        for module in modules
        if module is not None
        for tensor in (*module.parameters(), *module.buffers())
    )


def to_arrays(module: nn.Module) -> dict[str, NDArray[Any]]:
    """Return the module's state as named arrays in host memory; bf16, which arrays lack, as float32."""
    state = module.state_dict()
    return {
        name: (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).cpu().numpy()
        for name, tensor in state.items()
    }


def load_arrays(module: nn.Module, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Undo :func:`to_arrays`: copy named arrays into the module, on whatever device it is."""
    module.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})


def under(state: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Return the arrays whose names begin with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
