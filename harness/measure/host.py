"""The memory of this process as the kernel and the C library see it; None where the system does not tell."""

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
    "give_back",
    "large_blocks_mapped",
    "libraries_set_aside",
    "malloc_in_use",
    "reset_high_water",
    "settle",
    "status_bytes",
]


@contextmanager
def libraries_set_aside() -> Iterator[None]:
    """Keep what exists at the start out of garbage collections: with torch loaded, each would take 0.1 s and more."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def settle() -> None:
    """Collect garbage and give free heap back to the system, so that the resident size is what is held."""
    gc.collect()
    give_back()


def give_back() -> None:
    """Give free heap back to the system, so that it is in no peak to come."""
    library = _libc()
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


@contextmanager
def large_blocks_mapped() -> Iterator[None]:
    """Let malloc map every block above 128 kB meanwhile: freed ones leave at once, so a peak is what was in use.

    glibc raises that limit by itself as blocks are freed, up to 32 MB, where this leaves it, and keeps what lies below
    it in heaps whose size depends on the order of events. Mapping costs time: not for what is timed.
    """
    set_option = getattr(_libc(), "mallopt", lambda option, value: 0)
    set_option(_M_MMAP_THRESHOLD, 128 * 1024)
    try:
        yield
    finally:
        set_option(_M_MMAP_THRESHOLD, 32 * 1024 * 1024)


def malloc_in_use() -> int | None:
    """Return the bytes that this process holds from malloc, small blocks and large ones; glibc 2.33 or later."""
    library = _libc()
    if not hasattr(library, "mallinfo2"):
        return None
    library.mallinfo2.restype = _Mallinfo
    found = library.mallinfo2()
    return int(found.uordblks + found.hblkhd)


def status_bytes(field: str) -> int | None:
    """Return a size from ``/proc/self/status``, for example ``VmRSS``."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith(f"{field}:")]
    return int(found[0][1]) * 1024 if found else None


def reset_high_water() -> bool:
    """Set ``VmHWM`` to the present size; False where the kernel does not let it be."""
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
"""Of glibc's mallopt."""


@cache
def _libc() -> Any:
    return ctypes.CDLL(None) if sys.platform == "linux" else None
