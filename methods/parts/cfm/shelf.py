"""Features of training samples between epochs: in memory while there is room, beyond that brought anew for each use."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor

__all__ = ["Shelf", "free_bytes", "tensor_bytes"]

T = TypeVar("T")


class Shelf(Generic[T]):
    """Values by sample, each a dataclass of tensors or of such dataclasses.

    Parameters
    ----------
    device
        Where values are used.
    again
        Returns the value of a sample once more, for example from a file; None where it can't: such values go to host
        memory where the device has no room.
    room
        Bytes that may be held on the device; half of what is free there where None.
    """

    def __init__(self, device: torch.device, again: Callable[[int], T] | None, room: int | None = None) -> None:
        self._device, self._again = device, again
        self._room = free_bytes(device) // 2 if room is None else room
        self._held: dict[int, T] = {}

    def put(self, index: int, value: T) -> None:
        """Keep a value where there is room for it."""
        size = tensor_bytes(value)
        if size <= self._room:
            self._room -= size
            self._held[index] = value
        elif self._again is None:
            self._held[index] = _moved(value, torch.device("cpu"))

    def __getitem__(self, index: int) -> T:
        """Return a value, on the device."""
        if index in self._held:
            return _moved(self._held[index], self._device)
        assert self._again is not None
        return self._again(index)


def free_bytes(device: torch.device) -> int:
    """Return how much memory can still be taken: of a CUDA device, or of the host."""
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
    """Return the bytes of all tensors in a dataclass."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    return sum(tensor_bytes(getattr(value, one.name)) for one in fields(value)) if is_dataclass(value) else 0


def _moved(value: T, device: torch.device) -> T:
    """Return the value with all its tensors on the device, itself where they are there."""
    return cast(T, _moved_part(value, device))


def _moved_part(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value if value.device.type == device.type else value.to(device)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    parts = {one.name: getattr(value, one.name) for one in fields(value)}
    moved = {name: _moved_part(part, device) for name, part in parts.items()}
    return value if all(moved[name] is part for name, part in parts.items()) else replace(value, **moved)
