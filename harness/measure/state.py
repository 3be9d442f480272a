"""Comparing the memory that a method reports with what the allocators count."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.contract import Method
from harness.measure.host import malloc_in_use
from harness.measure.reach import reachable_bytes
from harness.store.measurements import StateCheck

__all__ = ["AllocatorLevel", "allocator_level", "check_state"]

_SHARE = 0.05
_LEAST = 1_000_000

_REACHABLE = "numpy buffers and torch storages that the method keeps alive"
_MALLOC = "malloc in use, less its level before the method was made"
_ALLOCATED = "cuda memory_allocated, less its level before the method was made"


@dataclass(frozen=True, slots=True)
class AllocatorLevel:
    """Memory in use by the allocators of this process.

    Parameters
    ----------
    malloc
        Bytes of the C library's heap; None where it keeps no count.
    cuda
        Bytes of torch's CUDA allocator; None on a CPU.
    """

    malloc: int | None
    cuda: int | None


def allocator_level(device: str) -> AllocatorLevel:
    """Return the present level, with garbage that is not yet collected."""
    if not device.startswith("cuda"):
        return AllocatorLevel(malloc_in_use(), None)
    import torch

    torch.cuda.synchronize(device)
    return AllocatorLevel(malloc_in_use(), int(torch.cuda.memory_allocated(device)))


def check_state(method: Method, device: str, before: AllocatorLevel) -> StateCheck:
    """Compare the sum of ``state_bytes`` with the allocators, within 5% or 1 MB, whichever is more.

    A method must report at least the arrays and tensors it keeps alive, on the device and on the host. It may report
    more, up to what was allocated since it was made: compiled libraries hold banks that the interpreter can't see.

    Parameters
    ----------
    method
        Fitted.
    device
        Torch device name.
    before
        :func:`allocator_level` before the method was made.

    Returns
    -------
    StateCheck
        With a ``reason`` where they differ, or where that is unknown.
    """
    reported = sum(method.state_bytes().values())
    now = allocator_level(device)
    on_device = (now.cuda or 0) - (before.cuda or 0)
    seen = on_device + reachable_bytes(method)
    if reported <= seen + _slack(seen):
        return _verdict(reported, seen, _source(_REACHABLE, now), agrees=reported >= seen - _slack(seen))
    if now.malloc is None or before.malloc is None:
        reason = "state_bytes reports more than is seen, and this system does not count what compiled code holds"
        return replace(_result(reported, seen, _source(_REACHABLE, now)), reason=reason)
    most = on_device + now.malloc - before.malloc
    if most <= seen:
        return _verdict(reported, seen, _source(_REACHABLE, now), agrees=False)
    return _verdict(reported, most, _source(_MALLOC, now), agrees=reported <= most + _slack(most))


def _source(on_host: str, level: AllocatorLevel) -> str:
    return on_host if level.cuda is None else f"{_ALLOCATED}, and on the host {on_host}"


def _slack(count: int) -> float:
    return max(_SHARE * count, _LEAST)


def _verdict(reported: int, held: int, source: str, *, agrees: bool) -> StateCheck:
    result = replace(_result(reported, held, source), agrees=agrees)
    if agrees:
        return result
    reason = f"state_bytes reports {reported / 1e6:.1f} MB where {held / 1e6:.1f} MB are held ({source})"
    return replace(result, reason=reason)


def _result(reported: int, held: int, source: str) -> StateCheck:
    return StateCheck(reported / 1e6, held / 1e6, source)
