"""The memory of this process as the kernel and the C library count it; None where the system keeps no count."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

__all__ = [
    "frozen_gc",
    "give_back",
    "large_blocks_mapped",
    "malloc_in_use",
    "reset_high_water",
    "settle",
    "small_pages",
    "status_bytes",
]


@contextmanager
def frozen_gc() -> Iterator[None]:
    """Exclude all present objects from garbage collection: with torch loaded, each collection takes over 0.1 s."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def settle() -> None:
    """Collect garbage and return free heap to the system, so that the resident size is the memory in use."""
    gc.collect()
    give_back()


def give_back() -> None:
    """Return free heap to the system, so that it does not count in a later peak."""
    library = _libc()
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


@contextmanager
def large_blocks_mapped() -> Iterator[None]:
    """Make malloc map every block above 128 kB: freed blocks return at once, so a peak is what was in use.

    glibc raises that limit by itself as blocks are freed, up to 32 MB, which is the limit afterwards, and keeps smaller
    blocks in heaps whose size depends on the order of events. Mapping costs time: not for use while times are measured.
    """
    set_option = getattr(_libc(), "mallopt", lambda option, value: 0)
    set_option(_M_MMAP_THRESHOLD, 128 * 1024)
    try:
        yield
    finally:
        set_option(_M_MMAP_THRESHOLD, 32 * 1024 * 1024)


@contextmanager
def small_pages() -> Iterator[None]:
    """Keep the kernel from giving this process huge pages: one touched byte then counts as 4 kB, never as 2 MB.

    Numpy asks for huge pages for arrays of 4 MB or more. The heap under a freed one keeps that wish, and the kernel's
    background thread fills what is left in it up to whole huge pages whenever it comes by: a rise that no method made.
    Faults cost more time: not for use while times are measured.
    """
    control = getattr(_libc(), "prctl", lambda *arguments: -1)
    allowed = control(_PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0
    if allowed:
        control(_PR_SET_THP_DISABLE, 1, 0, 0, 0)
    try:
        yield
    finally:
        if allowed:
            control(_PR_SET_THP_DISABLE, 0, 0, 0, 0)


def malloc_in_use() -> int | None:
    """Return the bytes that this process holds from malloc, small blocks and large ones; glibc 2.33 or later."""
    library = _libc()
    if not hasattr(library, "mallinfo2"):
        return None
    library.mallinfo2.restype = _Mallinfo
    info = library.mallinfo2()
    return int(info.uordblks + info.hblkhd)


def status_bytes(field: str) -> int | None:
    """Return a size from ``/proc/self/status``, for example ``VmRSS``."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith(f"{field}:")]
    return kilobytes[0] * 1024 if kilobytes else None


def reset_high_water() -> bool:
    """Set ``VmHWM`` to the present size; False where the kernel forbids it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


_MALLINFO = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class _Mallinfo(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_size_t) for name in _MALLINFO)


_M_MMAP_THRESHOLD = -3
"""Option of glibc's mallopt."""
_PR_SET_THP_DISABLE, _PR_GET_THP_DISABLE = 41, 42
"""Options of Linux's prctl."""


@cache
def _libc() -> Any:
    return ctypes.CDLL(None) if sys.platform == "linux" else None
