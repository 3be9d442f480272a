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
"""Types not followed: what a module or a class holds belongs to no object, and the others hold nothing."""

_Span = tuple[int, int]


def reachable_bytes(root: object) -> int:
    """Return the bytes of all numpy buffers and torch storages in host memory that an object keeps alive.

    Memory that several arrays share is counted once, and a view counts as the whole buffer it keeps alive. Whatever
    the garbage collector's links lead to is followed, except into modules, classes and the globals of functions.
    Memory that compiled code alone holds is not counted: a library's index, a tensor of opaque layout (mkldnn), and the
    rest of an array of which ``torch.from_numpy`` uses a part.

    Parameters
    ----------
    root
        For example a fitted method.
    """
    spans = [span for item in _reachable(root) for span in _spans(item)]
    return _union(spans)


def _reachable(root: object) -> Iterator[object]:
    seen: dict[int, object] = {}
    waiting = [root]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or issubclass(type(item), _LEAVES):
            continue
        seen[id(item)] = item
        yield item
        waiting.extend(_held_by(item))


def _held_by(item: Any) -> Iterable[object]:
    torch = _torch()
    if _is(item, FunctionType):
        return [item.__closure__, item.__defaults__, item.__kwdefaults__, item.__dict__]
    held = gc.get_referents(item)
    if _is(item, np.ndarray):
        held += [item.base, *(item.ravel().tolist() if item.dtype.hasobject else ())]
    elif torch is not None and _is(item, torch.Tensor):
        held += _parts(item)
    elif torch is not None and _is(item, torch.jit.ScriptModule):
        held += [*item.parameters(), *item.buffers()]
    return held


def _torch() -> Any:
    """Return torch where this process has loaded it; without it there are no tensors."""
    return sys.modules.get("torch")


def _is(item: Any, kind: type) -> bool:
    """Test the type itself: a proxy may stand for another object, or for an object that is gone."""
    return issubclass(type(item), kind)


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


def _spans(item: Any) -> Iterator[_Span]:
    """Yield the addresses, first and past the last, of the memory that an array or tensor itself stands for."""
    torch = _torch()
    if _is(item, np.ndarray):
        owners = (np.ndarray,) if torch is None else (np.ndarray, torch.Tensor)
        if item.nbytes and not isinstance(item.base, owners):
            yield _bounds(item)
    elif torch is None:
        return
    elif _is(item, torch.Tensor):
        if item.layout is torch.strided and item.device.type == "cpu":
            yield _storage_span(item.untyped_storage())
    elif _is(item, torch.UntypedStorage) and item.device.type == "cpu":
        yield _storage_span(item)


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
