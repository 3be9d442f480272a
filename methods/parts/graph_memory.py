"""Capturing CUDA graphs in one pool of memory that the allocator's counters include."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["CapturedGraph", "GraphMemory"]

_WARM_UPS = 2
"""Calls before a capture, in which libraries choose their kernels and load modules."""

_SMALL = 1 << 20
"""Bytes of the largest allocation that torch's allocator takes from its small segments."""


class CapturedGraph:
    """A CUDA graph.

    Attributes
    ----------
    output
        Tensor that :meth:`replay` writes.
    """

    def __init__(self, graph: torch.cuda.CUDAGraph, output: Tensor) -> None:
        self._graph, self.output = graph, output

    def replay(self) -> None:
        """Queue the graph on the current stream."""
        self._graph.replay()


class GraphMemory:
    """A private pool of torch's allocator for graphs of which only one runs at a time.

    A capture frees what it allocated for intermediate results, so the allocator no longer counts it, while every replay
    uses it and nothing else can. :meth:`hold` allocates these blocks again, from the same pool, and nobody writes to
    them: memory in use and its peaks then include what graphs take.

    Parameters
    ----------
    device
        CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.MemPool()
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._held: list[Tensor] = []

    def record(self, function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> CapturedGraph:
        """Capture a function of tensors after some calls of it, all on a stream of its own.

        cuBLAS keeps a workspace for each stream. Without that of the warm-up, the capture allocates one in the pool.
        """
        with torch.cuda.device(self._device):
            before = torch.cuda.current_stream()
            self._stream.wait_stream(before)
            with torch.cuda.stream(self._stream):
                for _ in range(_WARM_UPS):
                    function(*inputs)
            before.wait_stream(self._stream)
            _forget_workspaces()
            graph = torch.cuda.CUDAGraph()
            pool: Any = self._pool.id
            with torch.cuda.graph(graph, pool=pool, stream=self._stream, capture_error_mode="thread_local"):
                output = function(*inputs)
            _forget_workspaces()
        return CapturedGraph(graph, output)

    def hold(self) -> None:
        """Allocate the free blocks of the pool.

        Raises
        ------
        RuntimeError
            If that takes further memory from the device: the blocks are not those of the pool.
        """
        taken = torch.cuda.memory_reserved(self._device)
        with (
            torch.inference_mode(False),
            torch.cuda.device(self._device),
            torch.cuda.stream(self._stream),
            torch.cuda.use_mem_pool(self._pool),
        ):
            segments: list[dict[str, Any]] = torch.cuda.memory_snapshot()  # type: ignore[no-untyped-call]
            for size in _free_blocks(segments, self._pool.id):
                self._held.append(torch.empty(size, dtype=torch.uint8, device=self._device))
        if torch.cuda.memory_reserved(self._device) > taken:
            self.release()
            raise RuntimeError("their memory can't be counted")

    def release(self) -> None:
        """Return to the pool what :meth:`hold` allocated."""
        self._held.clear()

    @property
    def nbytes(self) -> int:
        """Bytes that :meth:`hold` allocated."""
        return sum(held.numel() for held in self._held)


def _free_blocks(segments: list[dict[str, Any]], pool: tuple[int, int]) -> list[int]:
    """Return the sizes of allocations that fill the free blocks of a pool, largest first."""
    sizes = []
    for segment in segments:
        small = segment["segment_type"] == "small"
        free = [block["size"] for block in segment["blocks"] if block["state"] == "inactive"]
        if tuple(segment["segment_pool_id"]) == tuple(pool):
            sizes += [part for size in free for part in (_parts(size) if small else [size] if size > _SMALL else [])]
    return sorted(sizes, reverse=True)


def _parts(size: int) -> list[int]:
    """Split a block of a small segment into allocations that stay in small segments."""
    return [_SMALL] * (size // _SMALL) + ([size % _SMALL] if size % _SMALL else [])


def _forget_workspaces() -> None:
    torch._C._cuda_clearCublasWorkspaces()
