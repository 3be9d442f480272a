"""Farthest point sampling on a CUDA device: one Triton kernel a step, and all steps replayed as one CUDA graph.

Needs Triton. A Python loop needs several launches per step, which take longer than the computation; a graph is launched
once.

The farthest point of a step is found by an atomic maximum over keys of 64 bits: the upper bits are those of a point's
distance, the lower 31 bits decrease with its index. A maximum does not depend on the order of the blocks, so the picks
are the same in every run, and ties go to the lowest index.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from methods.parts.optional import reason_it_fails
from methods.parts.sampling import NEVER_SELECTED_WITHIN

__all__ = ["Buffers", "farthest_by_graph", "launch", "open_graph", "reason_not_to_work"]

_BLOCK = 1024
_WARPS = 8
_LEAST_CAPACITY = 50_176
"""Points: those of an image of 224 by 224 pixels, 49 blocks, so that a process needs one graph in practice."""

_LOW = 2**31 - 1
"""The lower bits of a key: the inverted index of a point."""

_NOTHING = -(2**63)
"""Less than the key of any point."""


def _begin(
    coordinates: tl.tensor, closest: tl.tensor, stride: tl.tensor, near: tl.constexpr, block: tl.constexpr
) -> None:
    place = tl.program_id(0) * block + tl.arange(0, block)
    x = tl.load(coordinates + place)
    y = tl.load(coordinates + stride + place)
    z = tl.load(coordinates + 2 * stride + place)
    tl.store(closest + place, tl.where(x * x + y * y + z * z > near, 1e10, -1.0))


def _step(
    coordinates: tl.tensor,
    valid: tl.tensor,
    closest: tl.tensor,
    best: tl.tensor,
    stride: tl.tensor,
    step: tl.tensor,
    low: tl.constexpr,
    nothing: tl.constexpr,
    block: tl.constexpr,
) -> None:
    first = tl.program_id(0) * block
    points = tl.load(valid)
    last = (tl.load(best + step - 1) & low) ^ low
    if first < points:
        place = first + tl.arange(0, block)
        dx = tl.load(coordinates + place) - tl.load(coordinates + last)
        dy = tl.load(coordinates + stride + place) - tl.load(coordinates + stride + last)
        dz = tl.load(coordinates + 2 * stride + place) - tl.load(coordinates + 2 * stride + last)
        now = tl.minimum(tl.load(closest + place), dx * dx + dy * dy + dz * dz)
        tl.store(closest + place, now)
        key = (now.to(tl.int32, bitcast=True).to(tl.int64) << 32) | (place ^ low).to(tl.int64)
        tl.atomic_max(best + step, tl.max(tl.where(place < points, key, nothing), 0), sem="relaxed")


_begin_kernel = triton.jit(_begin)
_step_kernel = triton.jit(_step, do_not_specialize=["step"])


@dataclass(frozen=True, slots=True, eq=False)
class Buffers:
    """Tensors that the kernels read and write; a graph has their addresses.

    Parameters
    ----------
    coordinates : (3, capacity) float32
        x, y and z of the points; those after the valid ones are left from earlier clouds and never picked.
    valid : (1,) int32
        Number of points.
    closest : (capacity,) float32
        Squared distance of each point to the nearest pick; -1 where the point is never picked.
    best : (count,) int64
        Key of the pick of each step.
    """

    coordinates: Tensor
    valid: Tensor
    closest: Tensor
    best: Tensor

    @classmethod
    def allocate(cls, device: torch.device, capacity: int, count: int) -> Buffers:
        """Return buffers for clouds of at most ``capacity`` points, a multiple of the block, and ``count`` picks."""
        with torch.inference_mode(False):  # tensors of inference mode could not be written outside it
            return cls(
                torch.zeros(3, capacity, device=device),
                torch.zeros(1, dtype=torch.int32, device=device),
                torch.zeros(capacity, device=device),
                torch.zeros(count, dtype=torch.long, device=device),
            )

    def load(self, points: Tensor) -> None:
        """Copy a cloud, (N, 3) float32 with N from 1 to the capacity, without waiting for the device."""
        self.coordinates[:, : len(points)].copy_(points.detach().T)
        self.valid.fill_(len(points))

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(held.numel() * held.element_size() for held in (getattr(self, part.name) for part in fields(self)))

    def picks(self) -> Tensor:
        """Return a new (count,) int64 tensor of the indices that :func:`launch` picked."""
        return self.best.bitwise_and(_LOW).bitwise_xor_(_LOW)


def launch(buffers: Buffers) -> None:
    """Queue all steps of farthest point sampling on the cloud in ``buffers``.

    Sums have the same order as in the loop on a CPU and are not fused with products, so the picks are the same.
    """
    coordinates, valid, closest, best = buffers.coordinates, buffers.valid, buffers.closest, buffers.best
    grid, stride = (len(closest) // _BLOCK,), len(closest)
    options = {"block": _BLOCK, "num_warps": _WARPS, "enable_fp_fusion": False}
    best.fill_(_NOTHING)
    best[:1].fill_(_LOW)  # point 0
    _begin_kernel[grid](coordinates, closest, stride, near=NEVER_SELECTED_WITHIN, **options)
    for step in range(1, len(best)):
        _step_kernel[grid](coordinates, valid, closest, best, stride, step, low=_LOW, nothing=_NOTHING, **options)


class _CapturedSampler:
    """The launches for one number of picks as a CUDA graph with its own buffers."""

    def __init__(self, device: torch.device, capacity: int, count: int) -> None:
        self._device = device
        self.buffers = Buffers.allocate(device, capacity, count)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(device):
            launch(self.buffers)  # compiles: no module may be loaded during capture
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                launch(self.buffers)

    def __call__(self, points: Tensor) -> Tensor:
        with torch.cuda.device(self._device):
            self.buffers.load(points)
            self._graph.replay()
            return self.buffers.picks()


@lru_cache(maxsize=4)
def _sampler(device: torch.device, capacity: int, count: int) -> _CapturedSampler:
    return _CapturedSampler(device, capacity, count)


def farthest_by_graph(points: Tensor, count: int) -> Tensor:
    """Choose centres as :func:`methods.parts.sampling.farthest_points` does.

    The first call for a device, a count and a capacity captures a graph; later calls only queue work. Calls on one
    device must be on one stream, since they share buffers.

    Parameters
    ----------
    points : (N, 3) float32
        On a CUDA device; N at least 1.
    count
        Number of centres, at least 1.

    Returns
    -------
    (count,) int64 indices into ``points``, in a new tensor.
    """
    capacity = _LEAST_CAPACITY if len(points) <= _LEAST_CAPACITY else 1 << (len(points) - 1).bit_length()
    return _sampler(points.device, capacity, count)(points)


def open_graph(device: torch.device, count: int) -> int:
    """Capture the graph of :func:`farthest_by_graph` for usual clouds if there is none, and return its buffers' bytes.

    The buffers stay until the process ends: a method that opens the graph before it is measured can report them.
    """
    numbered = torch.empty(0, device=device).device  # as points name it: 'cuda' is 'cuda:0' there
    return _sampler(numbered, _LEAST_CAPACITY, count).buffers.nbytes


@lru_cache(maxsize=16)
def reason_not_to_work(device: torch.device) -> str:
    """Return why the kernels can't be compiled, captured or run on a device, with a warning; empty where they can.

    Triton needs a C compiler and a writable cache folder, which a machine may lack.
    """

    def attempt() -> None:
        _CapturedSampler(device, _BLOCK, 2)(torch.zeros(1, 3, device=device))

    return reason_it_fails(attempt, "Triton", "Farthest point sampling")
