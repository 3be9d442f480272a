"""Two threads for work on arrays: sorting, searching and indexing leave Python to others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["in_threads", "usable_cores"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_MOST = 2
"""Each thread has buffers of its own, so that more of them take more memory."""


def usable_cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Yield the results of a function for some items, in their order; one thread where one processor may be used.

    All items are taken at once, and results are held until it is their turn.
    """
    usable = usable_cores()
    if usable == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(min(usable, _MOST)) as pool:
        yield from pool.map(function, items)
