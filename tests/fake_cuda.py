"""CFM on fake CUDA tensors, which have shapes and a device but no values; counts of their bytes and of operations."""

from __future__ import annotations

import weakref
from dataclasses import fields, replace
from functools import lru_cache, partial
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from harness.contract import Implementation
from methods.cfm import CFM
from methods.parts import sampling
from methods.parts.features import Inputs
from methods.parts.graphs import Graphs
from methods.parts.interpolation import Interpolator, axis_windows, bilinear_tables
from methods.parts.sampling import PairDistances, Sampler


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of CUDA storages that are alive; entered within FakeTensorMode.

    Attributes
    ----------
    now, peak
        Bytes, without a kernel's own scratch memory, and without the rounding of an allocator.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._counted: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            tree_map_only(torch.Tensor, self._count, result)
        return result

    def _count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if tensor.device.type != "cuda" or storage._cdata in self._counted:
            return
        self._counted.add(storage._cdata)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._freed, storage._cdata, size)

    def _freed(self, key: int, size: int) -> None:
        self._counted.discard(key)
        self.now -= size


class QueuedOperations(TorchDispatchMode):
    """Counts the operations that queue work on a CUDA device; entered within FakeTensorMode.

    An operation may launch several kernels, which fake tensors don't tell. Views and allocations queue nothing.

    Attributes
    ----------
    count
        Operations since the mode was entered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        devices = {leaf.device.type for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)}
        name = func.overloadpacket.__name__
        self.count += "cuda" in devices and not func.is_view and name not in _QUEUE_NOTHING
        return result


_QUEUE_NOTHING = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_unsafe_view"}


def without_values(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")


def on_fake_cuda(method: CFM) -> None:
    """Give a method networks with their shapes and without values, as after fit; call it within FakeTensorMode."""
    extractors, pair = method._fitted()
    for network in (extractors.vit, extractors.points, pair):
        for module in network.modules():
            for held in (module._parameters, module._buffers):
                held.update({name: without_values(tensor) for name, tensor in held.items() if tensor is not None})
    extractors.device = torch.device("cuda")
    extractors._sampler_bytes = sampling.sampler_for(extractors.device).open_for(extractors.centres)
    extractors.graphs = Graphs(_NoGraphs)
    method._make_ready(extractors, pair)


def inputs_on_fake_cuda(inputs: Inputs) -> Inputs:
    """Return inputs with their shapes and without values; call it within FakeTensorMode."""
    tensors = {field.name: getattr(inputs, field.name) for field in fields(inputs) if field.name != "draw"}
    return replace(inputs, **{name: without_values(tensor) for name, tensor in tensors.items()})


def fake_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing that is made within FakeTensorMode be kept after the test; use one stream, no kernel and no graph.

    A captured graph of kernels can't be faked: its picks are tested elsewhere. Its buffers are held as they would be.
    """
    from methods.parts import farthest_cuda

    graphs = lru_cache(lambda device, capacity, count: _NoGraph(Buffers.allocate(device, capacity, count)))
    Buffers = farthest_cuda.Buffers
    monkeypatch.setattr(farthest_cuda, "_sampler", graphs)
    picks = Sampler(
        Implementation("fake"),
        farthest_cuda.farthest_by_graph,
        partial(farthest_cuda.open_graph, torch.device("cuda")),
    )
    monkeypatch.setattr(sampling, "sampler_for", lambda device: picks)
    monkeypatch.setattr("methods.parts.graphs._equal", lambda recorded, expected: True)
    monkeypatch.setattr("methods.parts.features.beside", lambda function, given: partial(function, given))
    distances = PairDistances(Implementation("fake"), _squared)
    monkeypatch.setattr("methods.parts.sampling.distances_for", lambda device: distances)
    monkeypatch.setattr("torch.nn.functional.scaled_dot_product_attention", _attention)
    interpolator = Interpolator(Implementation("fake"), _mix, _entries)
    monkeypatch.setattr("methods.parts.interpolation.interpolator_for", lambda device: interpolator)
    for tables in (axis_windows, bilinear_tables):
        monkeypatch.setattr(f"methods.parts.interpolation.{tables.__name__}", lru_cache(tables.__wrapped__))


def _attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **options: Any) -> torch.Tensor:
    """Attend as a CUDA device does in float32; without a device torch would choose to write out all products."""
    attended: torch.Tensor = torch.ops.aten._scaled_dot_product_efficient_attention(query, key, value, None, False)[0]
    return attended


def _squared(queries: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Allocate what the kernel fills and queue one operation in its place."""
    return torch.empty(len(queries), len(points), device=points.device).zero_()


def _mix(points: torch.Tensor, centres: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Allocate what the kernel fills and queue one operation in its place."""
    return torch.empty_like(points).zero_(), torch.empty(points.shape, dtype=torch.long, device=points.device)


def _entries(
    pixels: torch.Tensor, reached: torch.Tensor, share: torch.Tensor, index: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Allocate what the two kernels fill and queue two operations in their place."""
    point_at = torch.full((size * size,), -1, dtype=torch.int32, device=pixels.device)
    weights = torch.empty(len(reached), 48, device=pixels.device)
    point_at.zero_()
    return torch.empty(weights.shape, dtype=torch.long, device=pixels.device), weights.zero_()


class _NoGraphs:
    """What graphs of networks hold, in the place of which one operation is queued at a replay."""

    def __init__(self) -> None:
        self._most = 0
        self._held: torch.Tensor | None = None

    def record(self, function: Any, inputs: tuple[torch.Tensor, ...]) -> _NoRecording:
        with LiveBytes() as live:
            output = function(*inputs)
        self._most = max(self._most, live.peak - output.nbytes)
        return _NoRecording(output)

    def hold(self) -> None:
        self._held = torch.empty(self._most, dtype=torch.uint8, device="cuda")

    def release(self) -> None:
        self._held = None

    @property
    def nbytes(self) -> int:
        return 0 if self._held is None else self._held.nbytes


class _NoRecording:
    def __init__(self, output: torch.Tensor) -> None:
        self.output = output

    def replay(self) -> None:
        self.output.zero_()


class _NoGraph:
    """The buffers of the graph of farthest points."""

    def __init__(self, buffers: Any) -> None:
        self.buffers = buffers

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        self.buffers.load(points)
        self.buffers.best.zero_()
        return self.buffers.picks()
