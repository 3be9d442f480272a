"""Features of training samples: kept in memory while they fit, else recomputed or reloaded on each use."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor

__all__ = ["FeatureStore", "free_bytes", "tensor_bytes"]

T = TypeVar("T")


class FeatureStore(Generic[T]):
    """Features by sample, each a dataclass of tensors or of such dataclasses.

    Parameters
    ----------
    device
        Where features are used.
    reload
        Returns the features of a sample again, for example from a file. None where that is impossible: features that
        do not fit on the device are then kept in host memory.
    budget
        Most bytes held on the device; None for half of the free memory.
    """

    def __init__(self, device: torch.device, reload: Callable[[int], T] | None, budget: int | None = None) -> None:
        self._device, self._reload = device, reload
        self._free = free_bytes(device) // 2 if budget is None else budget
        self._held: dict[int, T] = {}

    def put(self, index: int, value: T) -> None:
        """Keep the features of a sample if they fit."""
        size = tensor_bytes(value)
        if size <= self._free:
            self._free -= size
            self._held[index] = value
        elif self._reload is None:
            self._held[index] = _moved(value, torch.device("cpu"))

    def __getitem__(self, index: int) -> T:
        """Return the features of a sample, on the device."""
        if index in self._held:
            return _moved(self._held[index], self._device)
        assert self._reload is not None
        return self._reload(index)


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a CUDA device, or of the host."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def tensor_bytes(value: Any) -> int:
    """Return the bytes of all tensors in a dataclass or tuple, nested ones included."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, tuple):
        return sum(map(tensor_bytes, value))
    return sum(tensor_bytes(getattr(value, item.name)) for item in fields(value)) if is_dataclass(value) else 0


def _moved(value: T, device: torch.device) -> T:
    """Return the value with all its tensors on the device; the same object if they are there already."""
    return cast(T, _moved_part(value, device))


def _moved_part(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value if value.device.type == device.type else value.to(device)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    parts = {item.name: getattr(value, item.name) for item in fields(value)}
    moved = {name: _moved_part(part, device) for name, part in parts.items()}
    return value if all(moved[name] is part for name, part in parts.items()) else replace(value, **moved)
