"""Bytes of array memory that an object keeps alive."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["reachable_bytes"]

_LEAVES = (ModuleType, type, CodeType, str, bytes, int, float, complex, bool, type(None))
"""Not descended into: what a module or a class holds belongs to no object, and the others hold nothing."""

_Span = tuple[int, int]


def reachable_bytes(root: object) -> int:
    """Return the bytes of all numpy buffers and torch storages in host memory that an object keeps alive.

    Memory that several arrays share is counted once, and a view counts as the whole buffer it keeps alive. Whatever
    the garbage collector's links lead to is followed, except into modules, classes and the globals of functions. What
    compiled code holds by itself is not seen: a library's index, a tensor of opaque layout (mkldnn), and what is left
    of an array of which ``torch.from_numpy`` took a part.

    Parameters
    ----------
    root
        For example a fitted method.
    """
    spans = [span for found in _reachable(root) for span in _spans(found)]
    return _union(spans)


def _reachable(root: object) -> Iterator[object]:
    seen: dict[int, object] = {}
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or issubclass(type(one), _LEAVES):
            continue
        seen[id(one)] = one
        yield one
        waiting.extend(_held_by(one))


def _held_by(one: Any) -> Iterable[object]:
    torch = _torch()
    if _is(one, FunctionType):
        return [one.__closure__, one.__defaults__, one.__kwdefaults__, one.__dict__]
    held = gc.get_referents(one)
    if _is(one, np.ndarray):
        held += [one.base, *(one.ravel().tolist() if one.dtype.hasobject else ())]
    elif torch is not None and _is(one, torch.Tensor):
        held += _parts(one)
    elif torch is not None and _is(one, torch.jit.ScriptModule):
        held += [*one.parameters(), *one.buffers()]
    return held


def _torch() -> Any:
    """Return torch where this process has loaded it; without it there are no tensors."""
    return sys.modules.get("torch")


def _is(one: Any, kind: type) -> bool:
    """Test the type itself: a proxy may stand for another object, or for one that is gone."""
    return issubclass(type(one), kind)


def _parts(tensor: Any) -> list[object]:
    """Return the tensors that a sparse tensor is made of, and the gradient of a parameter."""
    torch = _torch()
    names = {
        torch.sparse_coo: ("_indices", "_values"),
        torch.sparse_csr: ("crow_indices", "col_indices", "values"),
        torch.sparse_bsr: ("crow_indices", "col_indices", "values"),
        torch.sparse_csc: ("ccol_indices", "row_indices", "values"),
        torch.sparse_bsc: ("ccol_indices", "row_indices", "values"),
    }.get(tensor.layout, ())
    gradient = [tensor.grad] if tensor.is_leaf else []
    return [*(getattr(tensor, name)() for name in names), *gradient, getattr(tensor, "__dict__", None)]


def _spans(one: Any) -> Iterator[_Span]:
    """Yield the addresses, first and past the last, of the memory that an array or tensor itself stands for."""
    torch = _torch()
    if _is(one, np.ndarray):
        owners = (np.ndarray,) if torch is None else (np.ndarray, torch.Tensor)
        if one.nbytes and not isinstance(one.base, owners):
            yield _bounds(one)
    elif torch is None:
        return
    elif _is(one, torch.Tensor):
        if one.layout is torch.strided and one.device.type == "cpu":
            yield _storage_span(one.untyped_storage())
    elif _is(one, torch.UntypedStorage) and one.device.type == "cpu":
        yield _storage_span(one)


def _bounds(array: NDArray[Any]) -> _Span:
    low, high = np.lib.array_utils.byte_bounds(array)
    return int(low), int(high)


def _storage_span(storage: Any) -> _Span:
    return storage.data_ptr(), storage.data_ptr() + storage.nbytes()


def _union(spans: Iterable[_Span]) -> int:
    total = reached = 0
    for start, stop in sorted(spans):
        total += max(0, stop - max(start, reached))
        reached = max(reached, stop)
    return total
